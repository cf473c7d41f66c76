"""RWKV-7: the network, under the parameter names of BlinkDL's checkpoints (arXiv 2503.14456).

Shape letters: B batch, T time, C channels, H heads, N size of a head (C = H*N), V vocabulary, R a low rank, F ffn width.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import nn

from rwkv_models import network
from rwkv_models.linear import Linear, aside, join
from rwkv_models.network import Block, Network, Sizes, last_token
from rwkv_models.pointwise import implementation
from rwkv_models.wkv7 import wkv7

GROUP_NORM_EPS = 64e-5


@dataclass(frozen=True)
class Shape(network.Shape):
    """The sizes of an RWKV-7 network; what a checkpoint's tensors tell of it."""

    rank_w: int = 0
    rank_a: int = 0
    rank_v: int = 0
    rank_g: int = 0

    def __post_init__(self):
        super().__post_init__()
        for name, factor in (("rank_w", 2.5), ("rank_a", 2.5), ("rank_v", 1.7), ("rank_g", 5.0)):
            if not getattr(self, name):
                object.__setattr__(self, name, max(32, round(factor * math.sqrt(self.channels) / 32) * 32))


class TimeMix(nn.Module):
    """Attention's place: the wkv memory with in-context learning rates, value residual, gate and bonus."""

    def __init__(self, shape: Shape, layer: int):
        super().__init__()
        C, N = shape.channels, shape.head_size
        self.heads, self.head_size, self.layer = shape.heads, N, layer
        for name in ("x_r", "x_w", "x_k", "x_v", "x_a", "x_g", "w0", "a0", "k_k", "k_a", *(("v0",) if layer else ())):
            setattr(self, name, nn.Parameter(torch.zeros(1, 1, C)))
        ranks = {"w": shape.rank_w, "a": shape.rank_a, "g": shape.rank_g, **({"v": shape.rank_v} if layer else {})}
        for name, R in ranks.items():
            setattr(self, f"{name}1", nn.Parameter(torch.zeros(C, R)))
            setattr(self, f"{name}2", nn.Parameter(torch.zeros(R, C)))
        self.r_k = nn.Parameter(torch.zeros(shape.heads, N))
        self.receptance, self.key, self.value, self.output = (Linear(C, C) for _ in range(4))
        self.ln_x = nn.GroupNorm(shape.heads, C, eps=GROUP_NORM_EPS)
        self.aside: torch.cuda.Stream | None = None  # where low ranks are computed, while a graph is recorded
        self.register_parameter("time_state", None)  # [H, N, N] under state tuning: see adapters.TimeState

    def forward(self, x_BTC, shift_BC, wkv_BHNN, v_first_BTC, lengths_B, keep_BT1):
        """Returns (y_BTC, last x_BC, new wkv_BHNN, v_first_BTC)."""
        B, T, C = x_BTC.shape
        H, N = self.heads, self.head_size
        between = implementation(x_BTC, N)
        mixes = torch.cat((self.x_r, self.x_w, self.x_k, self.x_v, self.x_a, self.x_g)).view(6, C)
        xr, xw, xk, xv, xa, xg = between.shift_mix(x_BTC, shift_BC, mixes)
        first = self.layer == 0
        with aside(self.aside, xw, xa, xg, xv):
            w = torch.tanh(xw @ self.w1) @ self.w2
            a = (xa @ self.a1) @ self.a2
            g = torch.sigmoid(xg @ self.g1) @ self.g2
            towards, v0 = (None, None) if first else ((xv @ self.v1) @ self.v2, self.v0)
        r, k, v = self.receptance(xr), self.key(xk), self.value(xv)
        join(self.aside, w, a, g, *(() if first else (towards,)))
        decay, key, value, erase, write = between.prepare(
            k, v, w, a, towards, None if first else v_first_BTC, keep_BT1, self.w0, self.a0, v0, self.k_k, self.k_a, H, wkv_BHNN.dtype)
        heads = lambda x_BTC: x_BTC.view(B, T, H, N)  # noqa: E731
        y, wkv_BHNN = wkv7(heads(r), heads(decay), heads(key), heads(value), heads(erase), heads(write), wkv_BHNN)
        out = between.finish(y.reshape(B, T, C), r, key, value, g, self.ln_x.weight, self.ln_x.bias, self.r_k, self.ln_x.eps)
        return self.output(out), last_token(shift_BC, x_BTC, lengths_B), wkv_BHNN, v if first else v_first_BTC


class ChannelMix(nn.Module):
    """The feed-forward part: squared ReLU between two matrices, with token shift."""

    def __init__(self, shape: Shape):
        super().__init__()
        self.x_k = nn.Parameter(torch.zeros(1, 1, shape.channels))
        self.key = Linear(shape.channels, shape.ffn)
        self.value = Linear(shape.ffn, shape.channels)
        self.head_size = shape.head_size

    def forward(self, x_BTC, shift_BC, lengths_B):
        """Returns (y_BTC, last x_BC)."""
        between = implementation(x_BTC, self.head_size)
        (mixed,) = between.shift_mix(x_BTC, shift_BC, self.x_k.view(1, -1))
        return self.value(between.squared_relu(self.key(mixed))), last_token(shift_BC, x_BTC, lengths_B)


class RWKV7(Network):
    """RWKV-7. Its blocks hand on the first one's value, towards which later ones are drawn."""

    family, title = "rwkv7", "RWKV-7"
    mark = "blocks.0.att.r_k"

    def __init__(self, shape: Shape):
        super().__init__(shape, [Block(shape, i, TimeMix(shape, i), ChannelMix(shape)) for i in range(shape.layers)])

    @staticmethod
    def shape_of(sizes: Sizes) -> Shape:
        """Read off a checkpoint's tensors."""
        heads, head_size = sizes.of("blocks.0.att.r_k", 2)
        sizes.check_heads("blocks.0.att.r_k", heads, head_size)
        rank_v = sizes.of(f"blocks.{sizes.layers - 1}.att.v1", 2)[1] if sizes.layers > 1 else 32
        return Shape(sizes.layers, sizes.channels, sizes.vocabulary, head_size, sizes.ffn, rank_v=rank_v,
                     **{f"rank_{name}": sizes.of(f"blocks.0.att.{name}1", 2)[1] for name in "wag"})
