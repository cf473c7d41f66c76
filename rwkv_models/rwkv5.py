"""RWKV-5 (Eagle): 5.0, 5.1 and 5.2, under the parameter names of BlinkDL's checkpoints (arXiv 2404.05892).

They differ in what a checkpoint shows: 5.0 has no gate; 5.0 and 5.1 have one decay and one bonus a head, 5.2 one a channel; the bonus is
time_faaaa, or the exponential of time_first.

Shape letters: B batch, T time, C channels, H heads, N size of a head (C = H*N).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

from rwkv_models import network
from rwkv_models.linear import Linear
from rwkv_models.network import Block, Network, Sizes, last_token
from rwkv_models.pointwise import shift_mix
from rwkv_models.rwkv4 import ChannelMix
from rwkv_models.wkv6 import wkv6

GROUP_NORM_EPS = 64e-5


@dataclass(frozen=True)
class Shape(network.Shape):
    """The sizes of an RWKV-5 network, and which of its kinds it is.

    gate         whether the time mix has a gate
    per_channel  whether decay and bonus are of each channel, or of each head
    bonus        the bonus' name: time_faaaa, or time_first for its logarithm
    """

    gate: bool = True
    per_channel: bool = True
    bonus: str = "time_faaaa"


class TimeMix(nn.Module):
    """Attention's place: a matrix a head that fades at a fixed rate and to which each token adds one pair."""

    def __init__(self, shape: Shape):
        super().__init__()
        C, self.heads, self.head_size = shape.channels, shape.heads, shape.head_size
        size = (shape.heads, shape.head_size) if shape.per_channel else (shape.heads,)
        self.time_decay = nn.Parameter(torch.zeros(size))
        self.register_parameter(shape.bonus, nn.Parameter(torch.zeros(size)))
        self.bonus = shape.bonus
        self.mixes = ("k", "v", "r", "g") if shape.gate else ("k", "v", "r")
        for name in self.mixes:
            setattr(self, f"time_mix_{name}", nn.Parameter(torch.zeros(1, 1, C)))
        self.key, self.value, self.receptance, self.output = (Linear(C, C) for _ in range(4))
        self.gate = Linear(C, C) if shape.gate else None
        self.ln_x = nn.GroupNorm(shape.heads, C, eps=GROUP_NORM_EPS)
        self.register_parameter("time_state", None)  # [H, N, N] under state tuning: see adapters.TimeState

    def forward(self, x_BTC, shift_BC, wkv_BHNN, handed_on, lengths_B, keep_BT1):
        """Returns (y_BTC, last x_BC, new wkv_BHNN, handed_on)."""
        B, T, C = x_BTC.shape
        H, N, dtype = self.heads, self.head_size, wkv_BHNN.dtype
        mixes = torch.cat([getattr(self, f"time_mix_{name}") for name in self.mixes]).flatten(1)
        xk, xv, xr, *xg = shift_mix(x_BTC, shift_BC, 1 - mixes)
        decay = -self.time_decay.to(dtype).exp().view(H, -1).expand(B, T, H, N)
        bonus = getattr(self, self.bonus).to(dtype)
        bonus_HN = (bonus.exp() if self.bonus == "time_first" else bonus).view(H, -1).expand(H, N)
        r, k, v = self.receptance(xr), self.key(xk), self.value(xv)
        if keep_BT1 is not None:
            decay, k = decay * keep_BT1.unsqueeze(3), k * keep_BT1
        heads = lambda x_BTC: x_BTC.view(B, T, H, N)  # noqa: E731
        y, wkv_BHNN = wkv6(heads(r), heads(k), heads(v), decay, bonus_HN, wkv_BHNN)
        y = self.ln_x(y.reshape(B * T, C)).view(B, T, C)
        if self.gate is not None:
            y = y * F.silu(self.gate(*xg))
        return self.output(y), last_token(shift_BC, x_BTC, lengths_B), wkv_BHNN, handed_on


class RWKV5(Network):
    """RWKV-5, of whichever kind its shape says."""

    family, title = "rwkv5", "RWKV-5"
    mark = "blocks.0.att.ln_x.weight"

    def __init__(self, shape: Shape):
        super().__init__(shape, [Block(shape, i, TimeMix(shape), ChannelMix(shape)) for i in range(shape.layers)])

    @staticmethod
    def shape_of(sizes: Sizes) -> Shape:
        """Read off a checkpoint's tensors."""
        decay = sizes.of("blocks.0.att.time_decay", 1, 2)
        heads, per_channel = decay[0], len(decay) == 2 and decay[1] > 1
        head_size = decay[1] if per_channel else sizes.channels // heads
        sizes.check_heads("blocks.0.att.time_decay", heads, head_size)
        bonus = "time_first" if "blocks.0.att.time_first" in sizes else "time_faaaa"
        return Shape(sizes.layers, sizes.channels, sizes.vocabulary, head_size, sizes.ffn, "blocks.0.att.gate.weight" in sizes,
                     per_channel, bonus)
