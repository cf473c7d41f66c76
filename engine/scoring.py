"""What tokens that are given would have cost the model: the log probability of each after those before it.

Shape letters: T tokens of a slice, K rows of the head at once, C channels, V vocabulary.
"""

from __future__ import annotations

import math
from collections import deque

import torch
from torch import Tensor

from engine.decoding import DecodeBatch
from engine.errors import EngineError
from engine.generation import Generation
from engine.versions import Versions
from rwkv_models.state import State

ROWS = 32
"""Prompts that are read together at most."""

HEAD_SLICE = 64
"""Positions whose logits are in memory at once."""


class Score:
    """A prompt whose tokens are to be scored before its answer is written."""

    def __init__(self, generation: Generation, top: int, unsaid: int):
        self.generation = generation
        self.top = top
        self.unsaid = unsaid
        self.state: State | None = None
        self.read = 0
        self.entries: list[dict] = []
        self.logits_V: Tensor | None = None
        self.finite = True

    @property
    def tokens(self) -> list[int]:
        """The prompt."""
        return self.generation.tokens


class Scoring:
    """Prompts to be scored, first come, first served. A kind of work of the owner thread: a step reads one slice of tokens."""

    def __init__(self, batch: DecodeBatch, versions: Versions):
        self._batch = batch
        self._versions = versions
        self._queue: deque[Score] = deque()

    def __bool__(self) -> bool:
        return bool(self._queue)

    def __len__(self) -> int:
        return len(self._queue)

    def add(self, generation: Generation, top: int, unsaid: int) -> None:
        """Score the prompt of an answer, with the `top` likeliest tokens at each place, then have the answer written.

        The reader gets {"prompt": [entry of each token but the first `unsaid`]}; a token that follows nothing has no log probability.
        """
        self._queue.append(Score(generation, top, unsaid))

    @torch.inference_mode()
    def step(self) -> None:
        """Read the next slices of the prompts in front, as many tokens as a prompt is read in one step of the batch."""
        self._drop_cancelled()
        room, rows, scores = self._batch.prefill_slice, [], []
        for score in self._queue:
            if room <= 0 or len(scores) == ROWS:
                break
            rows.append(score.tokens[score.read : score.read + room])
            scores.append(score)
            room -= len(rows[-1])
        if not scores:
            return
        for score in scores:
            for generation in score.generation.group:
                generation.touch(self._versions.number, self._versions.stamp)
        read = self._batch.hidden(rows, [score.state for score in scores])
        for score, row, (hidden_TC, state) in zip(scores, rows, read, strict=True):
            score.state = state
            self._take(score, len(row), hidden_TC)
            if score.read == len(score.tokens):
                self._queue.remove(score)
                self._hand_over(score)

    def fail(self, error: Exception) -> None:
        """A step raised: nobody knows how far it came."""
        while self._queue:
            for generation in self._queue.popleft().generation.group:
                generation.fail(EngineError("the model failed while it was reading; see the server's log"))
                generation.close(None)

    def _drop_cancelled(self) -> None:
        for score in [s for s in self._queue if s.generation.ticket.cancelled.is_set()]:
            self._queue.remove(score)
            for generation in score.generation.group:
                generation.end("cancelled")
                generation.close(None)

    def _take(self, score: Score, length: int, hidden_TC: Tensor) -> None:
        """Note what the hidden vectors of the next `length` tokens say about the token after each."""
        vocabulary = score.generation.tokenizer.vocab_size
        if score.read == 0:
            score.entries.append(score.generation.describe(score.tokens[0], None, []))
        for start in range(0, length, HEAD_SLICE):
            logits_KV = self._batch.network.head(hidden_TC[start : start + HEAD_SLICE]).float()[:, :vocabulary].cpu()
            best, ids = logits_KV.topk(max(1, score.top), dim=1)
            score.finite &= math.isfinite(float(best[:, 0].sum()))
            # In double from here, as a long text is a sum of many: the rounding of log_softmax in fp32 would be seen in it.
            total_K1 = (logits_KV - best[:, :1]).exp().sum(dim=1, keepdim=True).log().double() + best[:, :1].double()
            best = best.double() - total_K1
            first = score.read + start + 1
            followers = score.tokens[first : first + len(logits_KV)]
            places = torch.arange(len(followers))
            own = (logits_KV[places, torch.tensor(followers, dtype=torch.long)].double() - total_K1[places, 0]).tolist()
            for token, logprob, likely, costs in zip(followers, own, ids.tolist(), best.tolist(), strict=False):
                top = list(zip(likely, costs, strict=True))[: score.top]
                score.entries.append(score.generation.describe(token, logprob, top))
            score.logits_V = logits_KV[-1]
        score.read += length

    def _hand_over(self, score: Score) -> None:
        group = score.generation.group
        if not score.finite:
            for generation in group:
                generation.fail(EngineError("the model's output is not finite: load a checkpoint, or roll back", code="not_finite"))
                generation.close(None)
            return
        for generation in group:
            generation.ticket.progress({"prompt": score.entries[score.unsaid :]})
        self._batch.start(group, score.logits_V, score.state)
