"""Answers in OpenAI's shapes. One kind of events serves both: chunks are sent as they come, or gathered into one object."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from models.tokenizer import Tokenizer

Event = tuple[str, dict]
FINISH = {"stop": "stop", "length": "length", "cancelled": "length"}


def fingerprint(version: int) -> str:
    """The version of the weights, where OpenAI names its own."""
    return f"version-{version}"


def token_name(tokenizer: Tokenizer, token: int) -> str:
    """A token as a text that no other token has: OpenAI's way for bytes that are no characters, ours for tokens without any."""
    raw = tokenizer.token_bytes(token)
    if not raw:
        return "<|endoftext|>" if token == tokenizer.end_of_text else f"<|{token}|>"
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return "bytes:" + "".join(f"\\x{byte:02x}" for byte in raw)


@dataclass
class Shape:
    """How the events of a bundle become one object, or chunks. `n` answers to each prompt."""

    engine: Any
    id: str
    model: str
    n: int
    usage_too: bool = False
    created: int = field(default_factory=lambda: int(time.time()))
    whole: str = ""
    chunk: str = ""

    def fold(self, events: Iterable[Event]) -> dict:
        """The one object."""
        pieces: dict[int, list[dict]] = {}
        for kind, event in events:
            if kind == "final":
                answers = event["answers"]
                choices = [self.choice(i, answer, pieces.get(i, [])) for i, answer in enumerate(answers)]
                return self.around(self.whole, choices, answers[-1]["versions"][1]) | {"usage": self.usage(answers)}
            if kind == "progress":
                pieces.setdefault(event["index"], []).append(event)
        raise AssertionError("a ticket ends with its result")

    def tell(self, kind: str, event: dict) -> Iterator[dict]:
        """The chunks of one event."""
        more = {"usage": None} if self.usage_too else {}
        if kind == "final":
            if self.usage_too:
                answers = event["answers"]
                yield self.around(self.chunk, [], answers[-1]["versions"][1]) | {"usage": self.usage(answers)}
            return
        version = event["answer"]["versions"][1] if "answer" in event else self.engine.version
        for choice in self.parts(event):
            yield self.around(self.chunk, [choice], version) | more

    def around(self, kind: str, choices: list[dict], version: int) -> dict:
        """What every object has."""
        return {"id": self.id, "object": kind, "created": self.created, "model": self.model, "system_fingerprint": fingerprint(version),
                "choices": choices}

    def usage(self, answers: list[dict]) -> dict:
        """Tokens read, each prompt once, and written."""
        read = sum(answer["usage"]["prompt_tokens"] for answer in answers[:: self.n])
        written = sum(answer["usage"]["completion_tokens"] for answer in answers)
        return {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}

    def choice(self, index: int, answer: dict, pieces: list[dict]) -> dict:
        """One whole answer, with the events that it came in."""
        raise NotImplementedError

    def parts(self, event: dict) -> Iterator[dict]:
        """The choices of the chunks of one event."""
        raise NotImplementedError


@dataclass
class Chat(Shape):
    """/v1/chat/completions. `top`: likeliest tokens beside each, None where no log probabilities were asked for."""

    top: int | None = None
    whole: str = "chat.completion"
    chunk: str = "chat.completion.chunk"
    begun: set[int] = field(default_factory=set)

    def choice(self, index: int, answer: dict, pieces: list[dict]) -> dict:
        """One answer."""
        entries = [entry for piece in pieces for entry in piece.get("logprobs", ())]
        message = {"role": "assistant", "content": answer["text"], "refusal": None}
        return {"index": index, "message": message, "logprobs": self.logprobs(entries), "finish_reason": FINISH[answer["finish_reason"]]}

    def parts(self, event: dict) -> Iterator[dict]:
        """The role first, then pieces, then why it ended."""
        index = event["index"]
        if index not in self.begun:
            self.begun.add(index)
            yield self.delta(index, {"role": "assistant", "content": "", "refusal": None})
        if "text" in event:
            yield self.delta(index, {"content": event["text"]}, self.logprobs(event.get("logprobs", [])))
        if "answer" in event:
            yield self.delta(index, {}, finish=FINISH[event["answer"]["finish_reason"]])

    def delta(self, index: int, delta: dict, logprobs: dict | None = None, finish: str | None = None) -> dict:
        """The one choice of a chunk."""
        return {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": finish}

    def logprobs(self, entries: list[dict]) -> dict | None:
        """Log probabilities in the shape of chats."""
        if self.top is None:
            return None
        return {"content": [{**self.entry(e), "top_logprobs": [self.entry(t) for t in e["top"][: self.top]]} for e in entries],
                "refusal": None}

    def entry(self, entry: dict) -> dict:
        """One token."""
        tokenizer = self.engine.tokenizer
        return {"token": token_name(tokenizer, entry["token"]), "logprob": entry["logprob"],
                "bytes": list(tokenizer.token_bytes(entry["token"]))}


@dataclass
class Completion(Shape):
    """/v1/completions. `echoed`: the text of each prompt, where answers begin with it; `top` as in chats."""

    top: int | None = None
    echoed: list[str] | None = None
    whole: str = "text_completion"
    chunk: str = "text_completion"
    offsets: dict[int, int] = field(default_factory=dict)

    def choice(self, index: int, answer: dict, pieces: list[dict]) -> dict:
        """One answer."""
        before = self.echo(index)
        entries = [entry for piece in pieces for entry in (*piece.get("prompt", ()), *piece.get("logprobs", ()))]
        return self.part(index, before + answer["text"], self.logprobs(index, entries), FINISH[answer["finish_reason"]])

    def parts(self, event: dict) -> Iterator[dict]:
        """The prompt first where it is echoed, then pieces, then why it ended."""
        index = event["index"]
        if "prompt" in event or (self.top is None and self.echoed is not None and index not in self.offsets):
            self.offsets.setdefault(index, 0)
            yield self.part(index, self.echo(index), self.logprobs(index, event.get("prompt", [])))
        if "text" in event:
            yield self.part(index, event["text"], self.logprobs(index, event.get("logprobs", [])))
        if "answer" in event:
            yield self.part(index, "", finish=FINISH[event["answer"]["finish_reason"]])

    def echo(self, index: int) -> str:
        """What the answer of that index begins with."""
        return self.echoed[index // self.n] if self.echoed is not None else ""

    def part(self, index: int, text: str, logprobs: dict | None = None, finish: str | None = None) -> dict:
        """A choice, whole or a piece."""
        return {"index": index, "text": text, "logprobs": logprobs, "finish_reason": finish}

    def logprobs(self, index: int, entries: list[dict]) -> dict | None:
        """Log probabilities in the shape of completions: one list for each thing. A token is among its likeliest ones, always."""
        if self.top is None:
            return None
        name = lambda entry: token_name(self.engine.tokenizer, entry["token"])  # noqa: E731
        offsets, at = [], self.offsets.get(index, 0)
        for entry in entries:
            offsets.append(at)
            at += len(entry["text"])
        self.offsets[index] = at
        top = [None if e["logprob"] is None else {name(t): t["logprob"] for t in (*e["top"][: self.top], e)} for e in entries]
        return {"tokens": [name(e) for e in entries], "token_logprobs": [e["logprob"] for e in entries],
                "top_logprobs": top if self.top else None, "text_offset": offsets}
