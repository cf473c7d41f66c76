"""Every route as a function that makes the request: what is sent, whether it may be sent twice, and what comes back.

A lesson gets a key of its own where the caller gives none, so that it is learned once however often it is sent.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any, Literal, Never, Unpack, cast
from urllib.parse import quote

from ouroboros_client import options, results
from ouroboros_client.exchange import Call

Messages = str | Sequence[options.Message]
"""Messages, or what a user says as a text."""


def infer(messages: Messages | None = None, *, text: str | None = None, tokens: Sequence[int] | None = None, session: str | None = None,
          as_of: str | int | float | None = None, **how: Unpack[options.InferOptions]) -> Call[str, results.Answer]:
    """Answer messages, continue a text or tokens: one of the three. `session` goes on with a conversation, `as_of` asks earlier weights."""
    body = sent(messages=said(messages), text=text, tokens=tokens, session=session, as_of=as_of) | dict(how)
    return Call("POST", "/infer", body | {"stream": True}, again=session is None, event=piece)


def regenerate(session: str, turn: int, **how: Unpack[options.InferOptions]) -> Call[str, results.Answer]:
    """Answer a turn anew. Later turns go when it is there."""
    return Call("POST", f"/sessions/{part(session)}/regenerate", {"turn": turn, **how, "stream": True}, event=piece)


def edit(session: str, turn: int, messages: Messages, **how: Unpack[options.InferOptions]) -> Call[str, results.Answer]:
    """Ask something else in a turn, and answer that. Later turns go when it is there."""
    return Call("POST", f"/sessions/{part(session)}/edit", {"turn": turn, "messages": said(messages), **how, "stream": True}, event=piece)


def train(messages: Sequence[options.Message] | None = None, *, lessons: Sequence[options.LessonIn] | None = None, text: str | None = None,
          tokens: Sequence[Sequence[int]] | None = None, idempotency_key: str | None = None,
          **how: Unpack[options.TrainOptions]) -> Call[results.Progress, results.Lesson]:
    """Learn from messages, from several lessons, a text, or tokens: one of the four."""
    body = sent(messages=messages, lessons=lessons, text=text, tokens=tokens) | dict(how)
    return lesson_call("/train", body, idempotency_key)


def correct(session: str, turn: int, text: str, *, train: bool = True, idempotency_key: str | None = None,
            **how: Unpack[options.TrainOptions]) -> Call[results.Progress, results.Correction]:
    """Replace the answer of a turn by `text`, and teach that."""
    return lesson_call(f"/sessions/{part(session)}/correct", {"turn": turn, "text": text, "train": train, **how}, idempotency_key)


def retrain(lesson: str, *, idempotency_key: str | None = None,
            **how: Unpack[options.TrainOptions]) -> Call[results.Progress, results.Lesson]:
    """Teach a lesson again."""
    return lesson_call(f"/lessons/{part(lesson)}/retrain", dict(how), idempotency_key)


def load_data(path: str | None = None, *, content: str | None = None, name: str | None = None, resume: str | None = None,
              idempotency_key: str | None = None, **how: Unpack[options.SetOptions]) -> Call[results.Progress, results.LoadedSet]:
    """Read a file of lessons: `path` under the server's data folder, or `content` with a `name`; teach it with train=True. Or resume a run.

    A run goes on when nobody reads its stream; cancel it by its id or that of the stream. `resume` takes a cancelled one up again.
    """
    return lesson_call("/load_data", sent(path=path, content=content, name=name, resume=resume) | dict(how), idempotency_key)


def cancel(id: str) -> Call[Never, results.Cancelled]:
    """End a running request: an answer keeps what was written, a lesson changes nothing, a run keeps the lessons that are learned."""
    return Call("POST", "/cancel", {"id": id})


def health() -> Call[Never, results.Health]:
    """Is it up, and what is it doing."""
    return Call("GET", "/health")


def defaults() -> Call[Never, results.Defaults]:
    """How it is answered and taught where a request does not say."""
    return Call("GET", "/defaults")


def weights() -> Call[Never, results.Weights]:
    """Which weights answer now."""
    return Call("GET", "/weights")


def datasets() -> Call[Never, results.Datasets]:
    """The sets that were read, and the runs over them."""
    return Call("GET", "/load_data")


def sessions() -> Call[Never, results.Sessions]:
    """The sessions there are."""
    return Call("GET", "/sessions")


def session(name: str) -> Call[Never, results.Session]:
    """A session with its messages."""
    return Call("GET", f"/sessions/{part(name)}")


def session_history(name: str, *, turn: int | None = None, as_of: str | int | float | None = None) -> Call[Never, results.History]:
    """What happened in a session, or to a turn of it."""
    return Call("GET", f"/sessions/{part(name)}/history", query={"turn": turn, "as_of": as_of})


def delete_session(name: str) -> Call[Never, results.Deleted]:
    """Forget a session."""
    return Call("DELETE", f"/sessions/{part(name)}", again=False)


def rename_session(name: str, as_name: str) -> Call[Never, results.SessionRenamed]:
    """Call a session otherwise."""
    return Call("POST", f"/sessions/{part(name)}/rename", {"as": as_name}, again=False)


def branch(session: str, turn: int, as_name: str) -> Call[Never, results.Branched]:
    """A new session from a turn of this one."""
    return Call("POST", f"/sessions/{part(session)}/branch", {"turn": turn, "as": as_name}, again=False)


def lessons(*, order: Literal["newest", "worst"] = "newest", limit: int = 50, before: int | None = None,
            **which: Unpack[options.LessonsFilter]) -> Call[Never, results.Lessons]:
    """What was taught. `before`: the seq of the last row of the page before."""
    return Call("GET", "/lessons", query={"order": order, "limit": limit, "before": before, **which})


def lesson(name: str, *, as_of: str | int | float | None = None) -> Call[Never, results.History]:
    """What happened to a lesson."""
    return Call("GET", f"/lessons/{part(name)}", query={"as_of": as_of})


def retract(lesson: str) -> Call[Never, results.Retracted]:
    """Rehearse a lesson no more; the fact stays, and so do the weights."""
    return Call("DELETE", f"/lessons/{part(lesson)}", again=False)


def undo(lesson: str) -> Call[Never, results.Undone]:
    """Take a lesson out of the weights; those after it are learned again without it."""
    return Call("POST", f"/lessons/{part(lesson)}/undo", {}, again=False)


def review(limit: int = 20) -> Call[Never, results.Review]:
    """Measure what is left of every lesson; tells so many of the worst remembered."""
    return Call("POST", "/lessons/review", {"limit": limit})


def export(form: Literal["messages", "openai", "sharegpt", "alpaca", "prompt", "text", "org", "plain"] = "messages",
           **which: Unpack[options.LessonsFilter]) -> Call[Never, results.Exported]:
    """Lessons as a file of another program's form."""
    return Call("GET", "/lessons/export", query={"form": form, **which})


def query(sparql: str) -> Call[Never, dict[str, Any]]:
    """Ask the lesson store a SELECT or an ASK of SPARQL; SPARQL results in JSON."""
    return Call("GET", "/lessons/query", query={"query": sparql})


def construct(sparql: str, *, format: Literal["ntriples", "turtle"] = "turtle") -> Call[Never, str]:
    """Ask the lesson store a CONSTRUCT or a DESCRIBE of SPARQL; a text of triples."""
    return Call("GET", "/lessons/query", query={"query": sparql, "format": format})


def versions() -> Call[Never, results.Versions]:
    """Every version that there was, the newest first."""
    return Call("GET", "/versions")


def diff(before: int, after: int) -> Call[Never, results.Diff]:
    """What two versions differ in."""
    return Call("GET", "/versions/diff", query={"before": before, "after": after})


def rollback(version: int) -> Call[Never, results.RolledBack]:
    """Go back to a version; lessons that it does not contain leave the weights."""
    return Call("POST", "/rollback", {"version": version})


def save(name: str = "default") -> Call[Never, results.Checkpoint]:
    """Save a checkpoint."""
    return Call("POST", "/save", {"name": name})


def checkpoints() -> Call[Never, results.Checkpoints]:
    """The checkpoints, newest first."""
    return Call("GET", "/save")


def load(name: str, *, version: int | None = None) -> Call[Never, results.Loaded]:
    """Load a checkpoint. `version` picks one of several of that name, here and below; without it, it is the newest."""
    return Call("POST", "/load", sent(name=name, version=version))


def rename_checkpoint(name: str, as_name: str, *, version: int | None = None) -> Call[Never, results.CheckpointRenamed]:
    """Call a checkpoint otherwise."""
    return Call("POST", f"/checkpoints/{part(name)}/rename", sent(version=version) | {"as": as_name}, again=False)


def delete_checkpoint(name: str, *, version: int | None = None) -> Call[Never, results.CheckpointDeleted]:
    """Delete a checkpoint that the present weights do not stand on."""
    return Call("DELETE", f"/checkpoints/{part(name)}", query={"version": version}, again=False)


def export_checkpoint(name: str, *, version: int | None = None) -> Call[Never, results.CheckpointExported]:
    """Write a checkpoint's weights as one safetensors file under the server's data folder."""
    return Call("POST", f"/checkpoints/{part(name)}/export", sent(version=version))


def state(kind: Literal["infer", "train"], action: Literal["reset", "save", "load"], name: str | None = None,
          **how: Unpack[options.StateOptions]) -> Call[Never, dict[str, Any]]:
    """Save, load or reset a state: the training memory (train), or where chats begin (infer)."""
    return Call("POST", "/state", sent(kind=kind, action=action, name=name) | dict(how))


def states() -> Call[Never, results.States]:
    """The states kept, and which are in use."""
    return Call("GET", "/state")


def trains() -> Call[Never, results.Trains]:
    """What is trained, and the adapters kept."""
    return Call("GET", "/trains")


def train_this(what: Literal["all", "parts", "lora", "miss", "state"], **how: Unpack[options.TrainsOptions]) -> Call[Never, results.Trains]:
    """Train something else from now on."""
    return Call("POST", "/trains", {"what": what, **how})


def adapter(action: Literal["merge", "import", "export", "remove"], name: str | None = None) -> Call[Never, dict[str, Any]]:
    """Merge the adapter in use, or import, export or remove one by name."""
    return Call("POST", "/adapters", sent(action=action, name=name), again=False)


def events() -> Call[results.Event, None]:
    """Every step, lesson, save and rollback as it happens, until the server stops."""
    return Call("GET", "/events", endless=True, event=lambda event: cast(results.Event, event))


def metrics() -> Call[Never, str]:
    """Metrics for Prometheus."""
    return Call("GET", "/metrics")


def openapi() -> Call[Never, dict[str, Any]]:
    """The description of every route."""
    return Call("GET", "/openapi.json")


def tokenize(prompt: str, *, add_special_tokens: bool = False) -> Call[Never, results.Tokens]:
    """The tokens of a text."""
    return Call("POST", "/tokenize", {"prompt": prompt, "add_special_tokens": add_special_tokens})


def detokenize(tokens: Sequence[int]) -> Call[Never, results.Detokenized]:
    """The text of tokens."""
    return Call("POST", "/detokenize", {"tokens": list(tokens)})


def tokenizer_info() -> Call[Never, dict[str, Any]]:
    """What there is to know of the vocabulary."""
    return Call("GET", "/tokenizer_info")


def lesson_call(path: str, body: dict[str, Any], key: str | None) -> Call[results.Progress, Any]:
    """A request that teaches: with its key it may be sent again."""
    return Call("POST", path, body | {"stream": True}, key=key or f"client-{uuid.uuid4().hex}", event=progress)


def piece(event: dict[str, Any]) -> str | None:
    """A piece of an answer, None for the whole of it."""
    return None if "id" in event else cast(str, event["text"])


def progress(event: dict[str, Any]) -> results.Progress | None:
    """A step of a lesson, None for what came of it."""
    return cast(results.Progress, event) if "eta_s" in event else None


def said(messages: Messages | None) -> Sequence[options.Message] | None:
    """Messages, also of a text."""
    return [{"role": "user", "text": messages}] if isinstance(messages, str) else messages


def sent(**fields: Any) -> dict[str, Any]:
    """The fields that are given."""
    return {name: value for name, value in fields.items() if value is not None}


def part(name: str) -> str:
    """A name as a part of a path."""
    return quote(name, safe="")
