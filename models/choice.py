"""What is done with the lessons of a file, by the verbs among their tags."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from models.lesson import Lesson


@dataclass(frozen=True)
class Choice:
    """The lessons of one file, each in one place, in the order of the file."""

    taught: tuple[Lesson, ...]
    measured: tuple[Lesson, ...]
    """:benchmark: their loss is told, and nothing is learned from them."""
    set_aside: tuple[Lesson, ...]
    """:skip:, or not marked :train: in a file where other lessons are."""


def choose(lessons: Sequence[Lesson]) -> Choice:
    """Sort the lessons of one file. Where any that may be taught is marked :train:, only those that are marked are taught."""
    open_to = [lesson for lesson in lessons if lesson.taught]
    marked = [lesson for lesson in open_to if "train" in lesson.verbs]
    taught = marked or open_to
    measured = [lesson for lesson in lessons if lesson.measured]
    kept = {id(lesson) for lesson in (*taught, *measured)}
    return Choice(tuple(taught), tuple(measured), tuple(lesson for lesson in lessons if id(lesson) not in kept))
