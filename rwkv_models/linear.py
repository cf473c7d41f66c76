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
    """Inside, kernels start on that stream, after what was started before; `used` are tensors of the present one. None: no difference."""
    if stream is None:
        yield
        return
    stream.wait_stream(torch.cuda.current_stream())
    for t in used:
        t.record_stream(stream)
    with torch.cuda.stream(stream):
        yield


def join(stream: torch.cuda.Stream | None, *made: Tensor) -> None:
    """What comes next waits for what was made on that stream. None: nothing."""
    if stream is not None:
        present = torch.cuda.current_stream()
        present.wait_stream(stream)
        for t in made:
            t.record_stream(present)


class _Gathering(torch.autograd.Function):
    """x W^T, the gradient of W being added by the product that makes it, with no tensor of W's size between; on the stream `W.aside`, if
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
    aside       the stream on which the adapter computes while a graph is recorded
    quantized   where W lies instead when it is quantized (rwkv_models/quantized.py); `weight` is None then
    """

    def __init__(self, inputs: int, outputs: int):
        super().__init__(inputs, outputs, bias=False)
        self.adapter: nn.Module | None = None
        self.quantized = None
        self.aside: torch.cuda.Stream | None = None

    def forward(self, x: Tensor) -> Tensor:
        """[..., I] → [..., O]."""
        if self.adapter is None:
            return self._product(x)
        with aside(self.aside, x):
            more = self.adapter(x)
        y = self._product(x)
        join(self.aside, more)
        return y + more

    def _product(self, x: Tensor) -> Tensor:
        if self.quantized is not None:
            return self.quantized.product(x)
        if getattr(self.weight, "gathered", False) and torch.is_grad_enabled():
            return _Gathering.apply(x, self.weight)
        return F.linear(x, self.weight)


def linears(network: nn.Module) -> dict[str, Linear]:
    """Every such matrix of a network by its path, "blocks.0.att.key" and so on."""
    return {path: module for path, module in network.named_modules() if isinstance(module, Linear)}
