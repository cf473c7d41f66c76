"""The course of what was taught: what the weights contain after each record of a journal.

Each item stands on the one before it. Going back to an earlier record ends this branch, and what comes then stands on that one;
taking an item out of the middle lets all later ones stand anew on the one before it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, eq=False, slots=True)
class Link:
    """One item where it stands. The same item stands elsewhere, as another link, after one ahead of it was taken out."""

    item: Any
    at: int
    """The record that put it here."""
    before: Link | None
    depth: int

    @staticmethod
    def on(before: Link | None, item: Any, at: int) -> Link:
        """The item on top of a link."""
        return Link(item, at, before, depth(before) + 1)


def depth(link: Link | None) -> int:
    """How many items there are up to here; 0 for none."""
    return 0 if link is None else link.depth


def path(link: Link | None, after: Link | None = None) -> list[Link]:
    """All links up to here, the first one first; those after `after`, which must be one of them."""
    found = []
    while link is not after:
        found.append(link)
        link = link.before
    return found[::-1]


def apart(left: Link | None, right: Link | None) -> tuple[list[Link], list[Link]]:
    """The links of the one branch alone, and of the other alone, the last one first."""
    lefts, rights = [], []
    while left is not right:
        if depth(left) >= depth(right):
            lefts.append(left)
            left = left.before
        else:
            rights.append(right)
            right = right.before
    return lefts, rights


def contains(link: Link | None, other: Link | None) -> bool:
    """Whether `other` is on the path to `link`."""
    while depth(link) > depth(other):
        link = link.before
    return link is other


def without(link: Link | None, gone: Callable[[Any], bool], at: int) -> Link | None:
    """The path to a link without the items that are `gone`; those after the first of them are put there by record `at`."""
    links = path(link)
    first = next((i for i, each in enumerate(links) if gone(each.item)), None)
    if first is None:
        return link
    end = links[first].before
    for each in links[first + 1 :]:
        if not gone(each.item):
            end = Link.on(end, each.item, at)
    return end


class Course:
    """The end of the path after each record; record 0 is the beginning of everything."""

    def __init__(self):
        self._ends: list[Link | None] = [None]

    def end(self, seq: int = -1) -> Link | None:
        """The end after record `seq` (the last, if not given)."""
        return self._ends[min(seq, len(self._ends) - 1)]

    def note(self, seq: int, end: Link | None) -> None:
        """Record `seq` brought the path to this end; those left out before it changed nothing."""
        self._ends += [self._ends[-1]] * (seq - len(self._ends))
        self._ends.append(end)
