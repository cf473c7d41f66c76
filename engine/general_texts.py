"""General texts that come with a model: a fixed probe, and what is rehearsed beside lessons."""

from __future__ import annotations

from pathlib import Path

from models.dataset import read
from models.sample import Sample
from models.template import Template


def read_general(path: Path, template: Template) -> list[Sample]:
    """The conversations of a jsonl file as samples, every token trained; [] where a model has no such file."""
    if not path.exists():
        return []
    dataset = read(path.read_bytes(), path.name, "jsonl")
    if dataset.problems:
        raise ValueError(f"{path}: line {dataset.problems[0].line}: {dataset.problems[0].message}")
    return [lesson.sample(template, "all") for lesson in dataset.lessons]
