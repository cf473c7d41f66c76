"""Routes about the model: how it is, what it answers, what it learns."""

from __future__ import annotations

from engine.options import InferOptions, TrainOptions
from server.bodies import CancelBody, InferBody, TrainBody, options
from server.route import Call, Route


def infer(engine, call: Call):
    """An answer of the model."""
    body: InferBody = call.body
    return engine.infer(body.source(), *split(InferOptions, body, body.session), None if body.as_of is None else str(body.as_of))


def train(engine, call: Call):
    """A lesson, or several."""
    body: TrainBody = call.body
    return engine.train(body.source(), *split(TrainOptions, body, body.idempotency_key))


def split(kind, body, middle):
    """The engine's arguments after the source: options, the one between, the names that were sent."""
    chosen, sent = options(kind, body)
    return chosen, middle, sent


ROUTES = (
    Route("GET", "/health", lambda engine, call: engine.health(), "Is it up, and what is it doing", everyone=True,
          answer="status, model, family, parameters, mode, version, training, queue."),
    Route("GET", "/weights", lambda engine, call: engine.weights(), "Which weights answer now",
          answer="version, digest (sha256 over all parameters in name order; on a GPU over 128-bit sums of each), checkpoint, "
                 "lessons_since_checkpoint."),
    Route("GET", "/defaults", lambda engine, call: engine.defaults(), "How it is answered and taught where a request does not say",
          answer="infer, train: the options of /infer and of /train, each with the value that it has when it is not sent."),
    Route("POST", "/infer", infer, "Answer messages, continue a text or tokens", InferBody, waits=True,
          answer="id, text, message, finish_reason (stop, length or cancelled), usage, versions (of the first and the last "
                 "token), session, turn, seed, and logprobs if asked for. With stream: events {text} …, then all of this, "
                 "then [DONE].",
          leads={"/session": "/sessions/<name>"}),
    Route("POST", "/train", train, "Learn a lesson, or several", TrainBody, waits=True, retry=False,
          answer="lesson, version, loss_before, loss_after, epochs, steps, tokens, seconds, drift, learned, reason, checks "
                 "(kept [asked, known], forgotten, neighbours (question, before, after), put_back). "
                 "With stream: events {step, steps, epoch, loss, lr, tokens_per_s, eta_s} …, then all of this, then [DONE].",
          leads={"/lesson": "/lessons/<name>"}),
    Route("POST", "/cancel", lambda engine, call: engine.cancel(call.body.id), "End a running request", CancelBody,
          answer="id, cancelled."),
)
