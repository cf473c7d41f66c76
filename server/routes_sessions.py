"""Routes about sessions: conversations that keep their state, can be corrected, branched and asked again."""

from __future__ import annotations

from engine.options import InferOptions, TrainOptions
from server.bodies import BranchBody, CorrectBody, EditBody, RegenerateBody, RenameBody, options
from server.route import Call, Route


def correct(engine, call: Call):
    """Replace an answer by what it should have been, and teach it."""
    body: CorrectBody = call.body
    chosen, sent = options(TrainOptions, body)
    return engine.correct(call.names["name"], body.turn, body.text, body.train, chosen, body.idempotency_key, sent)


def branch(engine, call: Call):
    """A new session from a turn of another."""
    return engine.branch(call.names["name"], call.body.turn, call.body.as_name)


def rename(engine, call: Call):
    """A session under another name."""
    return engine.rename_session(call.names["name"], call.body.as_name)


def regenerate(engine, call: Call):
    """Answer a turn anew."""
    return engine.regenerate(call.names["name"], call.body.turn, *options(InferOptions, call.body))


def edit(engine, call: Call):
    """Ask something else in a turn."""
    body: EditBody = call.body
    messages = [message.model_dump() for message in body.messages]
    return engine.edit(call.names["name"], body.turn, messages, *options(InferOptions, body))


def one(engine, call: Call):
    """A session with its messages."""
    return engine.session(call.names["name"])


def delete(engine, call: Call):
    """Forget a session."""
    return engine.delete_session(call.names["name"])


ROUTES = (
    Route("GET", "/sessions", lambda engine, call: {"sessions": engine.sessions()}, "List sessions",
          answer="sessions: session, turns, versions ([first, last] of each turn).", leads={"/sessions/0/session": "/sessions/<name>"}),
    Route("GET", "/sessions/<name>", one, "A session with its messages",
          answer="session, turns (turn, messages, answer, versions, finish_reason), messages."),
    Route("DELETE", "/sessions/<name>", delete, "Forget a session",
          answer="session, deleted."),
    Route("POST", "/sessions/<name>/correct", correct, "Replace an answer, and teach it", CorrectBody, waits=True, retry=False,
          answer="session, turn, corrected, and with train the fields of /train."),
    Route("POST", "/sessions/<name>/branch", branch, "A new session from a turn of this one", BranchBody, waits=True,
          answer="session, turns, from.", leads={"/session": "/sessions/<name>/regenerate"}),
    Route("POST", "/sessions/<name>/rename", rename, "Call a session otherwise", RenameBody, waits=True,
          answer="session, from.", leads={"/session": "/sessions/<name>"}),
    Route("POST", "/sessions/<name>/regenerate", regenerate, "Answer a turn anew", RegenerateBody, waits=True,
          answer="The fields of /infer. Later turns go when it is there."),
    Route("POST", "/sessions/<name>/edit", edit, "Ask something else in a turn, and answer that", EditBody, waits=True,
          answer="The fields of /infer. Later turns go when it is there."),
)
