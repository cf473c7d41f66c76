"""Drawing the next token from logits.

Shape letters: V vocabulary.
"""

from __future__ import annotations

import random
import secrets

import torch
from torch import Tensor

from engine.json_guide import JsonGuide
from engine.options import InferOptions

COLDEST = 1e-5  # below this, fp32 scores over the temperature overflow, and the draw would be greedy anyway


class Sampler:
    """One answer's way of choosing: its seed, its penalties, what it wrote so far."""

    def __init__(self, options: InferOptions, vocabulary: int, guide: JsonGuide | None = None):
        self.options = options
        self.guide = guide
        self.seed = secrets.randbits(63) if options.seed is None else options.seed
        self._random = random.Random(self.seed)
        self._written: dict[int, float] = {}  # token → how often, decayed
        self._banned = torch.tensor(sorted({t for t in options.ban_tokens if t < vocabulary}), dtype=torch.long)
        bias = {token: added for token, added in getattr(options, "logit_bias", {}).items() if token < vocabulary}
        self._biased = torch.tensor(list(bias), dtype=torch.long)
        self._bias = torch.tensor(list(bias.values()))

    def draw(self, logits_V: Tensor, left: int = 1) -> tuple[int, list[tuple[int, float]]]:
        """Choose a token of fp32 logits on the CPU; with it (token, log probability) of itself and of the likeliest ones.

        `left`: tokens that may still be written, this one among them; a guide must know, to end in time.
        The list is empty unless the options ask for log probabilities; these are the model's own, before penalties,
        temperature and cuts.
        """
        options = self.options
        scores = logits_V
        if self._written or len(self._banned) or len(self._biased) or self.guide:
            scores = logits_V.clone()
        if self._written and (options.presence_penalty or options.frequency_penalty):
            written = torch.tensor(list(self._written))
            counts = torch.tensor(list(self._written.values()))
            scores[written] -= options.presence_penalty + options.frequency_penalty * counts
        scores[self._biased] += self._bias
        scores[self._banned] = -torch.inf
        if self.guide:
            scores[~self.guide.allowed()] = -torch.inf
        greedy = options.temperature < COLDEST or options.top_k == 1
        token = int(scores.argmax()) if greedy else self._draw(scores)
        if self.guide:
            token = self.guide.settle(token, left)
        for other in self._written:
            self._written[other] *= options.penalty_decay
        self._written[token] = self._written.get(token, 0.0) + 1.0
        return token, self._report(logits_V, token)

    def _draw(self, scores_V: Tensor) -> int:
        """Nucleus sampling: cut to top_k, then to the likeliest tokens that hold top_p, then one uniform number decides."""
        options = self.options
        k = min(options.top_k or len(scores_V), len(scores_V))
        best, ids = scores_V.topk(k) if k < len(scores_V) else scores_V.sort(descending=True, stable=True)
        p = torch.softmax((best - best[0]) / options.temperature, dim=0)
        if options.top_p < 1:
            before = p.cumsum(0) - p
            p = p[: max(1, int((before < options.top_p).sum()))]
        edges = p.cumsum(0)
        place = torch.searchsorted(edges, self._random.random() * edges[-1], right=True)
        return int(ids[min(int(place), len(p) - 1)])

    def _report(self, logits_V: Tensor, token: int) -> list[tuple[int, float]]:
        if not self.options.logprobs:
            return []
        logp = torch.log_softmax(logits_V, dim=0)
        top = logp.topk(self.options.logprobs)
        return [(token, float(logp[token])), *zip(top.indices.tolist(), top.values.tolist(), strict=True)]
