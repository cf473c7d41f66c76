"""Routes about what is kept: datasets, checkpoints, states, adapters, and which of them is trained."""

from __future__ import annotations

from engine.options import TrainOptions
from server.bodies import (
    AdapterBody,
    DeleteQuery,
    ExportBody,
    LoadBody,
    LoadDataBody,
    RenameCheckpointBody,
    SaveBody,
    StateBody,
    TrainsBody,
    options,
)
from server.route import Call, Route


def load_data(engine, call: Call):
    """A file of lessons."""
    chosen, sent = options(TrainOptions, call.body)
    return engine.load_data(call.body.model_dump(exclude={"stream", *TrainOptions.model_fields}, exclude_none=True), chosen, sent)


def train_this(engine, call: Call):
    """What is trained from now on."""
    return engine.train_this(call.body.model_dump(exclude_none=True))


def adapter(engine, call: Call):
    """An adapter merged, brought in, written out or forgotten."""
    return engine.adapter(call.body.action, call.body.name)


def state(engine, call: Call):
    """A state saved, loaded or reset."""
    return engine.state(call.body.model_dump(exclude_unset=True))


def rename(engine, call: Call):
    """A checkpoint under another name."""
    return engine.rename_checkpoint(call.names["name"], call.body.as_name, call.body.version)


def delete(engine, call: Call):
    """A checkpoint removed."""
    return engine.delete_checkpoint(call.names["name"], call.body.version)


def export(engine, call: Call):
    """A checkpoint as a file."""
    return engine.export_checkpoint(call.names["name"], call.body.version)


ROUTES = (
    Route("POST", "/load_data", load_data, "Read a file of lessons, and teach it", LoadDataBody, waits=True, retry=False,
          answer="dataset, format, lessons, tokens, problems (line, message), duplicates (line, kind, of, similarity); with train also "
                 "run, learned_lessons, refused (line, reason), benchmark, write_back and the fields of /train, losses as means."),
    Route("GET", "/load_data", lambda engine, call: engine.datasets(), "List datasets, and the runs over them",
          answer="datasets (dataset, format, lessons, problems), runs (run, dataset, state, lessons, done, learned, time)."),
    Route("POST", "/save", lambda engine, call: engine.save(call.body.name), "Save a checkpoint", SaveBody, waits=True,
          answer="name, version, bytes, sha256, seconds."),
    Route("GET", "/save", lambda engine, call: {"checkpoints": engine.checkpoints()}, "List checkpoints, newest first",
          answer="checkpoints: name, version, bytes, sha256, time, in_use (the present weights stand on it).",
          leads={"/checkpoints/0/name": "/checkpoints/<name>"}),
    Route("POST", "/trains", train_this, "Train something else from now on", TrainsBody, waits=True,
          answer="trains, adapters."),
    Route("GET", "/trains", lambda engine, call: engine.trains(), "What is trained, and the adapters kept",
          answer="trains, adapters."),
    Route("POST", "/adapters", adapter, "Merge, import, export or remove an adapter", AdapterBody, waits=True,
          answer="trains and adapters; for export, name and path."),
    Route("POST", "/state", state, "Save, load or reset a state", StateBody, waits=True,
          answer="What was done, and the state that is in use now."),
    Route("GET", "/state", lambda engine, call: engine.states_kept(), "List states, and which are in use",
          answer="states, train, infer."),
    Route("POST", "/load", lambda engine, call: engine.load(call.body.name, call.body.version), "Load a checkpoint", LoadBody, waits=True,
          answer="name, version."),
    Route("DELETE", "/checkpoints/<name>", delete, "Delete a checkpoint that the present weights do not stand on", query=DeleteQuery,
          waits=True, answer="name, deleted."),
    Route("POST", "/checkpoints/<name>/rename", rename, "Call a checkpoint otherwise", RenameCheckpointBody, waits=True,
          answer="name, from.", leads={"/name": "/checkpoints/<name>"}),
    Route("POST", "/checkpoints/<name>/export", export, "Write a checkpoint's weights as one safetensors file", ExportBody, waits=True,
          answer="name, version, path (of the file, under the data folder), bytes, sha256, seconds."),
)
