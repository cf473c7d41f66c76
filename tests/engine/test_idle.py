"""What is rehearsed when nobody waits: versions of their own, learned again to the bit; nothing that anybody waits for."""

import time
from pathlib import Path

import pytest

from config_scripts.schema import load_config
from engine.engine import Engine
from engine.options import TrainOptions
from tests.engine.by_adam import ADAM

FACTS = [("What is my cat called?", "Your cat is called Wanda."), ("Where is my hat?", "Your hat is in the car.")]
HALF = {"epochs": 2}  # a lesson that is not fully learned yet: rehearsing it helps


def started(folder, **idle):
    idle = {**ADAM, "idle.steps": 2, "idle.after_s": 0.1, "idle.epochs": 1, "idle.lr": 1e-4, "train.kl": 0.0, **idle}
    engine = Engine(load_config(overrides=idle), Path(folder))
    engine.start()
    return engine


def teach(engine, fact, **options):
    source = {"messages": [{"role": "user", "text": fact[0]}, {"role": "assistant", "text": fact[1]}]}
    return engine.train(source, TrainOptions(**options), None, set(options)).result(120)


def rehearsals(engine):
    return [record for record in engine.journal.records if record["kind"] == "rehearsal"]


def waited(engine, wanted, seconds=60.0):
    """Whether it came within a minute."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if engine.owner.run(wanted):
            return True
    return False


@pytest.fixture(scope="module")
def rested(tmp_path_factory):
    """An engine that rehearsed after two lessons, closed, and what its journal then said."""
    folder = tmp_path_factory.mktemp("data")
    engine = started(folder)
    lessons = [teach(engine, fact, **HALF) for fact in FACTS]
    assert waited(engine, lambda: engine.idle._left == 0 and not engine.lessons)
    said = {"records": list(engine.journal.records), "digest": engine.weights()["digest"], "version": engine.versions.number}
    engine.close(1)
    return folder, lessons, said


def test_earlier_lessons_are_rehearsed_and_known_better(rested):
    _, lessons, said = rested
    made = [record for record in said["records"] if record["kind"] == "rehearsal"]
    assert made and all(record["loss_after"] < record["loss_before"] for record in made)
    assert made[-1]["lessons"] == sorted(lesson["lesson"] for lesson in lessons)
    versions = [record["version"] for record in said["records"] if "version" in record and record["kind"] in ("lesson", "rehearsal")]
    assert versions == list(range(1, len(versions) + 1)) and said["version"] == versions[-1]


def test_a_start_learns_them_again_to_the_bit_and_one_may_go_back_and_undo(rested):
    folder, lessons, said = rested
    engine = started(folder, **{"idle.steps": 0})
    assert engine.weights()["digest"] == said["digest"] and engine.versions.number == said["version"]
    row = next(row for row in engine.version_acts.list() if row["version"] == said["version"])
    assert row["made_by"] == "rehearsal" and row["digest"] == said["digest"]
    engine.rollback(said["version"] - 1).result(120)
    engine.rollback(said["version"]).result(120)
    assert engine.weights()["digest"] == said["digest"]
    undone = engine.undo(lessons[0]["lesson"]).result(120)
    assert undone["relearned"] == len(said["records"]) - 1 - 1  # all but the base and itself
    teach(engine, FACTS[0], **HALF)
    assert engine.idle._clock is None, "off by one key"
    engine.close(1)


@pytest.fixture(scope="module")
def quiet(tmp_path_factory):
    """An engine whose quiet never comes by itself."""
    engine = started(tmp_path_factory.mktemp("quiet"), **{"idle.after_s": 3600.0})
    teach(engine, FACTS[0], **HALF)
    yield engine
    engine.close(1)


def test_who_comes_does_not_wait_and_what_was_begun_leaves_no_bit(quiet, monkeypatch):
    digest, busy = quiet.weights()["digest"], [False]
    monkeypatch.setattr(quiet.idle, "_busy", lambda: busy[0])

    def interrupted():
        steps = quiet.idle._rehearse()
        next(steps)
        busy[0] = True
        list(steps)

    quiet.owner.run(interrupted)
    assert quiet.weights()["digest"] == digest and not rehearsals(quiet) and quiet.idle._left == 2


def test_what_cannot_be_written_down_leaves_no_bit(quiet, monkeypatch):
    digest = quiet.weights()["digest"]
    with monkeypatch.context() as patched:
        patched.setattr(quiet.journal, "append", refuse)
        quiet.owner.run(lambda: list(quiet.idle._rehearse()))
    assert quiet.weights()["digest"] == digest and not rehearsals(quiet)


def refuse(record):
    raise OSError("no space")


def test_a_retracted_lesson_is_never_rehearsed(quiet):
    quiet.retract(quiet.journal.records[1]["id"]).result(60)
    other = teach(quiet, FACTS[1], **HALF)["lesson"]
    quiet.owner.run(lambda: list(quiet.idle._rehearse()))
    (record,) = rehearsals(quiet)
    assert record["lessons"] == [other]
