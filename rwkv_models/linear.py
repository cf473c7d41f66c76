"""A matrix of the network that may carry an adapter, and whose own numbers may be stored in fewer bits.

Shape letters: I inputs, O outputs; leading dimensions are free.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable


@contextmanager
def aside(stream: torch.cuda.Stream | None, *used: Tensor) -> Iterator[None]:
    """Inside, kernels are started on that stream, after what was started before; `used` are tensors of the present stream. None: nothing."""
    if stream is None:
        yield
        return
    stream.wait_stream(torch.cuda.current_stream())
    for t in used:
        t.record_stream(stream)
    with torch.cuda.stream(stream):
        yield


class _Gathering(torch.autograd.Function):
    """x W^T, the gradient of W being added by the product that makes it: no tensor of W's size between the two. On the stream `W.aside`, if
    there is such a one."""

    @staticmethod
    def forward(ctx, x: Tensor, weight_OI: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight_OI)
        ctx.gradient_OI, ctx.stream = weight_OI.grad, getattr(weight_OI, "aside", None)
        return F.linear(x, weight_OI)

    @staticmethod
    @once_differentiable
    def backward(ctx, dy: Tensor) -> tuple[Tensor, None]:
        x, weight_OI = ctx.saved_tensors
        dy = dy.contiguous()
        with aside(ctx.stream, x, dy):
            ctx.gradient_OI.addmm_(dy.flatten(0, -2).T, x.flatten(0, -2))
        return dy @ weight_OI, None


class Linear(nn.Linear):
    """y = x W^T, plus what the adapter adds. `weight` [O, I] keeps its name and its memory whatever is attached.

    `weight.gathered` (rwkv_models/flat_adamw.py) says that its gradient has a place to which it is to be added.

    adapter     a module that maps x [..., I] to what is added to y [..., O], or None
    quantized   where W lies instead when it is quantized (rwkv_models/quantized.py); `weight` is None then
    """

    def __init__(self, inputs: int, outputs: int):
        super().__init__(inputs, outputs, bias=False)
        self.adapter: nn.Module | None = None
        self.quantized = None

    def forward(self, x: Tensor) -> Tensor:
        """[..., I] → [..., O]."""
        if self.quantized is not None:
            y = self.quantized.product(x)
        elif getattr(self.weight, "gathered", False) and torch.is_grad_enabled():
            y = _Gathering.apply(x, self.weight)
        else:
            y = F.linear(x, self.weight)
        return y if self.adapter is None else y + self.adapter(x)


def linears(network: nn.Module) -> dict[str, Linear]:
    """Every such matrix of a network by its path, "blocks.0.att.key" and so on."""
    return {path: module for path, module in network.named_modules() if isinstance(module, Linear)}
