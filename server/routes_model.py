"""Routes about the model: how it is, what it answers, what it learns."""

from __future__ import annotations

from engine.options import InferOptions, TrainOptions
from server.bodies import CancelBody, InferBody, TrainBody, options
from server.route import Call, Route


def infer(engine, call: Call):
    """An answer of the model."""
    body: InferBody = call.body
    return engine.infer(body.source(), *split(InferOptions, body, body.session))


def train(engine, call: Call):
    """A lesson, or several."""
    body: TrainBody = call.body
    return engine.train(body.source(), *split(TrainOptions, body, body.idempotency_key))


def split(kind, body, middle):
    """The engine's arguments after the source: options, the one between, the names that were sent."""
    chosen, sent = options(kind, body)
    return chosen, middle, sent


ROUTES = (
    Route("GET", "/health", lambda engine, call: engine.health(), "Is it up, and what is it doing", everyone=True),
    Route("GET", "/weights", lambda engine, call: engine.weights(), "Which weights answer now"),
    Route("POST", "/infer", infer, "Answer messages, continue a text or tokens", InferBody, waits=True),
    Route("POST", "/train", train, "Learn a lesson, or several", TrainBody, waits=True, retry=False),
    Route("POST", "/cancel", lambda engine, call: engine.cancel(call.body.id), "End a running request", CancelBody),
)
