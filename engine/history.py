"""The course of the weights: which records of the journal made them what they are after each record, and which version that is.

A version is a number that names one set of weights for ever: a lesson makes the next one, also after a return to an earlier version.
"""

from __future__ import annotations

import bisect

from models.course import Course, Link, path, without

MAKES = frozenset({"base", "lesson", "rehearsal", "trains", "merge", "import", "remove"})
"""Records that make the weights, or what the next lesson depends on; a state record does where it is the training memory's."""
VERSIONED = frozenset({"lesson", "rehearsal", "load", "rollback", "undo"})
"""Records that bring another version."""


class History:
    """The journal's records that the weights stand on."""

    def __init__(self):
        self._course = Course()
        self._changes: list[tuple[int, int]] = []  # seq and version of each record that brought another version
        self.last = 0
        """The highest version that there ever was."""

    def note(self, record: dict) -> None:
        """Take in a record of the journal, each after those before it; what is only told need not be noted."""
        kind, seq, end = record["kind"], record["seq"], self._course.end()
        if kind in MAKES or (kind == "state" and record["of"] == "train"):
            end = Link.on(end, record, seq)
        elif kind in ("load", "rollback"):
            end = self._course.end(target(record))
        elif kind == "undo":
            end = self.undone(record["lesson"], seq)
        self._course.note(seq, end)
        version = 0 if kind == "base" else record.get("version") if kind in VERSIONED else None
        if version is not None:
            self._changes.append((seq, version))
            self.last = max(self.last, version)

    def end(self, seq: int = -1) -> Link | None:
        """The last link of the weights after record `seq` (the last, if not given)."""
        return self._course.end(seq)

    def lessons(self, seq: int = -1) -> list[dict]:
        """The lessons in the weights after record `seq` (the last, if not given), the first taught first."""
        return lessons_of(self.end(seq))

    def undone(self, lesson: str, seq: int) -> Link | None:
        """The weights of now without a lesson, as record `seq` would make them."""
        return without(self.end(), lambda record: record["kind"] == "lesson" and record["id"] == lesson, seq)

    def version(self, seq: int = -1) -> int:
        """The version of the weights after record `seq` (the last, if not given)."""
        i = len(self._changes) if seq < 0 else bisect.bisect_right(self._changes, seq, key=lambda change: change[0])
        return self._changes[i - 1][1] if i else 0

    def versions(self) -> list[int]:
        """The records that brought another version."""
        return [seq for seq, _ in self._changes]

    def moment(self, version: int) -> int | None:
        """The last record after which the weights had that version, -1 if they have it now; None if they never had."""
        for i in range(len(self._changes) - 1, -1, -1):
            if self._changes[i][1] == version:
                return self._changes[i + 1][0] - 1 if i + 1 < len(self._changes) else -1
        return None


def target(record: dict) -> int:
    """The record that a load or a rollback goes back to: that of a checkpoint is the number in its folder's name."""
    return record["to"] if record["kind"] == "rollback" else int(record["checkpoint"].rpartition("@")[2])


def lessons_of(end: Link | None) -> list[dict]:
    """The records of the lessons up to a link, the first taught first."""
    return [link.item for link in path(end) if link.item["kind"] == "lesson"]
