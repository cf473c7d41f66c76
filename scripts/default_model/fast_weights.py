"""The network with weights of their own for each of several episodes, in the one kind of matrix that lessons move: the channel mix's value.

Shape letters: E episodes, R rows of an episode, T time, I inputs, O outputs, L layers.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor

from rwkv_models import pointwise, rwkv7
from rwkv_models.linear import Linear
from rwkv_models.wkv7_chunked import wkv7_chunked

INNER_CHUNK = 16


class EpisodeLinear(Linear):
    """A matrix to which each episode adds its own `change_EOI`; None adds nothing. Rows of an episode stand side by side in a batch."""

    change_EOI: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        """[E*R, T, I] → [E*R, T, O]."""
        if self.change_EOI is None:
            return F.linear(x, self.weight)
        E = self.change_EOI.shape[0]
        y = x.reshape(E, -1, x.shape[-1]) @ (self.weight + self.change_EOI).transpose(1, 2)
        return y.view(*x.shape[:-1], -1)


def with_fast_weights(network: rwkv7.RWKV7) -> list[EpisodeLinear]:
    """Make every ffn.value of the network an EpisodeLinear, in place and under its name; return them in order."""
    for block in network.blocks:
        block.ffn.value.__class__ = EpisodeLinear
    return [block.ffn.value for block in network.blocks]


@contextmanager
def changed(matrices: list[EpisodeLinear], changes: list[Tensor] | None) -> Iterator[None]:
    """Inside, the network is that of the episodes."""
    for i, matrix in enumerate(matrices):
        matrix.change_EOI = None if changes is None else changes[i]
    try:
        yield
    finally:
        for matrix in matrices:
            matrix.change_EOI = None


def _inverse(lower: Tensor) -> Tensor:
    """The inverse of a unit lower triangular matrix by products: (I - N)^-1 = (I + N)(I + N^2)(I + N^4) …"""
    size = lower.shape[-1]
    eye = torch.eye(size, dtype=lower.dtype, device=lower.device)
    power = eye - lower
    inverse, reach = eye + power, 2
    while reach < size:
        power = power @ power
        inverse = inverse + power @ inverse
        reach *= 2
    return inverse


def _operator(*inputs: Tensor) -> tuple[Tensor, Tensor]:
    return wkv7_chunked(*inputs, chunk=INNER_CHUNK)


@contextmanager
def twice_differentiable() -> Iterator[None]:
    """Inside, the network computes in plain torch, whose gradients have gradients, and solves no system, which a CUDA graph could not hold."""
    kept = rwkv7.implementation, rwkv7.wkv7, torch.linalg.solve_triangular
    rwkv7.implementation, rwkv7.wkv7 = lambda x, head_size=64: pointwise, _operator
    torch.linalg.solve_triangular = lambda lower, right, **_: _inverse(lower) @ right
    try:
        yield
    finally:
        rwkv7.implementation, rwkv7.wkv7, torch.linalg.solve_triangular = kept
