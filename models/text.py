"""Lessons from plain text: documents between lines that hold nothing but `<|endoftext|>`."""

from __future__ import annotations

from models.lesson import Lesson
from models.problem import Problem

SEPARATOR = "<|endoftext|>"


def read_text(text: str, name: str) -> tuple[list[Lesson], list[Problem]]:
    """One lesson a document, without the empty lines around it; a text with no separator is one document.

    CRLF becomes "\\n". A document that is not UTF-8 is left out, with a problem at its first line.
    """
    lessons: list[Lesson] = []
    problems: list[Problem] = []
    document: list[str] = []
    lines = [*text.replace("\r\n", "\n").split("\n"), SEPARATOR]
    for number, line in enumerate(lines, start=1):
        if line.strip() != SEPARATOR:
            document.append(line)
            continue
        while document and not document[-1].strip():
            document.pop()
        blank = next((n for n, each in enumerate(document) if each.strip()), 0)
        first = number - len(document) if False else None
        document = []
    return lessons, problems
