"""RWKV-4: the network, under the parameter names of BlinkDL's checkpoints (arXiv 2305.13048).

Shape letters: B batch, T time, C channels, F ffn width. The memory is [B, 3, C]: see rwkv_models/wkv4.py.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from rwkv_models.linear import Linear
from rwkv_models.network import Block, Network, Shape, Sizes, last_token
from rwkv_models.pointwise import shift_mix
from rwkv_models.wkv4 import wkv4, zero_memory


class TimeMix(nn.Module):
    """Attention's place: an average of values, weighted by keys and faded by time, behind a gate."""

    def __init__(self, shape: Shape):
        super().__init__()
        C = shape.channels
        self.time_decay, self.time_first = nn.Parameter(torch.zeros(C)), nn.Parameter(torch.zeros(C))
        for name in "kvr":
            setattr(self, f"time_mix_{name}", nn.Parameter(torch.zeros(1, 1, C)))
        self.key, self.value, self.receptance, self.output = (Linear(C, C) for _ in range(4))

    def forward(self, x_BTC, shift_BC, memory_B3C, handed_on, lengths_B, keep_BT1):
        """Returns (y_BTC, last x_BC, new memory_B3C, handed_on)."""
        mixes = torch.cat((self.time_mix_k, self.time_mix_v, self.time_mix_r)).flatten(1)
        xk, xv, xr = shift_mix(x_BTC, shift_BC, 1 - mixes)
        decay, first = -self.time_decay.to(memory_B3C.dtype).exp(), self.time_first.to(memory_B3C.dtype)
        y, memory_B3C = wkv4(self.key(xk), self.value(xv), decay, first, memory_B3C, keep_BT1)
        out = self.output(torch.sigmoid(self.receptance(xr)) * y.to(x_BTC.dtype))
        return out, last_token(shift_BC, x_BTC, lengths_B), memory_B3C, handed_on


class ChannelMix(nn.Module):
    """The feed-forward part: squared ReLU between two matrices, with token shift, behind a gate."""

    def __init__(self, shape: Shape):
        super().__init__()
        self.time_mix_k, self.time_mix_r = (nn.Parameter(torch.zeros(1, 1, shape.channels)) for _ in range(2))
        self.key, self.receptance = Linear(shape.channels, shape.ffn), Linear(shape.channels, shape.channels)
        self.value = Linear(shape.ffn, shape.channels)

    def forward(self, x_BTC, shift_BC, lengths_B):
        """Returns (y_BTC, last x_BC)."""
        xk, xr = shift_mix(x_BTC, shift_BC, 1 - torch.cat((self.time_mix_k, self.time_mix_r)).flatten(1))
        y = torch.sigmoid(self.receptance(xr)) * self.value(torch.relu(self.key(xk)).square())
        return y, last_token(shift_BC, x_BTC, lengths_B)


class RWKV4(Network):
    """RWKV-4. It has no heads, and its memory is no matrix: there is no initial state to tune."""

    family, title = "rwkv4", "RWKV-4"
    mark = "blocks.0.att.time_first"
    tunes_state = False

    def __init__(self, shape: Shape):
        super().__init__(shape, [Block(shape, i, TimeMix(shape), ChannelMix(shape)) for i in range(shape.layers)])

    @staticmethod
    def shape_of(sizes: Sizes) -> Shape:
        """Read off a checkpoint's tensors."""
        return Shape(sizes.layers, sizes.channels, sizes.vocabulary, sizes.channels, sizes.ffn)

    def zero_wkv(self, batch: int, like: Tensor) -> Tensor:
        """The memory of one layer before anything was read."""
        return zero_memory(batch, self.shape.channels, like)
