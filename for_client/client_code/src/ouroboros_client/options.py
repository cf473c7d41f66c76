"""What may be sent, named as in docs/api.md. All options may be left out: the server then takes its own."""

from __future__ import annotations

from typing import Literal, NotRequired, TypedDict


class Message(TypedDict):
    """One message. The last three matter where it is taught: `rejected`, of the last one, is the answer that should not have been given."""

    role: str
    text: str
    weight: NotRequired[float]
    no_loss: NotRequired[bool]
    rejected: NotRequired[str | None]


class LessonIn(TypedDict):
    """One lesson of several."""

    messages: list[Message]


class InferOptions(TypedDict, total=False):
    """How an answer is drawn from the model."""

    max_tokens: int
    temperature: float
    top_p: float
    top_k: int
    presence_penalty: float
    frequency_penalty: float
    penalty_decay: float
    stop: list[str]
    stop_tokens: list[int]
    ban_tokens: list[int]
    seed: int | None
    logprobs: int
    think: bool


class TrainOptions(TypedDict, total=False):
    """How a lesson is learned."""

    mode: Literal["plain", "wani-bot", "pico"] | None
    train_on: Literal["response", "all"]
    epochs: int | None
    until_loss: float | None
    max_epochs: int | None
    lr: float | None
    rule: Literal["adam", "sgd"] | None
    min_loss: float | None
    max_loss: float | None
    min_loss_fix: float | None
    max_loss_fix: float | None
    schedule: Literal["constant", "cosine", "wsd"] | None
    warmup: int | None
    lr_final: float | None
    accumulate: int | None
    objective: Literal["sft", "dpo", "unlikelihood"] | None
    beta: float | None
    sft_weight: float | None
    replay: int | None
    general: int | None
    kl: float | None
    kl_texts: int | None
    near: int | None
    null_space: float | None
    reword: int | None
    ctx_len: int | None
    window: int | None
    bptt_range: int | None
    keep_state: bool | None
    dry_run: bool
    preview: bool
    checks: bool | None


class SetOptions(TrainOptions, total=False):
    """How a set of lessons is read and taught."""

    format: Literal["auto", "org", "jsonl", "text"]
    train: bool
    passes: int
    shuffle: bool
    shares: list[str] | None
    write_back: bool
    seed: int | None


class StateOptions(TypedDict, total=False):
    """What a state is saved from, or loaded with."""

    session: str | None
    blend: str | None
    share: float
    decay: float


class TrainsOptions(TypedDict, total=False):
    """What is trained from now on."""

    parts: list[Literal["att", "ffn", "ln", "emb", "head", "vectors", "ffn.value"]]
    name: str | None
    rank: int
    alpha: float
    dropout: float
    targets: list[str]
    seed: int


class LessonsFilter(TypedDict, total=False):
    """Which lessons. `as_of`: a version, a time, or a transaction (tx:120)."""

    as_of: str | int | float | None
    session: str | None
    role: str | None
    text: str | None
    state: Literal["taught", "left", "retracted"] | None
