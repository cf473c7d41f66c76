"""Routes about what was taught: listed, asked in SPARQL, taught again, retracted, measured again."""

from __future__ import annotations

from engine.options import TrainOptions
from server.bodies import AsOf, ExportQuery, HistoryQuery, LessonsQuery, RetrainBody, ReviewBody, SparqlQuery, options
from server.route import Call, Page, Route


def listed(engine, call: Call):
    """Lessons that fit."""
    return {"lessons": engine.lessons_taught(call.body.model_dump(exclude_none=True))}


def exported(engine, call: Call):
    """Lessons as a file."""
    return engine.export(call.body.form, call.body.model_dump(exclude_none=True, exclude={"form"}))


def asked(engine, call: Call):
    """An answer of the lesson store."""
    return Page(*engine.query(call.body.query, {"turtle": "text/turtle"}.get(call.body.format, "")))


def of_lesson(engine, call: Call):
    """What happened to a lesson."""
    asked = {"lesson": call.names["name"], **call.body.model_dump(exclude_none=True)}
    return {"lesson": call.names["name"], "history": engine.history_of(asked)}


def of_session(engine, call: Call):
    """What happened in a session."""
    asked = {"session": call.names["name"], **call.body.model_dump(exclude_none=True)}
    return {"session": call.names["name"], "history": engine.history_of(asked)}


def retrain(engine, call: Call):
    """A lesson taught before, once more."""
    chosen, sent = options(TrainOptions, call.body)
    return engine.retrain(call.names["name"], chosen, call.body.idempotency_key, sent)


def retract(engine, call: Call):
    """A lesson rehearsed no more."""
    return engine.retract(call.names["name"])


ROUTES = (
    Route("GET", "/lessons", listed, "What was taught", query=LessonsQuery,
          answer="lessons: each with lesson, time, seq, version, messages (or text, tokens), session, turn, rejected, corrects, retrains, "
                 "run, dataset, file, line, loss_before, loss_after, loss_now, drift, words, retracted, in_weights, state, "
                 "steps, epochs, mode.",
          leads={"/lessons/0/lesson": "/lessons/<name>"}),
    Route("GET", "/lessons/query", asked, "Ask the lesson store in SPARQL", query=SparqlQuery, media="application/sparql-results+json",
          medias=("application/n-triples", "text/turtle"),
          answer="SPARQL results in JSON; of CONSTRUCT and DESCRIBE, N-Triples or Turtle."),
    Route("GET", "/lessons/export", exported, "Lessons as a file of another program's form", query=ExportQuery,
          answer="form, suffix, lessons, content, losses (lesson, message): what the form cannot carry."),
    Route("GET", "/lessons/<name>", of_lesson, "What happened to a lesson", query=AsOf, answer="lesson, history (tx, time, event, ...)."),
    Route("GET", "/sessions/<name>/history", of_session, "What happened in a session, or to a turn of it", query=HistoryQuery,
          answer="session, history (tx, time, event, ...)."),
    Route("POST", "/lessons/<name>/retrain", retrain, "Teach a lesson again", RetrainBody, waits=True, retry=False,
          answer="The fields of /train.", leads={"/lesson": "/lessons/<name>"}),
    Route("DELETE", "/lessons/<name>", retract, "Rehearse a lesson no more; the fact stays", waits=True, answer="lesson, retracted."),
    Route("POST", "/lessons/review", lambda engine, call: engine.review(call.body.limit), "Measure what is left of every lesson",
          ReviewBody, waits=True, answer="version, reviewed, lessons (lesson, loss_after, loss_now), the worst remembered first."),
)
