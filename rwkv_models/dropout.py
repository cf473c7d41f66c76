"""Dropout of adapters: one mask a matrix and a step, the same at every position.

PyTorch draws a new mask for every element of every call. Here a sample is read in chunks, each chunk possibly twice (once to
carry the state, once for the gradient) and blocks are recomputed: the gradient is that of the loss only if all of these see
one function. So a mask covers input channels only and depends on nothing but (seed, matrix): the same at every position and
in every row, as recurrent networks want it (arXiv 1512.05287). Cut the sample as you like, the result is the same; drawn from
a generator of its own on the CPU, it is also the same on every device, and at every replay.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor


class Dropout:
    """Whether a network's adapters drop inputs now, and by which seed. Off until `seeded`: answers are never touched."""

    def __init__(self):
        self.seed: int | None = None

    @contextmanager
    def seeded(self, seed: int | None) -> Iterator[None]:
        """Inside, adapters drop inputs by the masks of `seed` (None: they drop none)."""
        before, self.seed = self.seed, seed
        try:
            yield
        finally:
            self.seed = before


class Mask:
    """The masks of one matrix: [I], 0 where dropped, 1/(1-p) elsewhere."""

    def __init__(self, dropout: Dropout, path: str, p: float):
        self._dropout, self._path, self.p = dropout, path, p
        self._drawn: tuple | None = None

    def __call__(self, x: Tensor) -> Tensor:
        """x [..., I] with its dropped channels at zero; x itself where nothing is dropped."""
        seed = self._dropout.seed
        if seed is None or not self.p:
            return x
        key = (seed, self.p, x.shape[-1], x.dtype, x.device)
        if self._drawn is None or self._drawn[0] != key:
            stream = int.from_bytes(hashlib.sha256(f"{seed} {self._path}".encode()).digest()[:8], "little") >> 1
            keep = torch.rand(x.shape[-1], generator=torch.Generator().manual_seed(stream)) >= self.p
            self._drawn = key, (keep / (1 - self.p)).to(x.device, x.dtype)
        return x * self._drawn[1]
