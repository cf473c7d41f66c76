"""A pause between two blocks, in a forward and again in its backward: what is computed is the same, to the bit.

Shape letters: B batch, T time, C channels.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


class _Pause(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x_BTC: Tensor, pause: Callable[[], None]) -> Tensor:
        ctx.pause = pause
        pause()
        return x_BTC.view_as(x_BTC)

    @staticmethod
    def backward(ctx, gradient_BTC: Tensor) -> tuple[Tensor, None]:
        ctx.pause()
        return gradient_BTC, None


def pausing(x_BTC: Tensor, pause: Callable[[], None]) -> Tensor:
    """x, after a call of `pause`, which is called again when the gradient comes back through here."""
    if torch.is_grad_enabled() and x_BTC.requires_grad:
        return _Pause.apply(x_BTC, pause)
    pause()
    return x_BTC
