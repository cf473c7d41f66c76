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
    lines = text.replace("\r\n", "\n").split("\n")
    ends = [number for number, line in enumerate(lines) if line.strip() == SEPARATOR]
    for start, end in zip([0, *(end + 1 for end in ends)], [*ends, len(lines)], strict=True):
        full = [number for number in range(start, end) if lines[number].strip()]
        if not full:
            continue
        document = "\n".join(lines[full[0] : full[-1] + 1])
        try:
            lessons.append(Lesson(text=document, source=name, line=full[0] + 1))
        except ValueError as error:
            problems.append(Problem(full[0] + 1, str(error)))
    return lessons, problems
