"""Samples side by side, as the loop over chunks reads them.

Shape letters: B samples, T targets of the longest sample, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor


@dataclass(frozen=True)
class Batch:
    """Inputs, the token that follows each, and what its loss weighs; padded at the end, where the weights are 0.

    lengths_B    where each sample ends; None: nowhere before T
    weights_BT   float64; a negative weight pushes its target away (dpo's rejected answer)
    unlikely     the loss of a position is -log(1 - p) of its target, not -log p
    old_BTV      if given, the loss of a position is the divergence from these log-probabilities, whatever its target
    """

    inputs_BT: Tensor
    targets_BT: Tensor
    weights_BT: Tensor
    lengths_B: Tensor | None
    unlikely: bool = False
    old_BTV: Tensor | None = None

    @classmethod
    def of(cls, samples: Sequence[tuple[Sequence[int], Sequence[float]]], device: torch.device | str = "cpu") -> Batch:
        """From (tokens, weights) pairs of equal length; weights[i] is that of predicting tokens[i], so weights[0] goes unused."""
        lengths = [len(tokens) - 1 for tokens, _ in samples]
        if min(lengths) < 1:
            raise ValueError("a sample needs at least two tokens: one to read and one to predict")
        T = max(lengths)
        pad = lambda row, n, zero: list(row) + [zero] * (T - n)  # noqa: E731
        inputs = [pad(tokens[:-1], n, 0) for (tokens, _), n in zip(samples, lengths, strict=True)]
        targets = [pad(tokens[1:], n, 0) for (tokens, _), n in zip(samples, lengths, strict=True)]
        weights = [pad(weights[1:], n, 0.0) for (_, weights), n in zip(samples, lengths, strict=True)]
        ragged = torch.tensor(lengths, device=device) if min(lengths) < T else None
        return cls(torch.tensor(inputs, device=device), torch.tensor(targets, device=device),
                   torch.tensor(weights, dtype=torch.float64, device=device), ragged)

    def normalised(self) -> Batch:
        """The same with each sample's weights (their sizes, where some are negative) summing to 1: the loss is a sum of means.

        A sample without any weight stays at 0. Divided by the largest first, so that weights whose sum is beyond a
        float64, or whose share of it would be 0, keep their proportions.
        """
        largest_B1 = self.weights_BT.abs().amax(dim=1, keepdim=True)
        weights_BT = self.weights_BT / torch.where(largest_B1 > 0, largest_B1, 1.0)
        total_B1 = weights_BT.abs().sum(dim=1, keepdim=True)
        return replace(self, weights_BT=weights_BT / torch.where(total_B1 > 0, total_B1, 1.0))

    def scaled(self, factor: float) -> Batch:
        """The same with every weight multiplied."""
        return self if factor == 1 else replace(self, weights_BT=self.weights_BT * factor)

    def span(self, start: int, stop: int) -> Batch:
        """Targets `start` to `stop` of every sample."""
        lengths = None if self.lengths_B is None else (self.lengths_B - start).clamp(0, stop - start)
        cut = lambda x: None if x is None else x[:, start:stop]  # noqa: E731
        return replace(self, inputs_BT=cut(self.inputs_BT), targets_BT=cut(self.targets_BT), weights_BT=cut(self.weights_BT),
                       lengths_B=lengths, old_BTV=cut(self.old_BTV))

    def read_only_before(self, position: int) -> Batch:
        """The same with nothing trained before a position."""
        if not position:
            return self
        weights_BT = self.weights_BT.clone()
        weights_BT[:, :position] = 0
        return replace(self, weights_BT=weights_BT)

    @property
    def length(self) -> int:
        """T."""
        return self.inputs_BT.shape[1]
