"""Several sets taught together, each with its share: `name:n` is n lessons of a set in every round."""

from __future__ import annotations

import functools
import random
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple, overload

_SHARE = re.compile(r"([a-z0-9][a-z0-9._-]{0,63}):([1-9][0-9]{0,5})")


class Share(NamedTuple):
    """How many lessons of a set each round takes."""

    name: str
    count: int

    @classmethod
    def read(cls, text: str) -> Share:
        """The share that `name:n` says; ValueError for anything else."""
        found = _SHARE.fullmatch(text)
        if not found:
            raise ValueError(
                f"a share is name:n, a name of 1 to 64 of a-z 0-9 . _ - that begins with a letter or digit and a whole number "
                f"from 1 to 999999, not {text!r:.80}"
            )
        return cls(found[1], int(found[2]))


class Mixture(Sequence[tuple[str, int]]):
    """The order in which the lessons of several sets are taught: (name of the set, number of the lesson in it, from 0).

    Each round takes of every set, in the order of the shares, as many lessons as its share says. A set that is used up
    begins again, newly shuffled: every lesson of it comes once before any comes twice. An epoch is as many rounds as the set
    that lasts longest needs. The order depends on shares, sizes and seed alone, and any place of it can be asked for, so
    that a position is all that need be kept to go on: `for i in range(position, len(mixture)): mixture[i]`.
    """

    def __init__(self, shares: Sequence[Share], sizes: Mapping[str, int], epochs: int = 1, seed: int = 0):
        """`sizes`: how many lessons each set has. ValueError where a set is absent, empty or named twice."""
        if not shares:
            raise ValueError("a mixture needs at least one share, name:n")
        for name, times in Counter(share.name for share in shares).items():
            if times > 1:
                raise ValueError(f"the set {name} has two shares; give it one")
            if not sizes.get(name):
                raise ValueError(f"the set {name} has no lesson" if name in sizes else f"there is no set {name}")
        self.shares = tuple(shares)
        self._sizes = {share.name: sizes[share.name] for share in shares}
        self._seed = seed
        self._round = [(share, place) for share in shares for place in range(share.count)]
        self.rounds = epochs * max(-(-sizes[share.name] // share.count) for share in shares)
        self._shuffled = functools.lru_cache(2 * len(shares))(self._shuffle)

    def __len__(self) -> int:
        return self.rounds * len(self._round)

    @overload
    def __getitem__(self, position: int) -> tuple[str, int]: ...
    @overload
    def __getitem__(self, position: slice) -> list[tuple[str, int]]: ...
    def __getitem__(self, position):
        places = range(len(self))[position]
        return [self._at(place) for place in places] if isinstance(position, slice) else self._at(places)

    def _at(self, position: int) -> tuple[str, int]:
        turn, place = divmod(position, len(self._round))
        share, within = self._round[place]
        taken, number = divmod(turn * share.count + within, self._sizes[share.name])
        return share.name, self._shuffled(share.name, taken)[number]

    def _shuffle(self, name: str, taken: int) -> list[int]:
        """The order in which a set is gone through after it was used up `taken` times."""
        order = list(range(self._sizes[name]))
        random.Random(f"{self._seed} {taken} {name}").shuffle(order)
        return order
