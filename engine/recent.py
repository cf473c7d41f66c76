"""Copies of the weights of recent versions in memory, so that a person goes back at once to what was a moment ago."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from engine.learner import Snapshot
from models.course import Link, contains


class Recent:
    """At most `limit` bytes of copies, the oldest going first; a model of which not even two fit is never copied."""

    def __init__(self, limit: int):
        self.limit = limit
        self._kept: OrderedDict[Link, Snapshot] = OrderedDict()

    def keep(self, link: Link, bytes: int, take: Callable[[], Snapshot]) -> None:  # noqa: A002
        """Keep what `take` copies, about so many bytes, as the weights of a link."""
        if 2 * bytes > self.limit:
            return
        self._kept[link] = take()
        while sum(snapshot.bytes for snapshot in self._kept.values()) > self.limit:
            self._kept.popitem(last=False)

    def clear(self) -> None:
        """Give all of them back."""
        self._kept.clear()

    def nearest(self, end: Link) -> tuple[Link, Snapshot] | None:
        """The copy that lies nearest before a link, or on it."""
        on_the_way = [link for link in self._kept if contains(end, link)]
        return max(((link, self._kept[link]) for link in on_the_way), key=lambda each: each[0].depth, default=None)
