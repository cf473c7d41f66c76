"""Routes about versions: listed, compared, gone back to, made again without one of their lessons."""

from __future__ import annotations

from server.bodies import DiffQuery, RollbackBody, UndoBody
from server.route import Call, Route


def undo(engine, call: Call):
    """A lesson taken out of the weights."""
    return engine.undo(call.names["name"])


ROUTES = (
    Route("POST", "/rollback", lambda engine, call: engine.rollback(call.body.version), "Go back to a version", RollbackBody, waits=True,
          answer="version, left (lessons that are in the weights no more), seconds."),
    Route("GET", "/versions", lambda engine, call: {"versions": engine.version_list()}, "Every version that there was, the newest first",
          answer="versions: version, present, in_weights, time, made_by (base, lesson, rehearsal or undo), lesson, loss_before, "
                 "loss_after, drift (null where it was not measured), digest."),
    Route("GET", "/versions/diff", lambda engine, call: engine.diff(call.body.before, call.body.after), "What two versions differ in",
          query=DiffQuery, waits=True,
          answer="from, to, lessons (only_from, only_to), probe_loss (of both), layers (layer, norm of the change, relative), seconds."),
    Route("POST", "/lessons/<name>/undo", undo, "Take a lesson out of the weights; those after it are learned again without it", UndoBody,
          waits=True,
          answer="lesson, version, relearned (how many), seconds."),
)
