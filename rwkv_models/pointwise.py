"""What stands between the matrix products of a layer, in plain torch: the definition that rwkv_models/fused.py computes in kernels.

Shape letters: B batch, T time, C channels, H heads, N size of a head (C = H*N), J mixes.
"""

from __future__ import annotations

import logging
import math
import sys
from functools import cache
from types import ModuleType

import torch
import torch.nn.functional as F
from torch import Tensor

LOG_DECAY_LIMIT = -math.exp(-0.5)  # decays lie in (exp(-exp(-0.5)), 1) = (0.545, 1)


def shift_mix(x_BTC: Tensor, shift_BC: Tensor, mixes_JC: Tensor) -> tuple[Tensor, ...]:
    """J tensors [B, T, C]: each token, mixed with its predecessor. shift_BC precedes the first."""
    previous_BTC = shift_BC.unsqueeze(1) if x_BTC.shape[1] == 1 else torch.cat((shift_BC.unsqueeze(1), x_BTC[:, :-1]), dim=1)
    return torch.addcmul(x_BTC, previous_BTC - x_BTC, mixes_JC[:, None, None]).unbind(0)


def prepare(k, v, w, a, towards, v_first, keep_BT1, w0, a0, v0, k_k, k_a, heads: int, state_dtype: torch.dtype) -> tuple[Tensor, ...]:
    """What the wkv operator takes: log decay (in the state's dtype), key, value, and the directions to erase and to write back, [B, T, C].

    k, v are products, w, a, towards [B, T, C] what the low-rank pairs give, and w0 … k_a [1, 1, C] parameters. towards, v_first and v0 are
    None in the first layer. A token whose keep is 0 neither decays, writes nor erases: the state passes it unchanged. None keeps all.
    """
    decay = LOG_DECAY_LIMIT * torch.sigmoid((w0 + w).to(state_dtype))
    a = torch.sigmoid(a0 + a)
    kk = F.normalize((k * k_k).unflatten(-1, (heads, -1)), dim=-1).flatten(-2)
    key = k * (1 + (a - 1) * k_a)
    if v_first is not None:
        v = v + (v_first - v) * torch.sigmoid(v0 + towards)
    erase = -kk
    if keep_BT1 is not None:
        decay, key, erase = decay * keep_BT1, key * keep_BT1, erase * keep_BT1
    return decay, key, v, erase, kk * a


def finish(y, r, k, v, g, weight_C: Tensor, bias_C: Tensor, r_k_HN: Tensor, eps: float) -> Tensor:
    """(The operator's y [B, T, C], normalised within heads, + a bonus for the token itself) * gate g."""
    heads = lambda x: x.unflatten(-1, r_k_HN.shape)  # noqa: E731
    bonus = (heads(r * k) * r_k_HN).sum(dim=-1, keepdim=True) * heads(v)
    normal = F.group_norm(y.flatten(0, 1), r_k_HN.shape[0], weight_C, bias_C, eps).view_as(y)
    return (normal + bonus.flatten(-2)) * g


def squared_relu(x: Tensor) -> Tensor:
    """max(x, 0)^2."""
    return torch.relu(x).square()


@cache
def _kernels() -> ModuleType | None:
    """rwkv_models.fused; None where Triton, which torch's CUDA builds bring along, is missing."""
    try:
        from rwkv_models import fused
    except ImportError:
        logging.getLogger(__name__).warning("Triton is not installed: the GPU computes in plain torch, at half the speed and less")
        return None
    return fused


def implementation(x: Tensor, head_size: int = 64) -> ModuleType:
    """The module whose functions to call for such tensors: this one, or rwkv_models.fused on a GPU."""
    if x.is_cuda and _kernels() is not None and _kernels().serves(x, head_size):
        return _kernels()
    return sys.modules[__name__]
