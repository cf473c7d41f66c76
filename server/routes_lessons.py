"""Routes about what was taught: listed, asked in SPARQL, taught again, retracted, measured again."""

from __future__ import annotations

from engine.options import TrainOptions
from server.bodies import RetrainBody, ReviewBody, options
from server.route import Call, Route


def retrain(engine, call: Call):
    """A lesson taught before, once more."""
    chosen, sent = options(TrainOptions, call.body)
    return engine.retrain(call.names["name"], chosen, call.body.idempotency_key, sent)


def retract(engine, call: Call):
    """A lesson rehearsed no more."""
    return engine.retract(call.names["name"])


ROUTES = (
    Route("POST", "/lessons/<name>/retrain", retrain, "Teach a lesson again", RetrainBody, waits=True, retry=False),
    Route("DELETE", "/lessons/<name>", retract, "Rehearse a lesson no more; the fact stays", waits=True),
    Route("POST", "/lessons/review", lambda engine, call: engine.review(call.body.limit), "Measure what is left of every lesson",
          ReviewBody, waits=True),
)
