"""The options of an answer and of a lesson: one description, checked where a request enters and kept with every lesson."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Mode = Literal["plain", "wani-bot", "pico"]
Schedule = Literal["constant", "cosine", "wsd"]
Objective = Literal["sft", "dpo", "unlikelihood"]
Rule = Literal["adam", "sgd"]
TokenId = Annotated[int, Field(ge=0, lt=2**31)]
StopText = Annotated[str, Field(min_length=1, max_length=256)]


class Strict(BaseModel):
    """Unknown keys, wrong types, NaN and infinity are refused; values never change after they were read."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class InferOptions(Strict):
    """How an answer is drawn from the model."""

    max_tokens: int = Field(256, ge=1, le=1_000_000, description="Most tokens of the answer.")
    temperature: float = Field(1.0, ge=0, le=10, description="0 is greedy; higher is more varied.")
    top_p: float = Field(0.85, gt=0, le=1, description="Draw from the likeliest tokens that hold this share of probability.")
    top_k: int = Field(0, ge=0, le=1_000_000, description="Draw from this many likeliest tokens; 0 is no limit.")
    presence_penalty: float = Field(0.0, ge=-10, le=10, description="Taken from the logit of a token that was written.")
    frequency_penalty: float = Field(0.0, ge=-10, le=10, description="Taken once for each time a token was written.")
    penalty_decay: float = Field(0.996, ge=0, le=1, description="How much of the counts is left after each token.")
    stop: list[StopText] = Field(default_factory=list, max_length=16, description="Texts that end the answer; not part of it.")
    stop_tokens: list[TokenId] = Field(default_factory=list, max_length=256, description="Token ids that end the answer.")
    ban_tokens: list[TokenId] = Field(default_factory=list, max_length=65536, description="Token ids never drawn.")
    seed: int | None = Field(None, ge=0, lt=2**63, description="The same seed gives the same answer.")
    logprobs: int = Field(0, ge=0, le=20, description="Return this many likeliest tokens with their log probability, a token.")
    think: bool = Field(False, description="Open the answer with the model's thinking.")


class AnswerOptions(InferOptions):
    """What OpenAI's clients may ask for beside."""

    max_tokens: int = Field(256, ge=0, le=1_000_000, description="Most tokens of the answer; 0 writes none.")
    logit_bias: dict[TokenId, float] = Field(default_factory=dict, description="Added to the logits of these tokens.")
    json_object: bool = Field(False, description="The answer is a JSON object.")


class TrainOptions(Strict):
    """How a lesson is learned. What is not given comes from the config script's [train]."""

    mode: Mode | None = Field(None, description="plain, wani-bot (infctx, exact) or pico (infctx, truncated).")
    train_on: Literal["response", "all"] = Field("response", description="Whose tokens are trained: roles that answer, or all.")
    epochs: int | None = Field(None, ge=1, le=10_000, description="Times the lesson is repeated when until_loss is null.")
    until_loss: float | None = Field(None, ge=0, le=100, description="Repeat until the loss is at or under this, nats a token.")
    max_epochs: int | None = Field(None, ge=1, le=10_000, description="Most repetitions under until_loss.")
    lr: float | None = Field(None, gt=0, le=1, description="Step size.")
    rule: Rule | None = Field(None, description="adam, or sgd: plain gradient descent, whose steps are as long as the gradient.")
    min_loss: float | None = Field(None, ge=0, le=100, description="Under this loss the step is scaled by min_loss_fix.")
    max_loss: float | None = Field(None, ge=0, le=100, description="Over this loss the step is scaled by max_loss_fix.")
    min_loss_fix: float | None = Field(None, ge=0, le=10, description="Scale of the step under min_loss.")
    max_loss_fix: float | None = Field(None, ge=0, le=10, description="Scale of the step over max_loss.")
    schedule: Schedule | None = Field(None, description="How the step size goes over the steps: constant, cosine or wsd.")
    warmup: int | None = Field(None, ge=0, le=1_000_000, description="Steps over which the step size rises to lr.")
    lr_final: float | None = Field(None, ge=0, le=1, description="What is left of lr at the last step of cosine and wsd.")
    accumulate: int | None = Field(None, ge=1, le=100_000, description="Samples whose gradients make one step.")
    objective: Objective | None = Field(None, description="sft, or dpo or unlikelihood against the last message's rejected answer.")
    beta: float | None = Field(None, gt=0, le=100, description="dpo: how soon a preference counts as learned.")
    sft_weight: float | None = Field(None, ge=0, le=100, description="Weight of the right answer's own loss under dpo and unlikelihood.")
    replay: int | None = Field(None, ge=0, le=1024, description="Earlier lessons in each step.")
    general: int | None = Field(None, ge=0, le=1024, description="General texts in each step.")
    kl: float | None = Field(None, ge=0, le=1000, description="Weight of the divergence from the weights before the lesson; 0 is off.")
    kl_texts: int | None = Field(None, ge=1, le=1024, description="General texts in each step on which that is taken.")
    near: int | None = Field(None, ge=0, le=64, description="Near questions whose answers are held.")
    null_space: float | None = Field(None, ge=0, le=1000, description="Keep changes from other texts; lower is stricter, 0 is off.")
    reword: int | None = Field(None, ge=0, le=4, description="Other wordings of the question, made by rules, that are learned along.")
    ctx_len: int | None = Field(None, ge=2, le=1_048_576, description="Tokens of one chunk or window.")
    window: int | None = Field(None, ge=0, le=1_048_576, description="Tokens of overlap between two windows of plain training.")
    bptt_range: int | None = Field(None, ge=1, le=1_000_000, description="pico: chunks that one gradient may cross.")
    keep_state: bool | None = Field(None, description="Begin from, and leave behind, the training memory.")
    dry_run: bool = Field(False, description="Measure the loss only; nothing changes.")
    preview: bool = Field(False, description="With dry_run: return each token with its text and weight.")
    checks: bool | None = Field(None, description=(
        "Ask earlier lessons again afterwards, and near questions before and afterwards."))
