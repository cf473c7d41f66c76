"""A file of lessons, read whole."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePath

from models.jsonl import read_jsonl
from models.lesson import Lesson
from models.org import read_org
from models.problem import Problem
from models.role import G1_ROLES, Roles
from models.text import read_text

FORMATS = ("auto", "org", "jsonl", "text")
_BY_SUFFIX = {".org": "org", ".jsonl": "jsonl", ".json": "jsonl", ".ndjson": "jsonl", ".txt": "text", ".md": "text"}
_ORG_HEADING = re.compile(r"^\*+[ \t]", re.MULTILINE)


@dataclass(frozen=True)
class Dataset:
    """What a file taught: its lessons in order, and by line what could not be read."""

    name: str
    format: str
    """org, jsonl or text."""
    lessons: tuple[Lesson, ...]
    problems: tuple[Problem, ...]
    form: str = ""
    """jsonl: the forms of its records, e.g. "sharegpt"; more than one are joined by ", "."""


def read(content: bytes, name: str, format: str = "auto", roles: Roles = G1_ROLES) -> Dataset:  # noqa: A002
    """Read the content of a file called `name`.

    "auto" goes by the name's suffix, else by the content. `roles` are those that messages may have. What is broken
    becomes a problem and the rest loads; ValueError only for an unknown format or a file in UTF-16.
    """
    if format not in FORMATS:
        raise ValueError(f"format must be one of {', '.join(FORMATS)}, not {format!r}")
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise ValueError(f"{name} is in UTF-16; save it as UTF-8")
    # Broken bytes are carried on as surrogates, so that only the lessons that hold them are left out.
    text = content.removeprefix(b"\xef\xbb\xbf").decode("utf-8", errors="surrogateescape")
    if format == "auto":
        format = _detect(text, name)  # noqa: A001
    form = ""
    if format == "org":
        lessons, problems = read_org(text, name, roles)
    elif format == "jsonl":
        lessons, problems, form = read_jsonl(text, name, roles)
    else:
        lessons, problems = read_text(text, name)
    if not lessons and not problems:
        problems = [Problem(1, f"{name} has no lesson in it")]
    return Dataset(name, format, tuple(lessons), tuple(problems), form)


def _detect(text: str, name: str) -> str:
    by_suffix = _BY_SUFFIX.get(PurePath(name).suffix.lower())
    if by_suffix:
        return by_suffix
    start = text.lstrip()[:1]
    if start and start in "{[":
        return "jsonl"
    return "org" if _ORG_HEADING.search(text) else "text"
