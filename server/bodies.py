"""The bodies of requests. What a caller may send is said here once: checks, error sentences and the API's description follow."""

from __future__ import annotations

import re
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from config_scripts.sections import Trains
from engine.options import InferOptions, Strict, TokenId, TrainOptions
from server.route import NAME_PATTERN

KEY_PATTERN = r"^[!-~]{1,255}$"
MAX_TEXT = 4_000_000
MAX_LIST = 100_000

Name = Annotated[str, Field(pattern=NAME_PATTERN)]
Moment = Annotated[str, Field(min_length=1, max_length=64)]


def instant(value: Any) -> Any:
    """A version or a time as the lesson store reads it; what is neither is left for the check of texts to refuse."""
    return str(value) if type(value) in (int, float) and 0 <= value <= LATEST else value


LATEST = 10**12
Instant = Annotated[Moment, BeforeValidator(instant), WithJsonSchema(
    {"anyOf": [{"type": "number", "minimum": 0, "maximum": LATEST}, {"type": "string", "minLength": 1, "maxLength": 64}]})]
Key = Annotated[str, Field(pattern=KEY_PATTERN)]
Role = Annotated[str, Field(min_length=1, max_length=64)]
Text = Annotated[str, Field(min_length=1, max_length=MAX_TEXT)]
# fail_fast: a list of millions of wrong values is one fault, not millions.
Tokens = Annotated[list[TokenId], Field(min_length=1, max_length=MAX_TEXT, fail_fast=True)]
Turn = Annotated[int, Field(ge=0, lt=2**31)]
Stream = Annotated[bool, Field(description="Send the answer as it grows (SSE).")]


def relative_path(path: str) -> str:
    """A path that stays under the folder it is joined to, as far as its letters can say."""
    parts = path.split("/")
    if "" in parts or "." in parts or ".." in parts or re.search(r'[\\:\x00-\x1f]', path):
        said = "path must lead to a file under the data folder, relative, with / between names and no step up"
        raise PydanticCustomError("path_form", said)
    return path


def one_way(schema: dict[str, Any], body: type[Sourced]) -> None:
    """Say in a body's description that exactly one of its ways must be given; null is as good as absent."""
    schema["oneOf"] = [{"required": [way], "properties": {way: {"not": {"type": "null"}}}} for way in body.ways]


class Sourced(Strict):
    """A body that says what it is about in exactly one of several ways."""

    model_config = ConfigDict(json_schema_extra=one_way)
    ways: ClassVar[tuple[str, ...]]

    @model_validator(mode="after")
    def exactly_one(self) -> Sourced:
        """Refuse none and more than one, in the one sentence for every such body."""
        found = [way for way in self.ways if getattr(self, way) is not None]
        if len(found) != 1:
            got = " and ".join(found) or "none"
            names = ", ".join(self.ways[:-1]) + " or " + self.ways[-1]
            context = {"got": got, "names": names, "param": found[1] if found else self.ways[0]}
            raise PydanticCustomError("one_source", "exactly one of {names} must be given, got {got}", context)
        return self

    def source(self) -> dict[str, Any]:
        """The one way that was given, as plain lists and dicts."""
        return self.model_dump(include=set(self.ways), exclude_none=True)


def options(kind: type[Strict], body: Strict) -> tuple[Any, set[str]]:
    """The options among a body's fields, and the names of those that the caller sent."""
    sent = body.model_fields_set & kind.model_fields.keys()
    return kind(**{name: getattr(body, name) for name in sent}), set(sent)


class Turned(Strict):
    """One message of a prompt."""

    role: Role
    text: Text


class Taught(Turned):
    """One message of a lesson, with what its tokens weigh in the loss."""

    weight: float = Field(1.0, ge=0, le=100, description="Scale of the loss of this message's tokens.")
    no_loss: bool = Field(False, description="Read this message, do not learn it.")
    rejected: Text | None = Field(None, description="Last message only: the answer that should not have been given (dpo, unlikelihood).")


class LessonBody(Strict):
    """One lesson of several."""

    messages: list[Taught] = Field(min_length=1, max_length=MAX_LIST)


class InferBody(Sourced, InferOptions):
    """POST /infer: what to answer, and how."""

    ways: ClassVar = ("messages", "text", "tokens")
    messages: Annotated[list[Turned], Field(min_length=1, max_length=MAX_LIST)] | None = None
    text: Text | None = None
    tokens: Tokens | None = None
    session: Name | None = Field(None, description="Keep the conversation and its state under this name.")
    as_of: Instant | None = Field(None, description=(
        "Answer with the weights of an earlier moment: a version (17) or a time, as in /lessons. Not with a session."))
    stream: Stream = False


class TrainBody(Sourced, TrainOptions):
    """POST /train: what to learn, and how."""

    ways: ClassVar = ("messages", "lessons", "text", "tokens")
    messages: Annotated[list[Taught], Field(min_length=1, max_length=MAX_LIST)] | None = None
    lessons: Annotated[list[LessonBody], Field(min_length=1, max_length=MAX_LIST)] | None = None
    text: Text | None = None
    tokens: Annotated[list[Tokens], Field(min_length=1, max_length=MAX_LIST, fail_fast=True)] | None = None
    stream: Stream = False
    idempotency_key: Key | None = Field(None, description="A repeated key answers with the first result and trains nothing.")


class LoadDataBody(Sourced, TrainOptions):
    """POST /load_data: a file or a folder of files under the data folder, a file's content, or a run that was broken off."""

    ways: ClassVar = ("path", "content", "resume")
    path: Annotated[str, Field(min_length=1, max_length=1024), AfterValidator(relative_path)] | None = None
    content: Annotated[str, Field(min_length=1, max_length=8 * MAX_TEXT)] | None = None
    name: Name | None = Field(None, description="The name of the dataset that content makes.")
    format: Literal["auto", "org", "jsonl", "text"] = "auto"
    resume: Name | None = Field(None, description="A run that was cancelled or failed: go on with it.")
    train: bool = Field(False, description="Teach its lessons, one after another.")
    passes: int = Field(1, ge=1, le=10_000, description="How often the whole set is gone through.")
    shuffle: bool = Field(False, description="In another order each time.")
    shares: list[Annotated[str, Field(max_length=80)]] | None = Field(None, min_length=1, max_length=1000, description=(
        "name:n for sets of a folder: so many lessons of each in every round, instead of one set after another."))
    write_back: bool = Field(False, description="Write loss, version and date under the headings of an org file.")
    seed: int | None = Field(None, ge=0, lt=2**63, description="Of the order, with shuffle or shares.")
    stream: Stream = False
    idempotency_key: Key | None = Field(None, description="With train: a repeated key trains nothing again.")

    @model_validator(mode="after")
    def named(self) -> LoadDataBody:
        """A content needs a name; a file has one. A set is taught or read, nothing between."""
        for field in ("dry_run", "preview"):
            if getattr(self, field):
                said = "{param} is for one lesson; a whole set is measured by its tag benchmark, or once taught by /lessons/review"
                raise PydanticCustomError("one_source", said, {"param": field})
        if (self.content is None) != (self.name is None):
            raise PydanticCustomError("one_source", "name and content go together, path stands alone", {"param": "name"})
        return self


class RetrainBody(TrainOptions):
    """POST /lessons/<name>/retrain."""

    stream: Stream = False
    idempotency_key: Key | None = None


class ReviewBody(Strict):
    """POST /lessons/review."""

    limit: int = Field(20, ge=1, le=10_000, description="How many of the worst remembered to tell.")
    stream: Stream = False


class RollbackBody(Strict):
    """POST /rollback."""

    version: int = Field(ge=0, lt=2**53, description="The version to go back to; lessons that it does not contain leave the weights.")


class UndoBody(Strict):
    """POST /lessons/<name>/undo, which needs to be told nothing."""


class DiffQuery(Strict):
    """GET /versions/diff."""

    before: int = Field(ge=0, lt=2**53)
    after: int = Field(ge=0, lt=2**53)


class AsOf(Strict):
    """A question about the past: what is known now, or was at a moment."""

    as_of: Moment | None = Field(None, description=(
        "A version of the weights (17), a time (epoch seconds, or 2026-11-24T15:00:00Z), or a transaction (tx:120)."))


class LessonsFilter(AsOf):
    """Which lessons."""

    session: Name | None = Field(None, description="Taught by a correction in this session.")
    role: Role | None = Field(None, description="With a message of this role.")
    text: Annotated[str, Field(min_length=1, max_length=1000)] | None = Field(None, description="With all of these words.")
    state: Literal["taught", "left", "retracted"] | None = Field(None, description=(
        "taught: in the weights; left: on a course that a checkpoint went back from; retracted."))


class LessonsQuery(LessonsFilter):
    """GET /lessons."""

    order: Literal["newest", "worst"] = Field("newest", description="worst: by the loss that was measured last, the highest first.")
    limit: int = Field(50, ge=1, le=10_000)
    before: int | None = Field(None, ge=0, lt=2**63, description="The seq of the last row of the page before.")


class ExportQuery(LessonsFilter):
    """GET /lessons/export."""

    form: Literal["messages", "openai", "sharegpt", "alpaca", "prompt", "text", "org", "plain"] = "messages"


class HistoryQuery(AsOf):
    """GET /sessions/<name>/history."""

    turn: int | None = Field(None, ge=1, lt=2**31, description="Of this turn alone.")


class SparqlQuery(Strict):
    """GET /lessons/query."""

    query: Annotated[str, Field(min_length=1, max_length=50_000)] = Field(description="SPARQL 1.1 (docs/store.md).")
    format: Literal["ntriples", "turtle"] = Field("ntriples", description="Of the answer to CONSTRUCT and DESCRIBE.")


class SaveBody(Strict):
    """POST /save."""

    name: Name = "default"


Version = Annotated[int | None, Field(None, ge=0, lt=2**53, description=(
    "Where several checkpoints have the name: that of this version. Absent: the newest."))]


class LoadBody(Strict):
    """POST /load."""

    name: Name
    version: Version


class DeleteQuery(Strict):
    """DELETE /checkpoints/<name>."""

    version: Version


class ExportBody(Strict):
    """POST /checkpoints/<name>/export."""

    version: Version


class RenameBody(Strict):
    """POST /sessions/<name>/rename."""

    model_config = ConfigDict(validate_by_alias=True)
    as_name: Name = Field(alias="as", description="The new name; nothing else may have it.")


class RenameCheckpointBody(RenameBody):
    """POST /checkpoints/<name>/rename."""

    version: Version


class CancelBody(Strict):
    """POST /cancel."""

    id: Key = Field(description="The id of an answer, from its result or the header X-Ticket-Id.")


class TrainsBody(Trains):
    """POST /trains: what is trained from now on; the fields of the config script's [trains]."""

    what: Literal["all", "parts", "lora", "miss", "state"]
    name: Name | None = Field(None, description="The adapter or state to train; absent: the word of what.")


class AdapterBody(Strict):
    """POST /adapters: the adapter in use made part of the weights, or another one brought in, written out or forgotten."""

    action: Literal["merge", "import", "export", "remove"]
    name: Name | None = Field(None, description="import, export, remove: which; its files are in adapters/NAME under the data folder.")

    @model_validator(mode="after")
    def named_where_it_must_be(self) -> AdapterBody:
        """merge is about the one in use, everything else about one by name."""
        if (self.action == "merge") != (self.name is None):
            said = "name is needed to import, export or remove and is not taken by merge"
            raise PydanticCustomError("one_source", said, {"param": "name"})
        return self


class StateBody(Strict):
    """POST /state: the training memory (train), or where chats begin (infer)."""

    kind: Literal["infer", "train"]
    action: Literal["reset", "save", "load"]
    name: Name | None = Field(None, description="The state to save or to load.")
    session: Name | None = Field(None, description="infer, save: whose state after its last turn; absent: the one answered last.")
    blend: Name | None = Field(None, description="load: mix with this state.")
    share: float = Field(0.5, ge=0, le=1, description="load: share of `blend` in the mix.")
    decay: float = Field(1.0, ge=0, le=1, description="load: scale of the memory; less than 1 lets it fade.")

    @model_validator(mode="after")
    def fields_fit_the_action(self) -> StateBody:
        """A name where there is something to name, and nothing that the action has no use for."""
        if (self.action != "reset") != (self.name is not None):
            said = "name is needed to save or to load and is not taken by reset"
            raise PydanticCustomError("one_source", said, {"param": "name"})
        useful = {"save": {"session"} if self.kind == "infer" else set(), "load": {"blend", "share", "decay"}, "reset": set()}[self.action]
        for field in ("session", "blend", "share", "decay"):
            if field in self.model_fields_set and field not in useful:
                raise PydanticCustomError("one_source", "{param} has no meaning for this kind and action", {"param": field})
        return self


class CorrectBody(TrainOptions):
    """POST /sessions/<name>/correct: what a turn should have been."""

    turn: Turn
    text: Text
    train: bool = Field(True, description="Teach the correction as well.")
    stream: Stream = False
    idempotency_key: Key | None = None


class BranchBody(Strict):
    """POST /sessions/<name>/branch."""

    model_config = ConfigDict(validate_by_alias=True)
    turn: Turn
    as_name: Name = Field(alias="as", description="The name of the new session.")


class RegenerateBody(InferOptions):
    """POST /sessions/<name>/regenerate."""

    turn: Turn
    stream: Stream = False


class EditBody(RegenerateBody):
    """POST /sessions/<name>/edit: what to ask in a turn instead."""

    messages: list[Turned] = Field(min_length=1, max_length=MAX_LIST)
