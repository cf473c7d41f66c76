"""RWKV-7a: RWKV-7 with deep embeddings, a small matrix of each token's own in every channel mix, as the `rwkv` package reads it.

Shape letters: B batch, T time, C channels, V vocabulary, F ffn width, R size of the small matrix.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from rwkv_models import rwkv7
from rwkv_models.linear import Linear
from rwkv_models.network import Block, Network, Sizes, last_token
from rwkv_models.pointwise import shift_mix, squared_relu


@dataclass(frozen=True)
class Shape(rwkv7.Shape):
    """The sizes of an RWKV-7a network: those of RWKV-7, and the rank of the deep embedding."""

    rank_s: int = 32


class ChannelMix(rwkv7.ChannelMix):
    """RWKV-7's, each channel scaled by s0 + (x s1) S s2, with a matrix S [R, R] that the token itself brings."""

    def __init__(self, shape: Shape):
        super().__init__(shape)
        R = shape.rank_s
        self.s_emb, self.s_emb_x = nn.Embedding(shape.vocabulary, R * R), Linear(shape.channels, R * R)
        self.s0 = nn.Parameter(torch.zeros(1, 1, shape.ffn))
        self.s1, self.s2 = nn.Parameter(torch.zeros(shape.channels, R)), nn.Parameter(torch.zeros(R, shape.ffn))

    def forward(self, x_BTC, shift_BC, lengths_B, tokens_BT, embedded_BTC):
        """Returns (y_BTC, last x_BC)."""
        (mixed,) = shift_mix(x_BTC, shift_BC, self.x_k.view(1, -1))
        own_BTRR = (self.s_emb(tokens_BT) + self.s_emb_x(embedded_BTC)).unflatten(2, (self.s1.shape[1], -1))
        scale = ((x_BTC @ self.s1).unsqueeze(2) @ own_BTRR).squeeze(2) @ self.s2 + self.s0
        return self.value(squared_relu(self.key(mixed)) * scale), last_token(shift_BC, x_BTC, lengths_B)


class DeepBlock(Block):
    """A layer that hands on, beside the first one's value, the tokens and what the first layer made of their embedding."""

    def forward(self, x_BTC, att_shift_BC, ffn_shift_BC, wkv_BHNN, handed_on, lengths_B, keep_BT1):
        """As Block's."""
        tokens_BT, embedded_BTC, v_first_BTC = handed_on
        if self.layer == 0:
            x_BTC = embedded_BTC = self.ln0(x_BTC)
        y, att_shift_BC, wkv_BHNN, v_first_BTC = self.att(self.ln1(x_BTC), att_shift_BC, wkv_BHNN, v_first_BTC, lengths_B, keep_BT1)
        x_BTC = x_BTC + y
        y, ffn_shift_BC = self.ffn(self.ln2(x_BTC), ffn_shift_BC, lengths_B, tokens_BT, embedded_BTC)
        return x_BTC + y, att_shift_BC, ffn_shift_BC, wkv_BHNN, (tokens_BT, embedded_BTC, v_first_BTC)


class RWKV7a(Network):
    """RWKV-7a."""

    family, title = "rwkv7a", "RWKV-7a"
    mark = "blocks.0.ffn.s_emb.weight"

    def __init__(self, shape: Shape):
        super().__init__(shape, [DeepBlock(shape, i, rwkv7.TimeMix(shape, i), ChannelMix(shape)) for i in range(shape.layers)])

    @staticmethod
    def shape_of(sizes: Sizes) -> Shape:
        """Read off a checkpoint's tensors."""
        return Shape(**vars(rwkv7.RWKV7.shape_of(sizes)), rank_s=sizes.of("blocks.0.ffn.s1", 2)[1])

    def handed_on(self, tokens_BT: Tensor) -> tuple:
        """What the first block is told: the tokens."""
        return tokens_BT, None, None
