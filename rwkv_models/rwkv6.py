"""RWKV-6 (Finch): the network, under the parameter names of BlinkDL's checkpoints (arXiv 2404.05892).

Shape letters: B batch, T time, C channels, H heads, N size of a head (C = H*N), R a low rank.
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
from rwkv_models.wkv6 import wkv6

GROUP_NORM_EPS = 64e-5
MIXES = "wkvrg"  # in the order of time_maa_w1 and time_maa_w2


@dataclass(frozen=True)
class Shape(network.Shape):
    """The sizes of an RWKV-6 network: two low ranks beside the usual ones, of the mixes and of the decay."""

    rank_mix: int = 32
    rank_decay: int = 64


class TimeMix(nn.Module):
    """Attention's place: RWKV-5's, with decays and mixes that depend on the token."""

    def __init__(self, shape: Shape):
        super().__init__()
        C, self.heads, self.head_size = shape.channels, shape.heads, shape.head_size
        for name in "x" + MIXES:
            setattr(self, f"time_maa_{name}", nn.Parameter(torch.zeros(1, 1, C)))
        self.time_maa_w1 = nn.Parameter(torch.zeros(C, len(MIXES) * shape.rank_mix))
        self.time_maa_w2 = nn.Parameter(torch.zeros(len(MIXES), shape.rank_mix, C))
        self.time_decay = nn.Parameter(torch.zeros(1, 1, C))
        self.time_decay_w1 = nn.Parameter(torch.zeros(C, shape.rank_decay))
        self.time_decay_w2 = nn.Parameter(torch.zeros(shape.rank_decay, C))
        self.time_faaaa = nn.Parameter(torch.zeros(shape.heads, shape.head_size))
        self.receptance, self.key, self.value, self.output, self.gate = (Linear(C, C) for _ in range(5))
        self.ln_x = nn.GroupNorm(shape.heads, C, eps=GROUP_NORM_EPS)
        self.register_parameter("time_state", None)  # [H, N, N] under state tuning: see adapters.TimeState

    def forward(self, x_BTC, shift_BC, wkv_BHNN, handed_on, lengths_B, keep_BT1):
        """Returns (y_BTC, last x_BC, new wkv_BHNN, handed_on)."""
        B, T, C = x_BTC.shape
        H, N, dtype = self.heads, self.head_size, wkv_BHNN.dtype
        previous_BTC = torch.cat((shift_BC.unsqueeze(1), x_BTC[:, :-1]), dim=1)
        back = previous_BTC - x_BTC
        low = torch.tanh(torch.addcmul(x_BTC, back, self.time_maa_x) @ self.time_maa_w1)
        low = low.view(B * T, len(MIXES), -1).transpose(0, 1)
        own = torch.cat([getattr(self, f"time_maa_{name}") for name in MIXES])
        mixes = torch.baddbmm(own, low, self.time_maa_w2).view(len(MIXES), B, T, C)
        xw, xk, xv, xr, xg = torch.addcmul(x_BTC, back, mixes).unbind(0)
        r, k, v = self.receptance(xr), self.key(xk), self.value(xv)
        decay = -(self.time_decay + torch.tanh(xw @ self.time_decay_w1) @ self.time_decay_w2).to(dtype).exp()
        if keep_BT1 is not None:
            decay, k = decay * keep_BT1, k * keep_BT1
        heads = lambda x_BTC: x_BTC.view(B, T, H, N)  # noqa: E731
        y, wkv_BHNN = wkv6(heads(r), heads(k), heads(v), heads(decay), self.time_faaaa, wkv_BHNN)
        y = self.ln_x(y.reshape(B * T, C)).view(B, T, C) * F.silu(self.gate(xg))
        return self.output(y), last_token(shift_BC, x_BTC, lengths_B), wkv_BHNN, handed_on


class ChannelMix(nn.Module):
    """The feed-forward part: squared ReLU between two matrices, with token shift, behind a gate."""

    def __init__(self, shape: Shape):
        super().__init__()
        self.time_maa_k, self.time_maa_r = (nn.Parameter(torch.zeros(1, 1, shape.channels)) for _ in range(2))
        self.key, self.receptance = Linear(shape.channels, shape.ffn), Linear(shape.channels, shape.channels)
        self.value = Linear(shape.ffn, shape.channels)

    def forward(self, x_BTC, shift_BC, lengths_B):
        """Returns (y_BTC, last x_BC)."""
        xk, xr = shift_mix(x_BTC, shift_BC, torch.cat((self.time_maa_k, self.time_maa_r)).flatten(1))
        y = torch.sigmoid(self.receptance(xr)) * self.value(torch.relu(self.key(xk)).square())
        return y, last_token(shift_BC, x_BTC, lengths_B)


class RWKV6(Network):
    """RWKV-6."""

    family, title = "rwkv6", "RWKV-6"
    mark = "blocks.0.att.time_maa_x"

    def __init__(self, shape: Shape):
        super().__init__(shape, [Block(shape, i, TimeMix(shape), ChannelMix(shape)) for i in range(shape.layers)])

    @staticmethod
    def shape_of(sizes: Sizes) -> Shape:
        """Read off a checkpoint's tensors."""
        heads, head_size = sizes.of("blocks.0.att.time_faaaa", 2)
        sizes.check_heads("blocks.0.att.time_faaaa", heads, head_size)
        return Shape(sizes.layers, sizes.channels, sizes.vocabulary, head_size, sizes.ffn,
                     sizes.of("blocks.0.att.time_maa_w2", 3)[1], sizes.of("blocks.0.att.time_decay_w1", 2)[1])
