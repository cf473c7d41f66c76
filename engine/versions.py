"""Which weights these are: the version that people see, and the stamp that tells whether anything moved."""

from __future__ import annotations

import itertools


class Versions:
    """`number` counts acknowledged lessons. `stamp` is another number after every change of any weight.

    A state was made by the present weights if and only if its stamp is the present one: also in the middle of a lesson,
    and after one that was taken back.
    """

    def __init__(self):
        self.number = 0
        self._fresh = itertools.count(1)
        self.stamp = next(self._fresh)
        self.digest = ""
        """Of the weights of version `number`, as /weights tells it; the weights themselves may be in the midst of a lesson."""

    def moved(self) -> None:
        """The weights are others than before."""
        self.stamp = next(self._fresh)

    def restored(self, stamp: int) -> None:
        """The weights are again, to the bit, what they were at `stamp`."""
        self.stamp = stamp
