"""MiSS (DiSHA): one shared slice for all slices of a matrix (arXiv 2409.15371).

Shape letters: I inputs, O outputs, R rank.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rwkv_models.dropout import Mask


class MiSS(nn.Module):
    """Adds s(mask(x)) D, D = miss_block [R, O], where s sums x over its slices of R channels (the last filled up with zeros).

    The same as W + dW with dW[o, i] = D[i mod R, o]. D begins at zero: no change, and yet a gradient.
    """

    kind = "miss"
    factors = ("miss_block",)

    def __init__(self, inputs: int, outputs: int, rank: int, mask: Mask):
        super().__init__()
        self.inputs, self.rank, self.mask = inputs, rank, mask
        self.miss_block = nn.Parameter(torch.zeros(rank, outputs))

    def begin(self, generator: torch.Generator) -> None:
        """All zeros."""
        with torch.no_grad():
            self.miss_block.zero_()

    def forward(self, x: Tensor) -> Tensor:
        """[..., I] → [..., O]."""
        x = F.pad(self.mask(x), (0, -self.inputs % self.rank))
        return x.unflatten(-1, (-1, self.rank)).sum(-2) @ self.miss_block

    @torch.no_grad()
    def delta(self) -> Tensor:
        """What it adds to the weight, [O, I], in float64."""
        return self.miss_block.double().t().repeat(1, -(-self.inputs // self.rank))[:, : self.inputs]
