"""The bodies of OpenAI's routes. Fields of theirs that change nothing here are dropped by name; those that would are refused."""

from __future__ import annotations

import json
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from engine.options import AnswerOptions, StopText, Strict, TokenId
from server.bodies import MAX_LIST, MAX_TEXT, Role

MOST_ANSWERS = 64
"""Answers to one request: prompts times n."""

MOST_SCORED = 262_144
"""Characters or tokens of prompts whose log probabilities are told at once: all are in memory before the first is sent."""

TEXTS_OR_TOKENS = {"anyOf": [
    {"type": "string", "maxLength": MAX_TEXT},
    {"type": "array", "items": {"anyOf": [
        {"type": "string"}, {"type": "integer", "minimum": 0}, {"type": "array", "items": {"type": "integer", "minimum": 0}}]}},
]}
STOP_TEXT = {"type": "string", "minLength": 1, "maxLength": 256}
TEXT_OR_PARTS = {"anyOf": [
    {"type": "string", "maxLength": MAX_TEXT},
    {"type": "array", "items": {"type": "object", "properties": {"type": {"enum": ["text"]}, "text": {"type": "string"}}}},
]}


def wrong(field: str, allowed: str) -> PydanticCustomError:
    """A whole sentence about a field that no schema describes."""
    return PydanticCustomError("one_source", "{param} must be {allowed}", {"param": field, "allowed": allowed})


def prompts(value: Any) -> list[str] | list[list[int]]:
    """One prompt or several, as texts or as token ids: always as a list of them."""
    allowed = f"a text, a list of token ids, or a list of 1 to {MOST_ANSWERS} of either"
    several = [value] if isinstance(value, str) or _are_tokens(value) else value
    if not isinstance(several, list) or not 1 <= len(several) <= MOST_ANSWERS:
        raise wrong("prompt", allowed)
    if not all(isinstance(p, str) for p in several) and not all(_are_tokens(p) for p in several):
        raise wrong("prompt", allowed)
    if any(len(p) > MAX_TEXT for p in several):
        raise wrong("prompt", f"at most {MAX_TEXT} characters or tokens long")
    return several


def _are_tokens(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(type(token) is int and 0 <= token < 2**31 for token in value)


def content(value: Any) -> str:
    """A message's text; parts of type text are joined by line ends."""
    if isinstance(value, list) and value and all(isinstance(part, dict) for part in value):
        strange = next((part for part in value if part.get("type") != "text" or not isinstance(part.get("text"), str)), None)
        if strange is not None:
            kind = json.dumps(strange.get("type"))[:48]
            raise PydanticCustomError("one_source", 'content has a part of type {kind}, it must be "text" with a text', {
                "param": "messages.content", "kind": kind})
        value = "\n".join(part["text"] for part in value)
    if not isinstance(value, str) or not 1 <= len(value) <= MAX_TEXT:
        raise wrong("messages.content", f"a text of 1 to {MAX_TEXT} characters or a list of parts of type text")
    return value


def bias(value: Any) -> dict[int, float] | None:
    """Token ids, which are texts in JSON, with what is added to their logits."""
    def good(token: Any, added: Any) -> bool:
        number = isinstance(added, (int, float)) and not isinstance(added, bool)
        return number and -100 <= added <= 100 and isinstance(token, str) and token.isascii() and token.isdigit() and len(token) < 10
    if value is not None and not (isinstance(value, dict) and len(value) <= 1024 and all(good(*item) for item in value.items())):
        raise wrong("logit_bias", "an object of at most 1024 token ids, each with a number from -100 to 100")
    return None if value is None else {int(token): float(added) for token, added in value.items()}


def one_as_list(value: Any) -> Any:
    """A text alone is a list of one."""
    return [value] if isinstance(value, str) else value


Texts = Annotated[Any, BeforeValidator(prompts), WithJsonSchema(TEXTS_OR_TOKENS)]
Content = Annotated[Any, BeforeValidator(content), WithJsonSchema(TEXT_OR_PARTS)]
Bias = Annotated[Any, BeforeValidator(bias), WithJsonSchema(
    {"anyOf": [{"type": "object", "additionalProperties": {"type": "number", "minimum": -100, "maximum": 100}}, {"type": "null"}]})]
Stop = Annotated[Annotated[list[StopText], Field(max_length=16)] | None, BeforeValidator(one_as_list),
                 WithJsonSchema({"anyOf": [STOP_TEXT, {"type": "array", "maxItems": 16, "items": STOP_TEXT}, {"type": "null"}]})]


class Theirs(Strict):
    """A body of OpenAI's: `dropped` are fields that change nothing here, `refused` those that would, unless they say what is so anyway."""

    dropped: ClassVar[tuple[str, ...]] = ()
    refused: ClassVar[dict[str, tuple]] = {}

    @model_validator(mode="before")
    @classmethod
    def without_what_is_not_ours(cls, value: Any) -> Any:
        """Drop the ones, refuse the others in a sentence."""
        if not isinstance(value, dict):
            return value
        for name, harmless in cls.refused.items():
            if value.get(name) is not None and value[name] not in harmless:
                raise PydanticCustomError("one_source", "{param} is not supported, leave it out", {"param": name})
        return {name: given for name, given in value.items() if name not in cls.dropped and name not in cls.refused}


class ChatMessage(Theirs):
    """One message of a chat."""

    dropped: ClassVar = ("name", "refusal", "annotations", "reasoning_content", "provider_specific_fields")
    refused: ClassVar = {"tool_calls": ([],), "tool_call_id": (), "function_call": (), "audio": ()}
    role: Role = Field(description="system or developer, user, assistant, or another role of the config script.")
    content: Content = Field(description="A text, or a list of parts of type text.")


class StreamOptions(Theirs):
    """What a stream tells beside the answer."""

    dropped: ClassVar = ("include_obfuscation",)
    include_usage: bool | None = Field(None, description="Send the usage in a last chunk.")


class ResponseFormat(Strict):
    """The form of an answer."""

    type: Literal["text", "json_object"]


class Asked(Theirs):
    """What both routes for answers take."""

    dropped: ClassVar = ("user", "metadata", "store", "parallel_tool_calls", "service_tier", "safety_identifier", "prompt_cache_key",
                         "prompt_cache_retention", "prediction")
    model: str = Field(min_length=1, max_length=256, description="As in /v1/models.")
    stream: bool | None = Field(None, description="Send the answer as it grows (SSE).")
    stream_options: StreamOptions | None = None
    n: int | None = Field(None, ge=1, le=16, description="Answers to each prompt, with the seeds seed, seed + 1 and so on.")
    temperature: float | None = Field(None, ge=0, le=10, description="0 is greedy; absent: as the config script says.")
    top_p: float | None = Field(None, ge=0, le=1, description="Share of probability to draw from; absent: as the config script says.")
    top_k: int | None = Field(None, ge=0, le=1_000_000, description="Ours: draw from this many likeliest tokens; 0 is no limit.")
    presence_penalty: float | None = Field(None, ge=-10, le=10, description="Taken from the logit of a token that was written.")
    frequency_penalty: float | None = Field(None, ge=-10, le=10, description="Taken once for each time a token was written.")
    stop: Stop = Field(None, description="A text, or up to 16, that ends the answer and is no part of it.")
    seed: int | None = Field(None, ge=-(2**63), lt=2**63, description="The same seed gives the same answer.")
    logit_bias: Bias = Field(None, description="Token ids with what is added to their logits, -100 to 100.")

    def options(self, **more: Any) -> tuple[AnswerOptions, set[str]]:
        """The engine's options, and the names of those that are not left to the config script."""
        names = ("temperature", "top_p", "top_k", "presence_penalty", "frequency_penalty", "stop", "seed", "logit_bias")
        chosen = {name: getattr(self, name) for name in names} | more
        chosen = {name: value for name, value in chosen.items() if value is not None}
        if "top_p" in chosen:
            chosen["top_p"] = max(chosen["top_p"], 1e-9)
        if "seed" in chosen:
            chosen["seed"] %= 2**63
        return AnswerOptions(**chosen), set(chosen)


class ChatBody(Asked):
    """POST /v1/chat/completions."""

    refused: ClassVar = {
        "tools": ([],), "tool_choice": ("none", "auto"), "functions": ([],), "function_call": ("none", "auto"), "audio": (),
        "modalities": (["text"],), "best_of": (1,), "reasoning_effort": ("none",), "verbosity": ("medium",), "web_search_options": (),
    }
    messages: list[ChatMessage] = Field(min_length=1, max_length=MAX_LIST)
    max_completion_tokens: int | None = Field(None, ge=1, le=1_000_000, description="Most tokens of an answer.")
    max_tokens: int | None = Field(None, ge=1, le=1_000_000, description="The old name of max_completion_tokens.")
    logprobs: bool | None = Field(None, description="Tell the log probability of each token.")
    top_logprobs: int | None = Field(None, ge=0, le=20, description="With logprobs: so many likeliest tokens in its place.")
    response_format: ResponseFormat | None = None

    @model_validator(mode="after")
    def fields_fit(self) -> ChatBody:
        """One limit, and likeliest tokens only where log probabilities are told."""
        if self.top_logprobs and not self.logprobs:
            raise PydanticCustomError("one_source", "top_logprobs needs logprobs to be true", {"param": "top_logprobs"})
        if None not in (self.max_tokens, self.max_completion_tokens) and self.max_tokens != self.max_completion_tokens:
            said = "max_completion_tokens is not what max_tokens says, send one of them"
            raise PydanticCustomError("one_source", said, {"param": "max_completion_tokens"})
        return self


class CompletionBody(Asked):
    """POST /v1/completions."""

    refused: ClassVar = {"suffix": ("",), "best_of": (1,)}
    prompt: Texts = Field(description=f"A text, a list of token ids, or a list of up to {MOST_ANSWERS} of either.")
    max_tokens: int | None = Field(16, ge=0, le=1_000_000, description="Most tokens of an answer.")
    logprobs: int | None = Field(None, ge=0, le=20, description="Tell the log probability of each token and of so many likeliest ones.")
    echo: bool | None = Field(None, description="Begin each answer with its prompt.")

    @model_validator(mode="after")
    def not_too_many(self) -> CompletionBody:
        """Each answer has a place of its own, and each token that is scored."""
        if self.echo and self.logprobs is not None and sum(map(len, self.prompt)) > MOST_SCORED:
            said = f"prompt is too long, with echo and logprobs at most {MOST_SCORED} characters or tokens are taken"
            raise PydanticCustomError("one_source", said, {"param": "prompt"})
        if len(self.prompt) * (self.n or 1) > MOST_ANSWERS:
            said = f"n answers to {{count}} prompts are too many, at most {MOST_ANSWERS} answers are given at once"
            raise PydanticCustomError("one_source", said, {"param": "n", "count": len(self.prompt)})
        return self


class TokenizeBody(Strict):
    """POST /tokenize."""

    prompt: str = Field(max_length=MAX_TEXT)
    model: str | None = Field(None, max_length=256)
    add_special_tokens: bool = Field(False, description="Begin with the tokens that a prompt begins with.")


class DetokenizeBody(Strict):
    """POST /detokenize."""

    tokens: Annotated[list[TokenId], Field(max_length=MAX_TEXT, fail_fast=True)]
    model: str | None = Field(None, max_length=256)
