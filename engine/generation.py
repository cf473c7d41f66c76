"""One open answer: its prompt, its sampler, its text so far, and why it ends."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable

from torch import Tensor

from engine.json_guide import JsonGuide
from engine.options import InferOptions
from engine.sampler import Sampler
from engine.ticket import Ticket
from models.text_stream import TextStream
from models.tokenizer import Tokenizer
from rwkv_models.state import State

log = logging.getLogger("ouroboros.generation")


class Generation:
    """A request to /infer from its first prompt token to its last piece.

    The batch calls `begin` before it reads the prompt and `take` with the logits of each decode step. `tokens` holds
    prompt and answer; `state` is the state after `consumed` of them while the batch does not hold it. `known` finds how
    much of a prompt was read before, and the state after that. `siblings` answer the same prompt, which is read once. A `guide`
    says which tokens may come, and when the answer is whole.
    """

    def __init__(self, ticket: Ticket, tokenizer: Tokenizer, prompt: list[int], options: InferOptions, *,
                 known: Callable[[list[int]], tuple[int, State | None]] | None = None, stop_texts: list[str] = (), opening: str = "",
                 strip: bool = False, guide: JsonGuide | None = None,
                 on_close: Callable[[Generation, State | None], dict] | None = None):
        self.ticket = ticket
        self.options = options
        self.tokenizer = tokenizer
        self.tokens = list(prompt)
        self.prompt_length = len(prompt)
        self.consumed = 0
        self.state: State | None = None
        self.opening = opening
        self.siblings: list[Generation] = []
        self.sampler = Sampler(options, tokenizer.vocab_size, guide)
        self.stream = TextStream(tokenizer, [*options.stop, *stop_texts])
        self.stop_tokens = {tokenizer.end_of_text, *options.stop_tokens}
        self.text = ""
        self.finish_reason: str | None = None
        self.first_version = self.last_version = -1
        self.stamps: set[int] = set()
        self.logprobs: list[dict] = []
        self._unsaid: list[dict] = []  # of them, those that no piece of text has carried yet
        self._known = known
        self._strip = strip
        self._on_close = on_close
        self._error: BaseException | None = None
        if opening:
            self._emit(opening)

    @property
    def group(self) -> list[Generation]:
        """All that answer the prompt of this one."""
        return [self, *self.siblings]

    @property
    def written(self) -> int:
        """Tokens of the answer so far."""
        return len(self.tokens) - self.prompt_length

    def begin(self) -> None:
        """Before the first prompt token: take a state that is known for the prompt's beginning, under the weights of now."""
        if self._known is not None:
            self.consumed, self.state = self._known(self.tokens)
            self._known = None

    def touch(self, version: int, stamp: int) -> None:
        """Note the weights that the next token comes from."""
        if self.first_version < 0:
            self.first_version = version
        self.last_version = version
        self.stamps.add(stamp)

    def take(self, logits_V: Tensor) -> None:
        """Draw a token from the logits after the last one, and end the answer if it must end."""
        if self.ticket.cancelled.is_set():
            return self.end("cancelled")
        if self.written >= self.options.max_tokens:  # none were asked for
            return self.end("length")
        logits_V = logits_V[: self.tokenizer.vocab_size]  # a network may have more rows than there are tokens
        if not math.isfinite(float(logits_V.max())):
            raise FloatingPointError("the model's output is not finite")
        token, likely = self.sampler.draw(logits_V, self.options.max_tokens - self.written)
        self.tokens.append(token)
        if likely:
            self.logprobs.append(self.describe(*likely[0], likely[1:]))
        if token in self.stop_tokens:
            return self.end("stop")
        self._unsaid += self.logprobs[-1:]
        self._emit(self.stream.push(token))
        if self.stream.stopped is not None or (self.sampler.guide and self.sampler.guide.done):
            return self.end("stop")
        if self.written >= self.options.max_tokens:
            return self.end("length")
        return None

    def end(self, reason: str) -> None:
        """No more tokens; `close` hands the answer over."""
        if self.finish_reason is None:
            self._emit(self.stream.flush())
            self.finish_reason = reason
            if self._strip:
                self.text = self.text.rstrip()

    def fail(self, error: BaseException) -> None:
        """No more tokens, because of an error; `close` tells the reader."""
        self.finish_reason = "error"
        self._error = error

    def close(self, state: State | None) -> None:
        """Hand the reader the whole answer, or the error; `state` is that after `consumed` tokens, where it is known.

        Called once, whichever way the answer ended: this is where its session is free again.
        """
        result, error = self.result(), self._error
        if self._on_close is not None:
            try:
                result |= self._on_close(self, state)
            except Exception as problem:
                log.exception("answer=%s could not be kept", self.ticket.id)
                error = error or problem
        if error is None:
            self.ticket.finish(result)
        else:
            self.ticket.fail(error)

    def result(self) -> dict:
        """The fields of /infer's answer that every answer has."""
        out = {
            "id": self.ticket.id, "text": self.text, "message": {"role": "assistant", "text": self.text},
            "finish_reason": self.finish_reason,
            "usage": {"prompt_tokens": self.prompt_length, "completion_tokens": self.written},
            "versions": [self.first_version, self.last_version], "session": None, "turn": None, "seed": self.sampler.seed,
        }
        return out | ({"logprobs": self.logprobs} if self.options.logprobs else {})

    def _emit(self, piece: str) -> None:
        if self._strip and not self.text:
            piece = piece.lstrip()
        if piece:
            self.text += piece
            said, self._unsaid = self._unsaid, []
            self.ticket.progress({"text": piece} | ({"logprobs": said} if said else {}))

    def describe(self, token: int, logprob: float | None, top: list[tuple[int, float]]) -> dict:
        """A token with its log probability, nats, and the likeliest ones in its place."""
        name = lambda token: self.tokenizer.decode([token])  # noqa: E731
        return {"token": token, "text": name(token), "logprob": logprob,
                "top": [{"token": t, "text": name(t), "logprob": p} for t, p in top]}
