"""Greedy decoding for questions that the program itself asks: answers to several prompts at once, and whether known ones still come.

Shape letters: B rows, T targets, K chosen positions, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence

import torch
from torch import Tensor

from models.sample import Sample
from models.template import Template
from models.text_stream import TextStream
from rwkv_models.batch import Batch
from rwkv_models.spans import even_spans

ROWS = 16  # samples read side by side
CTX_LEN = 512


class Greedy:
    """Reads through the plain network, as the probe does: whoever trains together is told of each forward, and no weight moves."""

    def __init__(self, network, template: Template):
        self.network = network
        self._template = template
        self._tokenizer = template.tokenizer
        self.role = template.roles.answering.name
        suffix = template.roles.answering.suffix
        self._stop_texts = [suffix] if isinstance(suffix, str) else []
        self._stop_tokens = {self._tokenizer.end_of_text, *(() if isinstance(suffix, str) else suffix[:1])}

    def answers(self, prompts: Sequence[Sequence[int]], most: int, enough: Callable[[], bool] = lambda: False
                ) -> Generator[None, None, list[list[int]]]:
        """The likeliest next tokens after each prompt, those that end the answer included, at most `most` of them; fewer where it
        was `enough`. Yields after each token."""
        written: list[list[int]] = [[] for _ in prompts]
        streams = [TextStream(self._tokenizer, self._stop_texts) for _ in prompts]
        state, tokens = None, [list(prompt) for prompt in prompts]
        open_rows = list(range(len(prompts)))
        for _ in range(most):
            if not open_rows or enough():
                break
            logits_BV, state = self._read(tokens, state)
            for row, token in zip(open_rows, logits_BV.argmax(dim=1).tolist(), strict=True):
                written[row].append(token)
                streams[row].push(token)
            go_on = [i for i, row in enumerate(open_rows) if not self._ended(written[row][-1], streams[row])]
            tokens = [[written[open_rows[i]][-1]] for i in go_on]
            if len(go_on) < len(open_rows) and go_on:
                state = state.rows(go_on)
            open_rows = [open_rows[i] for i in go_on]
            yield
        return written

    def text(self, tokens: Sequence[int]) -> str:
        """What an answer of these tokens reads."""
        stream = TextStream(self._tokenizer, self._stop_texts)
        pieces = [stream.push(token) for token in tokens if token not in self._stop_tokens]
        return "".join([*pieces, stream.flush()]).strip()

    @torch.no_grad()
    def says(self, samples: Sequence[Sample]) -> list[bool]:
        """Whether every token of a sample's last answer is the likeliest one after those before it, which is what greedy decoding
        would write. The samples are read side by side."""
        asked = [(s.tokens, [float(i in s.answer) for i in range(len(s.tokens))]) for s in samples]
        batch, state = Batch.of(asked, self.network.emb.weight.device), None
        right_B = torch.ones(len(samples), dtype=torch.bool)
        for start, stop in even_spans(batch.length, CTX_LEN):
            part = batch.span(start, stop)
            hidden_BTC, state = self.network(part.inputs_BT, state, part.lengths_B, head="none")
            chosen_BT = part.weights_BT != 0
            if chosen_BT.any():
                logits_KV = self._vocabulary(self.network.head(hidden_BTC[chosen_BT]))
                right_K = logits_KV.argmax(dim=1) == part.targets_BT[chosen_BT]
                right_B[chosen_BT.nonzero()[:, 0][~right_K].cpu()] = False
        return right_B.tolist()

    def _ended(self, token: int, stream: TextStream) -> bool:
        return token in self._stop_tokens or stream.stopped is not None

    @torch.no_grad()
    def _read(self, rows: Sequence[Sequence[int]], state) -> tuple[Tensor, object]:
        lengths, device = [len(row) for row in rows], self.network.emb.weight.device
        padded = torch.tensor([[*row, *[0] * (max(lengths) - len(row))] for row in rows], device=device)
        ragged = torch.tensor(lengths, device=device) if min(lengths) < max(lengths) else None
        logits_BV, state = self.network(padded, state, ragged, head="last")
        return self._vocabulary(logits_BV), state

    def _vocabulary(self, logits_KV: Tensor) -> Tensor:
        """Without the rows of a network that are no token's."""
        return logits_KV[:, : self._tokenizer.vocab_size]
