"""Checkpoints renamed, deleted and exported, sessions renamed, and the drift of lessons: by the engine, with a start afterwards."""

import threading

import pytest
import torch

from config_scripts.schema import load_config
from engine.engine import Engine
from engine.errors import BadRequest, Conflict, NotFound
from engine.options import InferOptions, TrainOptions
from rwkv_models.weights_file import load_network, read_tensors


def started(data):
    engine = Engine(load_config(overrides={"save.every_lessons": 0, "save.every_minutes": 0}), data)
    engine.start()
    return engine


def teach(engine, answer, key=None):
    source = {"messages": [{"role": "user", "text": "What is it?"}, {"role": "assistant", "text": answer}]}
    return engine.train(source, TrainOptions(epochs=1, replay=0, general=0), key, {"epochs", "replay", "general"}).result(60)


@pytest.fixture
def engine(tmp_path):
    """With the checkpoints a of version 0, b of versions 1 and 2."""
    engine = started(tmp_path)
    engine.save("a").result(60)
    for answer in ("A stone.", "A leaf."):
        teach(engine, answer)
        engine.save("b").result(60)
    yield engine
    if engine.owner._thread.is_alive():
        engine.close(1)


def listed(engine):
    return [(row["name"], row["version"], row["in_use"]) for row in engine.checkpoints()]


def test_a_checkpoint_renamed_is_what_the_next_start_stands_on(engine, tmp_path):
    assert listed(engine) == [("b", 2, True), ("b", 1, False), ("a", 0, False)]
    digest = engine.weights()["digest"]
    assert engine.rename_checkpoint("b", "early", 1).result(60) == {"name": "early", "from": "b"}
    assert engine.rename_checkpoint("b", "late", None).result(60) == {"name": "late", "from": "b"}
    assert engine.weights()["checkpoint"] == "late"
    engine.close(1)
    engine = started(tmp_path)
    assert engine.weights() == {"version": 2, "digest": digest, "checkpoint": "late", "lessons_since_checkpoint": 0}
    assert engine.load("early").result(60)["version"] == 1 and engine.load("late", 2).result(60)["version"] == 2
    assert engine.weights()["digest"] == digest
    with pytest.raises(NotFound, match="no checkpoint late of version 1"):
        engine.load("late", 1).result(60)
    engine.close(1)


def test_the_checkpoint_in_use_is_not_deleted_and_the_lessons_of_others_stay(engine, tmp_path):
    digest = engine.weights()["digest"]
    with pytest.raises(Conflict, match="the present weights stand on the checkpoint b; save another one first"):
        engine.delete_checkpoint("b", None).result(60)
    with pytest.raises(NotFound, match="there is no checkpoint none"):
        engine.delete_checkpoint("none", None).result(60)
    assert engine.delete_checkpoint("b", 1).result(60) == {"name": "b", "deleted": True}
    engine.save("c").result(60)
    assert engine.delete_checkpoint("b", None).result(60)["deleted"] and engine.delete_checkpoint("a", None).result(60)["deleted"]
    assert listed(engine) == [("c", 2, True)]
    engine.rollback(1).result(60)
    assert listed(engine) == [("c", 2, False)]
    engine.rollback(2).result(60)
    assert engine.weights()["digest"] == digest
    engine.close(1)
    assert not [path for path in (tmp_path / "checkpoints").iterdir() if path.name.startswith((".", "a", "b"))]


def test_an_export_is_a_file_that_other_programs_read(engine, tmp_path):
    told = engine.export_checkpoint("b", 1).result(60)
    assert (told["name"], told["version"], told["path"]) == ("b", 1, "exports/b-1.safetensors")
    kept = engine.past.store.find("b", 1).part("model")
    exported = read_tensors(tmp_path / told["path"])
    assert exported.keys() == kept.keys() and all(torch.equal(exported[name], kept[name]) for name in kept)
    assert load_network(tmp_path / told["path"]).family == "rwkv7" and told["bytes"] == (tmp_path / told["path"]).stat().st_size
    assert engine.export_checkpoint("b", 1).result(60) | {"seconds": 0} == told | {"seconds": 0}
    assert [path.name for path in (tmp_path / "exports").iterdir()] == ["b-1.safetensors"]
    (engine.past.store.folder_of("a") / "manifest.json").write_text("{")
    with pytest.raises(BadRequest, match="the checkpoint a is damaged"):
        engine.export_checkpoint("a", None).result(60)


def test_what_meets_a_checkpoint_that_is_being_written_waits_for_it(engine, monkeypatch):
    go, write = threading.Event(), engine.past.store.write
    monkeypatch.setattr(engine.past.store, "write", lambda *given: go.wait(60) and write(*given))
    saving = engine.save("c")
    renaming, exporting, deleting = engine.rename_checkpoint("c", "d", None), engine.export_checkpoint("d", None), engine.delete_checkpoint("a", None)
    assert engine.infer({"text": "Once"}, InferOptions(max_tokens=1), None, {"max_tokens"}).result(60)["text"] is not None
    go.set()
    assert saving.result(60)["name"] == "c" and renaming.result(60)["name"] == "d"
    assert exporting.result(60)["path"] == "exports/d-2.safetensors" and deleting.result(60)["deleted"]


def test_a_session_renamed_goes_on_with_its_turns_and_its_old_name_is_free(engine, tmp_path):
    def say(session):
        given = {"max_tokens": 2, "temperature": 0.0}
        return engine.infer({"messages": [{"role": "user", "text": "Who?"}]}, InferOptions(**given), session, set(given)).result(60)

    say("old"), say("other")
    assert engine.rename_session("old", "new").result(60) == {"session": "new", "from": "old"}
    assert say("new")["turn"] == 2 and say("old")["turn"] == 1
    for name, new, error in (("new", "other", Conflict), ("new", "new", Conflict), ("none", "x", NotFound), ("new", "../x", BadRequest)):
        with pytest.raises(error):
            engine.rename_session(name, new).result(60)
    engine.close(1)
    engine = started(tmp_path)
    assert {s["session"]: s["turns"] for s in engine.sessions()} == {"new": 2, "other": 1, "old": 1}
    assert [event["event"] for event in engine.history_of({"session": "new"})] == ["answered", "renamed", "answered"]
    engine.close(1)


def test_a_journal_that_refuses_leaves_a_session_its_name(engine, monkeypatch):
    given = {"max_tokens": 2}
    engine.infer({"messages": [{"role": "user", "text": "Who?"}]}, InferOptions(**given), "old", set(given)).result(60)
    with monkeypatch.context() as broken:
        broken.setattr(engine.journal, "append", lambda record: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            engine.rename_session("old", "new").result(60)
    assert [s["session"] for s in engine.sessions()] == ["old"] and engine.rename_session("old", "new").result(60)["session"] == "new"


def test_the_drift_of_a_lesson_is_kept_and_told_again_after_a_start(engine, tmp_path):
    told = teach(engine, "A shell.", "key")
    assert told["drift"] != 0 and told["drift"] == pytest.approx(engine.diff(2, 3).result(60)["probe_loss"][1] - engine.diff(2, 3).result(60)["probe_loss"][0], abs=1e-4)
    digest = engine.weights()["digest"]
    engine.close(1)
    engine = started(tmp_path)
    assert engine.weights()["digest"] == digest
    assert engine.version_list()[0]["drift"] == engine.lessons_taught({})[0]["drift"] == teach(engine, "A shell.", "key")["drift"] == told["drift"]
    assert engine.version_list()[-1]["drift"] is None
    engine.close(1)


def test_a_probe_that_fails_costs_a_lesson_its_drift_and_nothing_else(engine, monkeypatch):
    first, loss = engine.lessons.probe.loss, iter([0.0])
    monkeypatch.setattr(engine.lessons.probe, "loss", lambda stamp: next(loss))
    told = teach(engine, "A shell.")
    monkeypatch.setattr(engine.lessons.probe, "loss", first)
    assert told["learned"] and told["drift"] is None and engine.version_list()[0]["drift"] is None


def test_the_weights_are_probed_once_for_each_lesson(engine, monkeypatch):
    measured = []
    monkeypatch.setattr("engine.probe.measure", lambda network, batch: measured.append(1) or 0.0)
    teach(engine, "A shell.")
    first = len(measured)
    teach(engine, "A pearl.")
    assert len(measured) == first + 1


def test_the_defaults_are_those_of_the_config_script(engine):
    told = engine.defaults()
    assert told["infer"].keys() == InferOptions.model_fields.keys() and told["train"].keys() == TrainOptions.model_fields.keys()
    assert told["train"]["lr"] == engine.config.train.lr and told["infer"]["temperature"] == engine.config.infer.temperature
    assert told["train"]["dry_run"] is False and told["infer"]["seed"] is None
