"""Negative log likelihoods of targets without all logits at once.

The logits of one position are a whole vocabulary: 1,024 positions of 65,536 in fp32 are 268 MB, and the backward wants three
times that. So positions go through the head in slices, and a slice's logits are made again in the backward.

Shape letters: K positions, C channels, V vocabulary.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

LOGITS = 2**23  # in one slice: 32 MB in fp32


def negative_log_likelihoods(head: nn.Module, hidden_KC: Tensor, targets_K: Tensor, vocabulary: int) -> Tensor:
    """-log p of each target [K], nats, in fp32 (float64 for a float64 network), with gradients to `hidden` and the head."""

    def slice_of(hidden_KC: Tensor, targets_K: Tensor) -> Tensor:
        logits_KV = head(hidden_KC)
        return F.cross_entropy(logits_KV.to(torch.promote_types(logits_KV.dtype, torch.float32)), targets_K, reduction="none")

    size = max(1, LOGITS // vocabulary)
    parts = list(zip(hidden_KC.split(size), targets_K.split(size), strict=True))
    if len(parts) == 1 or not torch.is_grad_enabled():
        return torch.cat([slice_of(*part) for part in parts])
    return torch.cat([checkpoint(slice_of, *part, use_reentrant=False, preserve_rng_state=False) for part in parts])
