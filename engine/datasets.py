"""Files of lessons: found under the data folder or sent, read, and remembered by name."""

from __future__ import annotations

import random
from pathlib import Path

from engine.errors import BadRequest, NotFound
from models.dataset import Dataset, read
from models.lesson import Lesson
from models.role import Roles

OWN = ("token", "journal", "journal.torn", "checkpoints", "sessions", "states", "adapters")
"""What the program itself writes under the data folder: no lesson is in it."""


class Datasets:
    """The sets that were read since the start."""

    def __init__(self, folder: Path, roles: Roles):
        self._folder = folder.resolve()
        self._roles = roles
        self._known: dict[str, Dataset] = {}

    def read(self, body: dict) -> Dataset:
        """The set that a body of /load_data names or holds."""
        field = "path" if "path" in body else "content"
        name, content = self._file(body["path"]) if field == "path" else (body["name"], body["content"].encode())
        try:
            dataset = read(content, name, body.get("format", "auto"), self._roles)
        except ValueError as error:
            raise BadRequest(f"{field}: {error}", field) from None
        self._known[dataset.name] = dataset
        return dataset

    def list(self) -> list[dict]:
        """The sets in brief."""
        return [{"dataset": d.name, "format": d.format, "lessons": len(d.lessons), "problems": len(d.problems)}
                for d in list(self._known.values())]

    def _file(self, given: str) -> tuple[str, bytes]:
        missing = NotFound(f"path: there is no file {given} under the data folder", "path")
        try:
            path = (self._folder / given).resolve()
            if not path.is_relative_to(self._folder) or not path.is_file() or self._own(path):
                raise missing
            return path.name, path.read_bytes()
        except OSError:  # a name too long, a file that may not be read
            raise missing from None

    def _own(self, path: Path) -> bool:
        first = path.relative_to(self._folder).parts[0]
        return first.startswith(".") or first in OWN


def in_order(lessons: tuple[Lesson, ...], shuffle: bool, seed: int) -> list[Lesson]:
    """The lessons as they stand, or in an order that the seed decides."""
    lessons = list(lessons)
    if shuffle:
        random.Random(seed).shuffle(lessons)
    return lessons
