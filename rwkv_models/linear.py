"""A matrix of the network that may carry an adapter, and whose own numbers may be stored in fewer bits.

Shape letters: I inputs, O outputs; leading dimensions are free.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


class Linear(nn.Linear):
    """y = x W^T, plus what the adapter adds. `weight` [O, I] keeps its name and its memory whatever is attached.

    adapter     a module that maps x [..., I] to what is added to y [..., O], or None
    quantized   where W lies instead when it is quantized (rwkv_models/quantized.py); `weight` is None then
    """

    def __init__(self, inputs: int, outputs: int):
        super().__init__(inputs, outputs, bias=False)
        self.adapter: nn.Module | None = None
        self.quantized = None

    def forward(self, x: Tensor) -> Tensor:
        """[..., I] → [..., O]."""
        y = F.linear(x, self.weight) if self.quantized is None else self.quantized.product(x)
        return y if self.adapter is None else y + self.adapter(x)


def linears(network: nn.Module) -> dict[str, Linear]:
    """Every such matrix of a network by its path, "blocks.0.att.key" and so on."""
    return {path: module for path, module in network.named_modules() if isinstance(module, Linear)}
