"""Tokens to train on, each with the weight of its loss."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from models.tokenizer import Tokenizer


@dataclass(frozen=True)
class Sample:
    """Tokens and weights of one length: weights[i] weighs the loss (nats) of predicting tokens[i] from all before it.

    Nothing predicts tokens[0], so weights[0] goes unused. ValueError where the lengths differ, there is no token, a weight
    is negative or not finite, or the rejected tokens are no other way to go on.
    """

    tokens: tuple[int, ...]
    weights: tuple[float, ...]
    rejected: tuple[int, ...] = ()
    """The same beginning with the answer that should not have been given; () where there is none."""

    def __post_init__(self) -> None:
        if len(self.tokens) != len(self.weights):
            raise ValueError(f"a sample has {len(self.tokens)} tokens but {len(self.weights)} weights")
        if not self.tokens:
            raise ValueError("a sample needs at least one token")
        if not all(math.isfinite(weight) and weight >= 0 for weight in self.weights):
            raise ValueError("the weights of a sample must be 0 or more and finite")
        if self.rejected and not 0 < self.fork < min(len(self.tokens), len(self.rejected)):
            raise ValueError("the rejected tokens of a sample must begin as its tokens do and end in another way")

    @classmethod
    def from_text(cls, tokens: Sequence[int], begin: Sequence[int] = ()) -> Sample:
        """A plain text: every token weighs 1, those of `begin` before it weigh nothing."""
        return cls((*begin, *tokens), (0.0,) * len(begin) + (1.0,) * len(tokens))

    @classmethod
    def from_description(cls, described: dict) -> Sample:
        """The sample that `describe` wrote."""
        return cls(*(tuple(described.get(name, ())) for name in ("tokens", "weights", "rejected")))

    def describe(self) -> dict:
        """The sample as JSON."""
        described = {"tokens": self.tokens, "weights": self.weights}
        return described | ({"rejected": self.rejected} if self.rejected else {})

    @property
    def trained(self) -> float:
        """The sum of all weights."""
        return math.fsum(self.weights)

    @property
    def teaches(self) -> bool:
        """Whether any token that something predicts has a weight."""
        return any(self.weights[1:])

    @property
    def answer(self) -> range:
        """Places of the last tokens in a row that have a weight; from 1 on where no question stands before them, as in a text."""
        end = next((i for i in range(len(self.weights), 1, -1) if self.weights[i - 1]), 1)
        begin = next((i for i in range(end, 1, -1) if not self.weights[i - 1]), 1)
        return range(begin, end)

    @property
    def fork(self) -> int:
        """The first position where tokens and rejected tokens differ, or the shorter length."""
        pairs = zip(self.tokens, self.rejected, strict=False)
        return next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(self.tokens), len(self.rejected)))

    def preview(self, tokenizer: Tokenizer) -> list[dict]:
        """Each token with its text and the weight that its loss has, before the weights are divided by their sum."""
        weights = (0.0, *self.weights[1:])
        return [{"token": token, "text": tokenizer.decode([token]), "weight": weight}
                for token, weight in zip(self.tokens, weights, strict=True)]
