"""The initial weights of an RWKV-7 network that is trained from nothing: the values of BlinkDL's recipe."""

from __future__ import annotations

import math

import torch
from torch import nn

from rwkv_models.rwkv7 import RWKV7


@torch.no_grad()
def initialise(network: RWKV7) -> RWKV7:
    """Fill `network` in place (by torch's global generator) and return it."""
    shape = network.shape
    C, L, N = shape.channels, shape.layers, shape.head_size
    place = torch.arange(C) / C
    linear = torch.arange(C) / (C - 1) - 0.5
    within = (torch.arange(C) % N - (N - 1) / 2) / ((N - 1) / 2)
    zigzag = within * within.abs()
    nn.init.uniform_(network.emb.weight, -1e-4, 1e-4)
    nn.init.orthogonal_(network.head.weight, gain=0.5 * math.sqrt(max(1.0, shape.vocabulary / C)))
    for i, block in enumerate(network.blocks):
        depth, rest = i / max(1, L - 1), 1 - i / L
        att, ffn = block.att, block.ffn
        for name, power in (("x_r", 0.2), ("x_w", 0.9), ("x_k", 0.7), ("x_v", 0.7), ("x_a", 0.9), ("x_g", 0.2)):
            getattr(att, name).copy_((1 - place ** (power * rest)).view(1, 1, C))
        ffn.x_k.copy_((1 - place ** (rest**4)).view(1, 1, C))
        decay = -6 + 6 * (torch.arange(C) / (C - 1)) ** (1 + depth**0.3)
        att.w0.copy_((decay + 0.5 + 2.5 * zigzag).view(1, 1, C))
        att.a0.copy_((-0.19 + 0.3 * zigzag + 0.4 * linear).view(1, 1, C))
        if i:
            att.v0.copy_((0.73 - 0.4 * linear).view(1, 1, C))
        for name in "wag" if i == 0 else "wagv":
            getattr(att, f"{name}1").zero_()
            R, _ = second = getattr(att, f"{name}2").shape
            nn.init.orthogonal_(getattr(att, f"{name}2"), gain=0.1 * (math.sqrt(R / second[1]) if second[1] < R else 1.0))
        att.k_k.copy_((0.71 - 0.1 * linear).view(1, 1, C))
        att.k_a.fill_(1.02)
        att.r_k.fill_(-0.04)
        bound = 0.5 / math.sqrt(C)
        nn.init.uniform_(att.receptance.weight, -bound, bound)
        nn.init.uniform_(att.key.weight, -0.1 * bound, 0.1 * bound)
        nn.init.uniform_(att.value.weight, -bound, bound)
        att.output.weight.zero_()
        att.ln_x.weight.fill_(((1 + i) / L) ** 0.7)
        att.ln_x.bias.zero_()
        nn.init.uniform_(ffn.key.weight, -bound, bound)
        ffn.value.weight.zero_()
    return network
