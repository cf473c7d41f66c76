"""What the tests of native code share: networks of many shapes, and how far two results are apart."""

from __future__ import annotations

import random

import pytest
import torch

from rwkv_models import native_library
from rwkv_models.native_library import NativeUnavailable
from rwkv_models.rwkv7 import RWKV7, Shape

try:
    native_library.build()
    WHY_NOT = ""
except NativeUnavailable as error:
    WHY_NOT = str(error)
needs_native = pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)

SMALL = Shape(layers=2, channels=128, vocabulary=101, head_size=64, ffn=208, rank_w=16, rank_a=48, rank_v=32, rank_g=80)


def network(shape: Shape, seed: int = 0, dtype: torch.dtype = torch.float32) -> RWKV7:
    """A network whose every parameter takes part in its result."""
    torch.manual_seed(seed)
    net = RWKV7(shape)
    with torch.no_grad():
        for name, p in net.named_parameters():
            if p.ndim == 2 and not name.endswith("r_k"):
                p.normal_(0, 1.5 / p.shape[1 if name.endswith("weight") else 0] ** 0.5)
            else:
                p.uniform_(0.1, 1.1) if "ln" in name else p.normal_(0, 0.7)
    return net.to(dtype)


def relative(a: torch.Tensor, b: torch.Tensor) -> float:
    """Distance of a from b by b's length."""
    return float((a.double() - b.double()).norm() / b.double().norm().clamp_min(1e-30))


def worst(states) -> float:
    """Largest relative distance of two states' tensors."""
    ours, theirs = states
    return max(relative(a, b) for a, b in zip(ours.tensors(), theirs.tensors(), strict=True))


def tokens(net: RWKV7, batch: int, seed: int = 1) -> torch.Tensor:
    """One random token a row."""
    return torch.randint(net.shape.vocabulary, (batch,), generator=torch.Generator().manual_seed(seed))


def warm_state(net: RWKV7, batch: int):
    """A state that has read five tokens a row; its tensors are strided views here and there."""
    with torch.no_grad():
        return net(torch.randint(net.shape.vocabulary, (batch, 5), generator=torch.Generator().manual_seed(7)), None, head="last")[1]


def same(a, b) -> bool:
    """Whether two results (logits, state) agree in every bit."""
    return torch.equal(a[0], b[0]) and all(torch.equal(x, y) for x, y in zip(a[1].tensors(), b[1].tensors(), strict=True))


def shapes():
    """Random shapes: every head size with one layer and with several."""
    choose = random.Random(5)
    for head_size in (16, 32, 64, 128):
        for layers in (1, choose.choice((2, 3))):
            ranks = {f"rank_{x}": 16 * choose.randint(1, 6) for x in "wavg"}
            channels, vocabulary, ffn = head_size * choose.randint(1, 3), choose.randint(50, 300), 16 * choose.randint(2, 40)
            yield Shape(layers, channels, vocabulary, head_size, ffn=ffn, **ranks)
