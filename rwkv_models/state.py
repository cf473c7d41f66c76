"""The state of an RWKV network: everything it remembers of the tokens it has read, as an explicit value.

Shape letters: B batch, C channels, H heads, N size of a head.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from rwkv_models import wkv4

KINDS = ("att_shift", "ffn_shift", "wkv")


@dataclass(frozen=True)
class State:
    """One entry a layer in each tuple. Never changed in place: `forward` returns a new one.

    att_shift, ffn_shift   [B, C]  the normalised input of the last token, in the network's dtype
    wkv                    [B, H, N, N]  value rows by key columns, fp32 (float64 in a float64 network); of RWKV-4 [B, 3, C], an average
                           with its weight and their exponent (rwkv_models/wkv4.py)
    """

    att_shift: tuple[Tensor, ...]
    ffn_shift: tuple[Tensor, ...]
    wkv: tuple[Tensor, ...]

    @property
    def batch(self) -> int:
        """How many sequences it holds."""
        return self.wkv[0].shape[0]

    @property
    def bytes(self) -> int:
        """Memory that its tensors take."""
        return sum(t.nbytes for t in self.tensors())

    def tensors(self) -> list[Tensor]:
        """All tensors, layer after layer within each kind."""
        return [*self.att_shift, *self.ffn_shift, *self.wkv]

    def map(self, f: Callable[[Tensor], Tensor]) -> State:
        """The state with `f` applied to each tensor."""
        return State(*(tuple(f(t) for t in kind) for kind in (self.att_shift, self.ffn_shift, self.wkv)))

    def detach(self) -> State:
        """The same values without their history."""
        return self.map(Tensor.detach)

    def leaf(self) -> State:
        """The same values as the start of a graph: gradients to them are kept."""
        return self.map(lambda t: t.detach().requires_grad_())

    def row(self, i: int) -> State:
        """Sequence i alone, with its own memory."""
        return self.map(lambda t: t[i : i + 1].clone())

    def rows(self, index: Sequence[int]) -> State:
        """The sequences of `index`, in that order."""
        picked = torch.as_tensor(list(index), device=self.wkv[0].device)
        return self.map(lambda t: t.index_select(0, picked))

    def dot(self, other: State) -> Tensor:
        """Sum of the products of all entries: the scalar whose gradient to self is `other`."""
        return sum((a * b).sum().to(torch.float32 if a.dtype != torch.float64 else a.dtype)
                   for a, b in zip(self.tensors(), other.tensors(), strict=True))

    def gradient(self) -> State:
        """The gradients that a backward left in a `leaf()` state; zeros where none came."""
        return self.map(lambda t: torch.zeros_like(t) if t.grad is None else t.grad)

    def blend(self, other: State, share: float) -> State:
        """Between this (share 0) and another (share 1), entry by entry; averages by what they hold."""
        lerp = lambda mine, theirs: tuple(torch.lerp(a, b, share) for a, b in zip(mine, theirs, strict=True))  # noqa: E731
        if self._averages:
            wkv = tuple(wkv4.mixed(a, b, share) for a, b in zip(self.wkv, other.wkv, strict=True))
        else:
            wkv = lerp(self.wkv, other.wkv)
        return State(lerp(self.att_shift, other.att_shift), lerp(self.ffn_shift, other.ffn_shift), wkv)

    def faded(self, factor: float) -> State:
        """The same with the wkv memory scaled by `factor`; the last token's vectors stay, as they are no memory of the past."""
        scaled = wkv4.scaled if self._averages else torch.mul
        return State(self.att_shift, self.ffn_shift, tuple(scaled(t, factor) for t in self.wkv))

    @property
    def _averages(self) -> bool:
        """Whether the memory is RWKV-4's, the only one that is no matrix a head."""
        return self.wkv[0].ndim == 3

    def named(self) -> dict[str, Tensor]:
        """Its tensors by name, for a file: `att_shift.0` … `wkv.11`."""
        return {f"{kind}.{i}": t for kind in KINDS for i, t in enumerate(getattr(self, kind))}

    @classmethod
    def from_named(cls, tensors: Mapping[str, Tensor]) -> State:
        """The state that `named` wrote; ValueError where a tensor is missing."""
        layers = len(tensors) // len(KINDS)
        try:
            return cls(*(tuple(tensors[f"{kind}.{i}"] for i in range(layers)) for kind in KINDS))
        except KeyError as missing:
            raise ValueError(f"this is no state: there is no tensor {missing.args[0]}") from None

    def fits(self, other: State) -> bool:
        """Whether both have the same shapes and types, so that one can stand for the other."""
        mine, theirs = self.tensors(), other.tensors()
        return len(mine) == len(theirs) and all(a.shape == b.shape and a.dtype == b.dtype for a, b in zip(mine, theirs, strict=True))


def join(states: Iterable[State]) -> State:
    """One batch of the sequences of all states, in order."""
    states = list(states)
    if len(states) == 1:
        return states[0]
    kinds = (zip(*(getattr(s, kind) for s in states), strict=True) for kind in KINDS)
    return State(*(tuple(torch.cat(layer) for layer in kind) for kind in kinds))
