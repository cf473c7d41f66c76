"""What the server answers, as it comes: plain dicts whose keys have types. A server that is newer may send more of them.

Times are seconds, losses are nats per trained token.
"""

from __future__ import annotations

from typing import Any, Literal, NotRequired, TypedDict

from ouroboros_client.options import LessonIn, Message


class Health(TypedDict):
    """GET /health."""

    status: str
    model: str
    family: str
    parameters: int
    mode: str
    version: int
    training: bool
    queue: int


class Weights(TypedDict):
    """GET /weights."""

    version: int
    digest: str
    checkpoint: str | None
    lessons_since_checkpoint: int


class Defaults(TypedDict):
    """GET /defaults: each option of /infer and of /train with the value that it has when it is not sent."""

    infer: dict[str, Any]
    train: dict[str, Any]


class Usage(TypedDict):
    """Tokens of a prompt and its answer."""

    prompt_tokens: int
    completion_tokens: int


class Token(TypedDict):
    """A token of an answer with its log probability, and the likeliest ones in its place."""

    token: int
    text: str
    logprob: float
    top: NotRequired[list[Token]]


class Answer(TypedDict):
    """POST /infer: the answer. `versions` are those of the weights that wrote its first and its last token."""

    id: str
    text: str
    message: Message
    finish_reason: Literal["stop", "length", "cancelled"]
    usage: Usage
    versions: list[int]
    session: str | None
    turn: int | None
    seed: int
    logprobs: NotRequired[list[Token]]


class Progress(TypedDict):
    """One step of a lesson, or one lesson of a set: then with the last five."""

    step: int
    steps: int
    epoch: int
    loss: float | None
    lr: float | None
    tokens_per_s: float
    eta_s: float
    run: NotRequired[str]
    line: NotRequired[int]
    lesson: NotRequired[str | None]
    learned: NotRequired[bool]
    reason: NotRequired[str | None]


class Neighbour(TypedDict):
    """A near question whose answer the lesson changed."""

    question: str
    before: str
    after: str


class PutBack(TypedDict):
    """What teaches the neighbours their old answers again: `client.train(**put_back)`."""

    lessons: list[LessonIn]


class Checks(TypedDict):
    """What a lesson did beside what it taught. `kept` is [asked, known] of earlier lessons, `forgotten` the ids of those not known."""

    kept: list[int]
    forgotten: list[str]
    neighbours: list[Neighbour]
    put_back: PutBack | None


class Words(TypedDict):
    """How well a lesson was learned, in words."""

    level: str
    en: str
    zh: str


class Weighed(TypedDict):
    """A token of a lesson, and what it weighs in the loss."""

    token: int
    text: str
    weight: float


class Lesson(TypedDict):
    """POST /train: what came of a lesson. `reason` says why nothing was learned."""

    lesson: str | None
    version: int
    loss_before: float | None
    loss_after: float | None
    epochs: int
    steps: int
    tokens: int
    seconds: float
    drift: float | None
    learned: bool
    reason: str | None
    checks: Checks | None
    words: Words
    preview: NotRequired[list[list[Weighed]]]


class Learned(TypedDict):
    """What came of learning, in an answer that has it only where something was to be learned."""

    lesson: NotRequired[str | None]
    version: NotRequired[int]
    loss_before: NotRequired[float | None]
    loss_after: NotRequired[float | None]
    epochs: NotRequired[int]
    steps: NotRequired[int]
    seconds: NotRequired[float]
    drift: NotRequired[float | None]
    learned: NotRequired[bool]
    reason: NotRequired[str | None]
    checks: NotRequired[Checks | None]
    words: NotRequired[Words]


class Correction(Learned):
    """POST /sessions/<name>/correct: the first three, and with train the fields of a lesson."""

    session: str
    turn: int
    corrected: bool
    tokens: NotRequired[int]
    preview: NotRequired[list[list[Weighed]]]


class Problem(TypedDict):
    """A line of a set that could not be read."""

    line: int
    message: str


class Refused(TypedDict):
    """A lesson of a set that was not learned."""

    line: int
    reason: str


class LoadedSet(Learned):
    """POST /load_data: what was read, and with train also what came of the run; losses are means over its lessons."""

    dataset: str
    format: str
    lessons: int
    tokens: int
    problems: list[Problem]
    form: NotRequired[str]
    set_aside: NotRequired[int]
    duplicates: NotRequired[list[dict[str, Any]]]
    run: NotRequired[str]
    learned_lessons: NotRequired[int]
    refused: NotRequired[list[Refused]]
    benchmark: NotRequired[dict[str, Any]]
    write_back: NotRequired[dict[str, Any]]


class Dataset(TypedDict):
    """A set that was read; `problems` is how many."""

    dataset: str
    format: str
    lessons: int
    problems: int


class Run(TypedDict):
    """A set that is or was taught."""

    run: str
    dataset: str
    state: Literal["running", "done", "cancelled", "failed"]
    lessons: int
    done: int
    learned: int
    time: float


class Datasets(TypedDict):
    """GET /load_data."""

    datasets: list[Dataset]
    runs: list[Run]


class Turn(TypedDict):
    """What was asked in a turn, and the answer."""

    turn: int
    messages: list[Message]
    answer: str
    versions: list[int]
    finish_reason: str


class Session(TypedDict):
    """GET /sessions/<name>."""

    session: str
    turns: list[Turn]
    messages: list[Message]


class SessionBrief(TypedDict):
    """A session in a list: how many turns, and the first and last version of each."""

    session: str
    turns: int
    versions: list[list[int]]


class Sessions(TypedDict):
    """GET /sessions."""

    sessions: list[SessionBrief]


# `from` is a word of Python.
Branched = TypedDict("Branched", {"session": str, "turns": int, "from": str})


SessionRenamed = TypedDict("SessionRenamed", {"session": str, "from": str})
"""POST /sessions/<name>/rename."""


class Deleted(TypedDict):
    """DELETE /sessions/<name>."""

    session: str
    deleted: bool


class Taught(TypedDict):
    """A lesson that was taught, with what was asked, what it replaced, and what is left of it."""

    lesson: str
    seq: int
    time: float
    version: int | None
    messages: NotRequired[list[Message]]
    lessons: NotRequired[list[LessonIn]]
    text: NotRequired[str]
    tokens: NotRequired[list[list[int]]]
    session: str | None
    turn: int | None
    index: int | None
    corrects: str | None
    rejected: str | None
    retrains: str | None
    run: str | None
    dataset: str | None
    file: str | None
    line: int | None
    loss_before: float | None
    loss_after: float | None
    loss_now: float | None
    drift: float | None
    steps: int | None
    epochs: int | None
    mode: str | None
    objective: str | None
    lr: float | None
    trained_tokens: int | None
    retracted: float | None
    in_weights: bool
    state: Literal["taught", "left", "retracted"]
    words: Words | None


class Lessons(TypedDict):
    """GET /lessons."""

    lessons: list[Taught]


class History(TypedDict):
    """What happened to a lesson, or in a session."""

    lesson: NotRequired[str]
    session: NotRequired[str]
    history: list[dict[str, Any]]


class Retracted(TypedDict):
    """DELETE /lessons/<name>."""

    lesson: str
    retracted: bool


class Undone(TypedDict):
    """POST /lessons/<name>/undo."""

    lesson: str
    version: int
    relearned: int
    seconds: float


class Reviewed(TypedDict):
    """A lesson measured again."""

    lesson: str
    loss_after: float
    loss_now: float


class Review(TypedDict):
    """POST /lessons/review."""

    version: int
    reviewed: int
    lessons: list[Reviewed]


class Exported(TypedDict):
    """GET /lessons/export: a file of another program's form, and what that form cannot carry."""

    form: str
    suffix: str
    lessons: int
    content: str
    losses: list[dict[str, Any]]


class Version(TypedDict):
    """A version that there was."""

    version: int
    present: bool
    in_weights: bool
    time: float
    made_by: Literal["base", "lesson", "rehearsal", "undo"]
    lesson: str | None
    loss_before: float | None
    loss_after: float | None
    drift: float | None
    digest: str | None


class Versions(TypedDict):
    """GET /versions."""

    versions: list[Version]


class OnlyIn(TypedDict):
    """Lessons that only one of two versions contains."""

    only_from: list[str]
    only_to: list[str]


class Layer(TypedDict):
    """How far a layer moved between two versions."""

    layer: str
    norm: float
    relative: float


Diff = TypedDict("Diff", {"from": int, "to": int, "lessons": OnlyIn, "probe_loss": list[float], "layers": list[Layer], "seconds": float})


class RolledBack(TypedDict):
    """POST /rollback: `left` are the lessons that are in the weights no more."""

    version: int
    left: list[str]
    seconds: float


class Checkpoint(TypedDict):
    """A checkpoint; `seconds` where it was just saved, `in_use` (the present weights stand on it) in the list."""

    name: str
    version: int
    bytes: int
    sha256: str
    time: float
    seconds: NotRequired[float]
    in_use: NotRequired[bool]


class Checkpoints(TypedDict):
    """GET /save."""

    checkpoints: list[Checkpoint]


class Loaded(TypedDict):
    """POST /load."""

    name: str
    version: int


CheckpointRenamed = TypedDict("CheckpointRenamed", {"name": str, "from": str})
"""POST /checkpoints/<name>/rename."""


class CheckpointDeleted(TypedDict):
    """DELETE /checkpoints/<name>."""

    name: str
    deleted: bool


class CheckpointExported(TypedDict):
    """POST /checkpoints/<name>/export. `path`: under the server's data folder."""

    name: str
    version: int
    path: str
    bytes: int
    sha256: str
    seconds: float


class States(TypedDict):
    """GET /state: those kept, and the names of those in use."""

    states: list[dict[str, Any]]
    train: str | None
    infer: str | None


class Trains(TypedDict):
    """What is trained, and the adapters kept."""

    trains: dict[str, Any]
    adapters: list[dict[str, Any]]


class Cancelled(TypedDict):
    """POST /cancel."""

    id: str
    cancelled: bool


class Event(TypedDict):
    """Of GET /events: what happened, when, and the short fields of what was recorded."""

    event: str
    time: float
    version: NotRequired[int]
    model: NotRequired[str]
    lesson: NotRequired[str]
    step: NotRequired[int]
    steps: NotRequired[int]
    epoch: NotRequired[int]
    loss: NotRequired[float]
    lr: NotRequired[float]
    tokens_per_s: NotRequired[float]
    eta_s: NotRequired[float]
    loss_before: NotRequired[float]
    loss_after: NotRequired[float]
    epochs: NotRequired[int]
    digest: NotRequired[str]
    run: NotRequired[str | None]
    reason: NotRequired[str | None]
    session: NotRequired[str]
    turn: NotRequired[int]
    name: NotRequired[str]
    lost: NotRequired[int]


class Tokens(TypedDict):
    """POST /tokenize."""

    tokens: list[int]
    count: int


class Detokenized(TypedDict):
    """POST /detokenize."""

    prompt: str
