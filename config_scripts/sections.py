"""The sections of a config script. The description of a key is its documentation: docs/config.md is made from it."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from config_scripts.errors import WrongValue

Share = Annotated[float, Field(ge=0, lt=1)]
TokenId = Annotated[int, Field(ge=0, lt=2**31)]
TokenIds = Annotated[tuple[TokenId, ...], Field(strict=False)]
TEXT_OR_IDS = {"allowed": "a text or a list of token ids"}
Place = Literal["none", "cpu", "nvme"]


class Strict(BaseModel):
    """Unknown keys, wrong types, NaN and infinity are refused; values never change after they were read."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class Model(Strict):
    """Which weights to load, and how they are kept."""

    file: str = Field("", description=(
        "The weights, `.pth` (read with weights_only) or `.safetensors` in BlinkDL's layout; empty is the embedded model. Relative to the "
        "directory the server starts in."))
    tokenizer: str = Field("auto", min_length=1, description=(
        "`auto`: the `tokenizer.json` or `20B_tokenizer.json` beside the weights, else the World vocabulary. `world`: the World "
        "vocabulary, which every released RWKV-4 to RWKV-7 World and G1 file uses. Or the path of a JSON file of the `tokenizers` "
        "package."),
        json_schema_extra={"allowed": '"auto", "world" or the path of a tokenizer\'s JSON file'})
    special_markers: bool = Field(False, description=(
        "Read the markers of special tokens in a text as those tokens: the end of a document, and what else a tokenizer's JSON file "
        "has. False: a marker is the letters that it is written with, so nobody's words can end a turn."))
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="`auto` takes the first CUDA GPU, and the CPU where there is none.")
    precision: Literal["auto", "fp32", "bf16"] = Field("auto", description=(
        "Type of the weights in memory. `bf16` needs zero_stage 1 or more, where the optimizer keeps fp32 copies to step on. `auto` is "
        "bf16 on a GPU where zero_stage allows it, else fp32. The recurrent state is fp32 always."))
    quantize: Literal["none", "int8", "nf4"] = Field("none", description=(
        "Keep the matrices of the blocks in 8 or 4 bits; what is trained must then lie beside them ([trains] what = lora, miss or "
        "state). Needs the package torchao."))
    threads: int = Field(0, ge=0, le=1024, description=(
        "CPU threads of one tensor operation; 0 is one a core. Lower it where other programs share the machine."))


class Server(Strict):
    """The address, and what one client may ask of it."""

    host: str = Field("127.0.0.1", min_length=1, description=(
        "Address to listen on. Anything but loopback lets others teach your model: set a token and put TLS before it."))
    port: int = Field(3000, ge=0, le=65535, description="TCP port; 0 takes a free one, which is printed at the start.")
    token: str | None = Field(None, pattern=r"^[!-~]*$", max_length=512, description=(
        "What clients send as `Authorization: Bearer …`. Absent: made at the first start and kept in the data directory, which is"
        " best. Empty: no token is asked for, on a loopback address only."),
        json_schema_extra={"allowed": "absent, empty or printable ASCII without spaces, at most 512 characters"})
    max_body_mb: int = Field(32, ge=1, le=4096, description="Largest request body, in MiB; a larger one is refused with 413.")
    queue: int = Field(64, ge=1, le=100_000, description="Most requests waiting for the model; past it the answer is 503 with Retry-After.")
    threads: int = Field(64, ge=2, le=10_000, description=(
        "Most connections served at once. A stream holds one until it ends: more than the clients you expect."))

    @model_validator(mode="after")
    def _open_only_to_this_machine(self) -> Server:
        if self.token == "" and not is_loopback(self.host):
            raise WrongValue("token", self.token, (
                f"absent to have one made, or a token; empty only where host is a loopback address, and it is {self.host!r}"))
        return self


class Template(Strict):
    """How a conversation becomes tokens."""

    begin: TokenIds = Field((0,), json_schema_extra={"allowed": "a list of token ids"}, description=(
        "Token ids before the first message. 0 is the end of a document, after which a new one begins."))


class Role(Strict):
    """One speaker: what stands before and after what is said."""

    name: str = Field(min_length=1, max_length=64, description="The name that requests and lessons use.")
    prefix: str | TokenIds = Field(json_schema_extra=TEXT_OR_IDS, description=(
        "Before each message: a text, or token ids (for special tokens that no text encodes to)."))
    suffix: str | TokenIds = Field(json_schema_extra=TEXT_OR_IDS, description=(
        "After each message. An answer ends when the model has written it, so it must not be empty for a role that answers."))
    answers: bool = Field(False, description=(
        "This role is the model: its messages are trained. The first such role is the one that answers."))

    @model_validator(mode="after")
    def _an_answer_must_end(self) -> Role:
        if self.answers and not self.suffix:
            raise WrongValue("suffix", list(self.suffix) if isinstance(self.suffix, tuple) else self.suffix, (
                "a text or token ids that are not empty, because this role answers and an answer ends with its suffix"))
        return self


G1_ROLES = (
    Role(name="system", prefix="System:", suffix="\n\n"),
    Role(name="user", prefix="User:", suffix="\n\n"),
    Role(name="assistant", prefix="Assistant:", suffix="\n\n", answers=True),
)


class Infer(Strict):
    """How an answer is drawn where a request does not say, and what is kept of what was read."""

    max_tokens: int = Field(256, ge=1, le=1_000_000, description="Most tokens of an answer.")
    temperature: float = Field(1.0, ge=0, le=10, description=(
        "0 is greedy: always the likeliest token. Higher is more varied; 0 to 0.5 for facts."))
    top_p: float = Field(0.85, gt=0, le=1, description=(
        "Draw from the likeliest tokens that together hold this share of probability; 0.3 is careful, 1 is no limit."))
    top_k: int = Field(0, ge=0, le=1_000_000, description="Draw from this many of the likeliest tokens; 0 is no limit.")
    presence_penalty: float = Field(0.0, ge=-10, le=10, description=(
        "Taken from the logit of every token written so far; 0.2 to 0.5 against repetition."))
    frequency_penalty: float = Field(0.0, ge=-10, le=10, description=(
        "Taken once for every time the token was written; 0.2 to 0.5 against repetition."))
    penalty_decay: float = Field(0.996, ge=0, le=1, description="What is left of those counts after each token; 1 never forgets.")
    state_memory_mb: int = Field(512, ge=0, le=10_000_000, description=(
        "Most memory for the states of sessions, in MiB, where the model is. Past it those that were used longest ago go to disk."))
    state_disk_mb: int = Field(2048, ge=0, le=100_000_000, description=(
        "Most disk for them, in MiB. A state that is nowhere is made again by reading its session, which takes time."))


class Train(Strict):
    """How a lesson is learned where a request does not say."""

    mode: Literal["plain", "wani-bot", "pico"] = Field("plain", description=(
        "`plain`: windows of ctx_len, each from an empty state. `wani-bot`: infinite context with the exact gradient through the "
        "state, at the memory of one chunk. `pico`: infinite context, the gradient cut after bptt_range chunks; faster than wani-"
        "bot on long texts."))
    lr: float = Field(1e-5, gt=0, le=1, description=(
        "Step size. 1e-5 for a pretrained model of 1B or more; 1e-4 for the embedded one. Too high forgets, too low repeats more. "
        "An initial state takes 1, with schedule `cosine` and lr_final 0.01."))
    rule: Literal["adam", "sgd"] = Field("adam", description=(
        "What a step makes of the gradient. `adam`: each number moves by about lr, however small its gradient. `sgd`: plain gradient "
        "descent (lr times the clipped gradient), which moves little beside what answers; for the embedded model, which was trained to "
        "be taught so."))
    schedule: Literal["constant", "cosine", "wsd"] = Field("constant", description=(
        "How the step size goes over all the steps that a lesson may take. `cosine` falls from lr to lr_final; `wsd` stays at lr "
        "and falls over the last fifth. For long runs; a corrected answer has too few steps."))
    warmup: int = Field(0, ge=0, le=1_000_000, description="Steps over which the step size rises to lr, in equal parts.")
    lr_final: float = Field(0.1, ge=0, le=1, description="Part of lr that is left at the last step of `cosine` and `wsd`.")
    accumulate: int = Field(1, ge=1, le=100_000, description=(
        "Samples whose mean gradient makes one step, where a lesson has several. More is steadier and takes fewer steps."))
    objective: Literal["sft", "dpo", "unlikelihood"] = Field("sft", description=(
        "What is made likely. `sft`: the right answer. `dpo`: the right answer over the rejected one, held to the weights before "
        "the lesson. `unlikelihood`: the right answer, and against each token of the rejected one from where it differs. A lesson "
        "without a rejected answer is learned by `sft`."))
    beta: float = Field(0.1, gt=0, le=100, description=(
        "dpo: a preference of 1 / beta nats counts as learned; higher stays nearer to the old weights."))
    sft_weight: float = Field(1.0, ge=0, le=100, description=(
        "Weight of the right answer's own loss under `dpo` and `unlikelihood`. At 0, dpo only ranks the two answers: the right one "
        "may stay unlikely."))
    epochs: int = Field(1, ge=1, le=10_000, description="Times a lesson is repeated, when until_loss is absent.")
    until_loss: float | None = Field(None, ge=0, le=100, description=(
        "Repeat a lesson until its loss is at or under this, in nats a token. At 0.1 the greedy answer is nearly always the "
        "taught one; at 0.3 often not yet."))
    max_epochs: int = Field(20, ge=1, le=10_000, description="Most repetitions under until_loss.")
    min_loss: float = Field(0.0, ge=0, le=100, description=(
        "A loss under this counts as already known, and its step is scaled by min_loss_fix. 0 is off. Keep it under until_loss, "
        "or the last repetitions crawl."))
    max_loss: float = Field(100.0, ge=0, le=100, description="A loss over this has its step scaled by max_loss_fix. 100 is off.")
    min_loss_fix: float = Field(0.05, ge=0, le=10, description="Scale of a step whose loss is under min_loss.")
    max_loss_fix: float = Field(1.05, ge=0, le=10, description=(
        "Scale of a step whose loss is over max_loss; under 1 to be careful with what is far from the model."))
    ctx_len: int = Field(512, ge=2, le=1_048_576, description="Tokens of one window (plain) or chunk (infctx). Memory grows with it.")
    window: int = Field(0, ge=0, le=1_048_576, description=(
        "Tokens that two neighbouring windows of plain training share, so that the second begins with context."))
    bptt_range: int = Field(2, ge=1, le=1_000_000, description="pico: chunks that one gradient may cross; 1 is the cheapest.")
    keep_state: bool = Field(False, description=(
        "Begin each lesson from the state that the one before left (the training memory). For reading one long work in pieces; "
        "reset it when the topic changes."))
    checks: bool = Field(True, description=(
        "After a lesson, ask a sample of earlier ones and of near questions again, and report what changed: [checks]. Costs a few "
        "answers' time. Lessons of a set are checked only where it is asked for there."))
    replay: int = Field(8, ge=0, le=1024, description=(
        "Earlier lessons in each step, drawn at random, so that the new does not push out the old. 0 is off."))
    general: int = Field(0, ge=0, le=1024, description="General texts in each step, against drift of everything else. 0 is off.")
    general_tokens: int = Field(48, ge=2, le=65_536, description="Tokens of each of those texts; longer holds better and costs more.")
    kl: float = Field(10.0, ge=0, le=1000, description=(
        "Weight of the mean divergence, over all tokens of the vocabulary, from what the weights before the lesson say of general "
        "texts. 0 is off."))
    kl_texts: int = Field(4, ge=1, le=1024, description=(
        "General texts, of general_tokens each, on which it is taken in each step. Four steps' texts, with four bytes for each "
        "token of the vocabulary at each position, are kept in memory."))
    near: int = Field(0, ge=0, le=64, description=(
        "Near questions held in each step, those that are lost most of four times as many: some made by the model itself (one word of the "
        "question replaced by another that it finds likely), some of a list of common ones, and those of earlier lessons. What it answered "
        "them before is learned along. 0 is off."))
    null_space: float = Field(0.0, ge=0, le=1000, description=(
        "Only the matrices of the blocks move, and of each change that part is taken away which acts on the inputs that they have in "
        "16 general texts, in the `near` questions and in some of earlier lessons. Lower is stricter, and learns more slowly: 0.3 for "
        "the embedded model. 0 is off. Needs zero_stage 0 and one process, and room for a square matrix of each one's inputs."))
    reword: int = Field(0, ge=0, le=4, description=(
        "Other wordings of a lesson's question, English frames put around it by rules, that are learned along as a part of the lesson. "
        "Each costs as much as the lesson itself. 0 is off."))
    checkpoint_blocks: bool = Field(False, description=(
        "Keep only the layers' inputs in a forward and compute the rest again for the gradient: much less memory for a third more "
        "time."))
    refuse_above: float = Field(20.0, gt=0, le=1_000, description=(
        "A lesson whose loss is above this, in nats a token, is refused and nothing is learned. Guessing at random among 65,536 "
        "tokens costs 11."))
    carry_moments: bool = Field(False, description=(
        "Keep the optimizer's moments from lesson to lesson. False: each lesson begins fresh, so an earlier one never steers its "
        "steps."))

    @model_validator(mode="after")
    def _numbers_fit_each_other(self) -> Train:
        if self.window >= self.ctx_len:
            raise WrongValue("window", self.window, f"less than ctx_len, which is {self.ctx_len}")
        if self.min_loss >= self.max_loss:
            raise WrongValue("min_loss", self.min_loss, f"less than max_loss, which is {self.max_loss:g}")
        return self


class Checks(Strict):
    """What a lesson is checked for, where [train] checks or the request asks for it."""

    earlier: int = Field(16, ge=0, le=1024, description="Most earlier lessons that are asked again, drawn at random. 0 is off.")
    neighbours: int = Field(4, ge=0, le=64, description=(
        "Most near questions, made by the model itself, that are asked before the lesson and after it. 0 is off."))
    seconds: float = Field(5.0, gt=0, le=600, description=(
        "After this long nothing more is asked, and the answer tells of what was; an answer that has been begun is ended."))


class Idle(Strict):
    """What is rehearsed when nobody waits: earlier lessons together in small steps, each a version of its own in the journal."""

    steps: int = Field(0, ge=0, le=10_000, description=(
        "Most steps after a lesson was learned, until the next one. 0 is off: the weights move only in lessons."))
    after_s: float = Field(10.0, ge=0.1, le=86_400, description="Seconds without a request before the first step, and between two.")
    lessons: int = Field(16, ge=1, le=1024, description="Earlier lessons that make a step, drawn at random from what was not retracted.")
    epochs: int = Field(4, ge=1, le=100, description="Steps of the optimizer on the same lessons that make one version.")
    lr: float = Field(3e-5, gt=0, le=1, description="Step size. The rest (kl, general, near …) is as in [train].")


class Trains(Strict):
    """What is trained. It can be changed while the server runs (POST /trains); what stands here is what a new data folder begins with,
    and what a changed script changes to."""

    what: Literal["all", "parts", "lora", "miss", "state"] = Field("all", description=(
        "`all`: all the weights. `parts`: those in parts. `lora`, `miss`: small matrices beside the large ones, kept apart. "
        "`state`: the state that every sequence begins from (set [train] lr = 1.0)."))
    parts: tuple[Literal["att", "ffn", "ln", "emb", "head", "vectors", "ffn.value"], ...] = Field((), strict=False, description=(
        "With what = parts: matrices of the time mix (att) and channel mix (ffn; ffn.value: the second of its two alone), norms (ln), "
        "embedding, head, all other vectors. "
        "With lora and miss: trained beside the adapter."))
    name: str = Field("", pattern=r"^([a-z0-9][a-z0-9._-]{0,63})?$", description=(
        "The adapter or state to train: a new one of this name, or the one that is kept under it. Empty: the word of what."),
        json_schema_extra={"allowed": "empty, or 1 to 64 of a-z 0-9 . _ - that begin with a letter or digit"})
    rank: int = Field(32, ge=1, le=4096, description="lora, miss: rank of a new adapter.")
    alpha: float = Field(32.0, gt=0, le=100_000, description="lora: scale of a new adapter, as a multiple of 1/rank.")
    dropout: float = Field(0.0, ge=0, lt=1, description="lora, miss: share of the inputs that are left out while training.")
    targets: tuple[Annotated[str, Field(min_length=1, max_length=128)], ...] = Field(
        ("att.receptance", "att.key", "att.value", "att.output", "ffn.key", "ffn.value"), strict=False, min_length=1,
        json_schema_extra={"allowed": "a list of matrices"}, description="lora, miss: the matrices of a new adapter; `head` is one too.")
    seed: int = Field(0, ge=0, lt=2**63, description="lora, miss: of a new adapter's first values.")

    @model_validator(mode="after")
    def _parts_fit_the_word(self) -> Trains:
        if self.what == "parts" and not self.parts:
            raise WrongValue("parts", list(self.parts), (
                'at least one of "att", "ffn", "ln", "emb", "head", "vectors" and "ffn.value", because what is "parts"'))
        if self.what in ("all", "state") and self.parts:
            raise WrongValue("parts", list(self.parts), f'none, because what is "{self.what}"')
        return self


class Optimizer(Strict):
    """AdamW, as RWKV-7 is trained."""

    betas: tuple[Share, Share] = Field((0.9, 0.99), strict=False, description="Decay of the averages of the gradient and of its square.")
    eps: float = Field(1e-18, gt=0, lt=1, description=(
        "Added to the root of the second average. RWKV-7 was trained with 1e-18: no reason to change it."))
    weight_decay: float = Field(0.0, ge=0, lt=1, description=(
        "Pull of the two-dimensional `.weight` matrices to zero, a step. 0 for lessons; 0.1 when training on a corpus."))
    clip: float = Field(1.0, gt=0, le=1_000_000, description="Largest norm of the gradient; a larger one is scaled down to it.")
    w0_rate: float = Field(2.0, gt=0, le=100, description=(
        "Step size of the decay's vector (`att.w0`, before RWKV-7 `att.time_decay`), as a multiple of lr."))


class DeepSpeed(Strict):
    """Where gradients and the optimizer live."""

    zero_stage: int = Field(0, ge=0, le=3, description=(
        "What DeepSpeed partitions, and so can offload: 0 nothing, 1 the optimizer, 2 and gradients, 3 and parameters. 0 where "
        "the GPU holds everything."))
    offload_optimizer: Place = Field("none", description=(
        "Keep the optimizer (12 bytes a parameter) in host memory (`cpu`, zero_stage 1 to 3; builds a C++ helper at its first "
        "start) or on disk (`nvme`, 3)."))
    offload_param: Place = Field("none", description=(
        "Keep the parameters there too and fetch each layer when it is used; zero_stage 3 only. Every token is then slower."))
    nvme_path: str = Field("", description="Directory on a fast disk for whatever is on `nvme`.")

    @model_validator(mode="after")
    def _offload_needs_its_stage(self) -> DeepSpeed:
        stage = f"zero_stage is {self.zero_stage}"
        if self.offload_optimizer == "cpu" and self.zero_stage == 0:
            raise WrongValue("offload_optimizer", self.offload_optimizer, f'"none", or zero_stage 1, 2 or 3; {stage}')
        if self.offload_optimizer == "nvme" and self.zero_stage != 3:
            raise WrongValue("offload_optimizer", self.offload_optimizer, f'"none" or "cpu", or zero_stage 3; {stage}')
        if self.offload_param != "none" and self.zero_stage != 3:
            raise WrongValue("offload_param", self.offload_param, f'"none", or zero_stage 3; {stage}')
        if "nvme" in (self.offload_optimizer, self.offload_param) and not self.nvme_path:
            raise WrongValue("nvme_path", self.nvme_path, 'a directory, because something is offloaded to "nvme"')
        return self


class Save(Strict):
    """Checkpoints made without being asked."""

    every_lessons: int = Field(50, ge=0, le=1_000_000, description=(
        "A checkpoint in the background after this many lessons; 0 is only when asked. Nothing is lost without one: the journal "
        "is replayed, which takes time."))
    every_minutes: float = Field(10, ge=0, le=1e6, description=(
        "A checkpoint in the background this long after the first lesson that no checkpoint contains; 0 is only by number."))
    keep: int = Field(5, ge=1, le=100_000, description=(
        "Most of these checkpoints kept; the oldest goes. Those saved by name are never removed. To go back further than the oldest, "
        "the journal is replayed from the base model; it is never cut."))
    shard_mb: float = Field(4096, gt=0, le=10_000_000, description=(
        "Largest safetensors file of a checkpoint, in MiB; what is larger is written in shards, `model-00001-of-00003.safetensors` "
        "and so on."))
    recent_memory_mb: int = Field(512, ge=0, le=10_000_000, description=(
        "Most memory for copies of the weights of recent versions, to which one goes back at once. A model of which not even two fit is "
        "not copied, and goes back by way of a checkpoint and the journal."))
    at_end_mb: int = Field(128, ge=0, le=1_000_000, description=(
        "A checkpoint at the end of the program (SIGTERM), so that the next start has nothing to learn again, if one has at most this many "
        "MB, counted as 6 bytes a parameter: it must be on the disk within the last seconds. 0 is never."))


def is_loopback(host: str) -> bool:
    """True when `host` can be reached from this machine only."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
