"""What a position's logits are judged by, and their weighted sum in bounded memory.

Shape letters: B samples, T targets, C channels, K trained positions, V vocabulary.

Logits are the largest tensors of a lesson: 4,096 positions by 65,536 tokens are 1 GiB in fp32, several times over in a
backward. They are made at trained positions only, a slice at a time, and made again when the slice's gradient is taken.
A lesson of one slice takes the direct path and pays nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from rwkv_models import pointwise
from rwkv_models.batch import Batch
from rwkv_models.spans import even_spans

SLICE_LOGITS = 2**23  # logits of one slice: 128 positions of a vocabulary of 65,536, 32 MiB in fp32
SLICES = 8  # are enough: a long text has larger ones, as each reads the whole matrix and adds to its whole gradient


def likelihood(logits_KV: Tensor, targets_K: Tensor) -> Tensor:
    """-log p of the targets, nats [K]."""
    return F.cross_entropy(logits_KV, targets_K, reduction="none")


def unlikelihood(logits_KV: Tensor, targets_K: Tensor) -> Tensor:
    """-log(1 - p) of the targets, nats [K] (Welleck et al. 2019, arXiv 1908.04319, eq. 4).

    1 - p is summed from the other tokens, so that it stays exact and its gradient finite where p is nearly 1.
    """
    others_KV = logits_KV.scatter(1, targets_K.unsqueeze(1), -math.inf)
    return logits_KV.logsumexp(dim=1) - others_KV.logsumexp(dim=1)


def divergence(logits_KV: Tensor, old_KV: Tensor) -> Tensor:
    """KL(old || new) over the whole vocabulary, nats [K]; old_KV are log-probabilities."""
    new_KV = F.log_softmax(logits_KV, dim=1)
    return F.kl_div(new_KV, old_KV.to(new_KV), reduction="none", log_target=True).sum(dim=1)


def position_losses(network, hidden_KC: Tensor, batch: Batch, chosen_BT: Tensor) -> Iterator[tuple[slice, Tensor]]:
    """The loss of each position of a batch that `chosen_BT` marks, nats, fp32 or finer: (slice of K, loss) for each slice.

    hidden_KC are the network's hidden vectors at those positions.
    """
    targets_K = batch.targets_BT[chosen_BT]
    old_KV = None if batch.old_BTV is None else batch.old_BTV[chosen_BT.to(batch.old_BTV.device)]

    def losses(hidden_KC: Tensor, part: slice) -> Tensor:
        logits_KV = network.head(hidden_KC)
        if old_KV is None and not batch.unlikely and pointwise.implementation(logits_KV) is not pointwise:
            return pointwise.implementation(logits_KV).likelihood(logits_KV, targets_K[part])
        logits_KV = logits_KV.to(torch.promote_types(logits_KV.dtype, torch.float32))
        if old_KV is not None:
            return divergence(logits_KV, old_KV[part])
        return (unlikelihood if batch.unlikely else likelihood)(logits_KV, targets_K[part])

    spans = even_spans(len(targets_K), max(2, SLICE_LOGITS // network.shape.vocabulary, len(targets_K) // SLICES))
    for part in (slice(*span) for span in spans):
        if len(spans) > 1 and torch.is_grad_enabled():
            yield part, checkpoint(losses, hidden_KC[part], part, use_reentrant=False, preserve_rng_state=False)
        else:
            yield part, losses(hidden_KC[part], part)


def weighted_loss(network, hidden_BTC: Tensor, batch: Batch) -> Tensor | None:
    """Sum over trained positions of weight times loss, nats; None where nothing is trained."""
    trained_BT = batch.weights_BT != 0
    if not trained_BT.any():
        return None
    weights_K = batch.weights_BT[trained_BT]
    return sum((loss_K * weights_K[part].to(loss_K.dtype)).sum()
               for part, loss_K in position_losses(network, hidden_BTC[trained_BT], batch, trained_BT))


def every_loss(network, hidden_BTC: Tensor, targets_BT: Tensor, weights_BT: Tensor) -> Tensor:
    """`weighted_loss` of a batch's likelihood over all positions at once, those without a weight too: its shapes depend on no value."""
    logits_KV = network.head(hidden_BTC.flatten(0, 1))
    between = pointwise.implementation(logits_KV)
    if between is pointwise:
        loss_K = likelihood(logits_KV.to(torch.promote_types(logits_KV.dtype, torch.float32)), targets_BT.flatten())
    else:
        loss_K = between.likelihood(logits_KV, targets_BT.flatten())
    return (loss_K * weights_BT.flatten().to(loss_K.dtype)).sum()


def preference_scale(beta: float, margin: float) -> float:
    """Size of dpo's push at this margin: the derivative of -log sigmoid(beta * margin), without its sign.

    margin: how much more the model has come to prefer the chosen answer, in nats over the answer: log p(chosen) - log
    p(rejected) now, less the same before the lesson. -log sigmoid(beta * margin) falls by scale * (d log p(chosen) - d log
    p(rejected)), so its exact gradient is that of a likelihood with weights +scale and -scale (Rafailov et al. 2023,
    arXiv 2305.18290, section 4).
    """
    x = beta * margin
    return beta * (math.exp(-x) / (1 + math.exp(-x)) if x > 0 else 1 / (1 + math.exp(x)))
