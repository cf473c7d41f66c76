"""The course of the lessons: which of them the weights contain after each record of the journal.

Every lesson stands on the one before it; loading a checkpoint goes back to where that was made, and what is taught then
branches off there. What was taught on the other branch stays in the journal and is in the weights no more.
"""

from __future__ import annotations

from typing import NamedTuple


class _Link(NamedTuple):
    record: dict
    before: _Link | None


class History:
    """The branch of lessons behind each `seq` of the journal."""

    def __init__(self):
        self._ends: list[_Link | None] = [None]  # by seq; 0 is the base model

    def note(self, record: dict) -> None:
        """Take in a record of the journal, each after those before it; what is only told need not be noted."""
        end = self._ends[-1]
        self._ends += [end] * (record["seq"] - len(self._ends))
        if record["kind"] == "lesson":
            end = _Link(record, end)
        elif record["kind"] == "load":
            end = self._ends[checkpoint_seq(record)]
        self._ends.append(end)

    def lessons(self, seq: int = -1) -> list[dict]:
        """The lessons in the weights after record `seq` (the last, if not given), the first taught first."""
        found, link = [], self._ends[min(seq, len(self._ends) - 1)]
        while link is not None:
            found.append(link.record)
            link = link.before
        return found[::-1]


def checkpoint_seq(record: dict) -> int:
    """The record after which the checkpoint of a load record was made: the number in its folder's name."""
    return int(record["checkpoint"].rpartition("@")[2])
