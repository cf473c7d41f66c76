"""What holds a lesson to the weights before it: their own predictions on general texts.

Shape letters: B texts, T targets, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from models.sample import Sample
from rwkv_models.chunks import Batch

CYCLE = 4  # steps after which the same texts come again: bounds the predictions kept


class Anchor:
    """Divergence from the weights before the lesson, on `kl_texts` texts a step.

    The predictions of all texts are computed once, before the first step, and kept in host memory: 4 bytes for each token of
    the vocabulary at each position. The same plan gives the same texts at the same steps.
    """

    def __init__(self, network, texts: Sequence[Sample], kl: float, kl_texts: int):
        self._network = network
        self._kl = kl
        self._sets = [texts[i : i + kl_texts] for i in range(0, len(texts), kl_texts)]
        self._old: list[Tensor] = []

    def remember(self) -> Iterator[None]:
        """Compute what the present weights say, a set of texts a micro-step."""
        for texts in self._sets:
            batch = self._batch(texts)
            with torch.no_grad():
                logits_BTV, _ = self._network(batch.inputs_BT, None, batch.lengths_B)
            dtype = torch.promote_types(logits_BTV.dtype, torch.float32)
            self._old.append(F.log_softmax(logits_BTV.to(dtype), dim=-1).cpu())
            yield None

    def batch(self, step: int) -> Batch | None:
        """The texts of a step, their weights summing to kl; None where there are none."""
        if not self._old:
            return None
        texts, old_BTV = self._sets[step % len(self._sets)], self._old[step % len(self._sets)]
        return replace(self._batch(texts).normalised().scaled(self._kl / len(texts)), old_BTV=old_BTV)

    def _batch(self, texts: Sequence[Sample]) -> Batch:
        return Batch.of([(s.tokens, s.weights) for s in texts], self._network.emb.weight.device)
