"""Tokens to train on, each with the weight of its loss."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Sample:
    """Tokens and weights of one length: weights[i] weighs the loss (nats) of predicting tokens[i] from all before it.

    weights[0] is used only where a state from before precedes the sample. ValueError where the lengths differ, there is
    no token, or a weight is negative or not finite.
    """

    tokens: tuple[int, ...]
    weights: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.tokens) != len(self.weights):
            raise ValueError(f"a sample has {len(self.tokens)} tokens but {len(self.weights)} weights")
        if not self.tokens:
            raise ValueError("a sample needs at least one token")
        if not all(math.isfinite(weight) and weight >= 0 for weight in self.weights):
            raise ValueError("the weights of a sample must be 0 or more and finite")

    @classmethod
    def from_text(cls, tokens: Sequence[int], begin: Sequence[int] = ()) -> Sample:
        """A plain text: every token weighs 1, those of `begin` before it weigh nothing."""
        return cls((*begin, *tokens), (0.0,) * len(begin) + (1.0,) * len(tokens))

    @property
    def trained(self) -> float:
        """The sum of all weights: what the summed loss is divided by."""
        return math.fsum(self.weights)
