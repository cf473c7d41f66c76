"""LoRA: a low-rank change beside a matrix (arXiv 2106.09685).

Shape letters: I inputs, O outputs, R rank.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from rwkv_models.dropout import Mask


class LoRA(nn.Module):
    """Adds scale * (mask(x) A^T) B^T: A = lora_A [R, I], B = lora_B [O, R], scale = alpha / R. B begins at zero: no change."""

    kind = "lora"
    factors = ("lora_A", "lora_B")

    def __init__(self, inputs: int, outputs: int, rank: int, alpha: float, mask: Mask):
        super().__init__()
        self.scale, self.mask = alpha / rank, mask
        self.lora_A = nn.Parameter(torch.empty(rank, inputs))
        self.lora_B = nn.Parameter(torch.zeros(outputs, rank))

    def begin(self, generator: torch.Generator) -> None:
        """A uniform within 1/sqrt(I), B zero: the values that PEFT begins from."""
        bound = 1 / math.sqrt(self.lora_A.shape[1])
        with torch.no_grad():
            self.lora_A.copy_(torch.empty(self.lora_A.shape).uniform_(-bound, bound, generator=generator))
            self.lora_B.zero_()

    def forward(self, x: Tensor) -> Tensor:
        """[..., I] → [..., O]."""
        return (self.mask(x) @ self.lora_A.t() * self.scale) @ self.lora_B.t()

    @torch.no_grad()
    def delta(self) -> Tensor:
        """What it adds to the weight, [O, I], in float64."""
        return self.scale * (self.lora_B.double() @ self.lora_A.double())
