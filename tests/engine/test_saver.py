"""Checkpoints that are made by themselves: when they are due, what they are called, and those of another course beside them."""

import threading

import pytest

from config_scripts.schema import load_config
from engine.engine import Engine
from engine.errors import BadRequest, Busy
from engine.options import TrainOptions
from tests.crash import small
from tests.engine.test_hard_times import until


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("small")
    small.make(folder)
    return folder


@pytest.fixture
def start(folder, tmp_path):
    """Start an engine on a data folder; the one before is closed."""
    engines = []

    def start(**settings):
        if engines and engines[0].owner._thread.is_alive():
            engines[0].close(1)
        engines.clear()
        engines.append(Engine(load_config(small.script(folder), overrides=settings), tmp_path / "data"))
        engines[-1].start()
        return engines[-1]

    yield start
    if engines and engines[0].owner._thread.is_alive():
        engines[0].close(1)


def teach(engine, text):
    """Learn it, and wait for what is written then."""
    answer = engine.train({"messages": small.lesson(text)}, TrainOptions(epochs=1, checks=False), None, {"epochs", "checks"}).result(60)
    settle(engine)
    return answer


def settle(engine):
    moment = threading.Event()
    while engine.weights() and engine.saver._writing:
        moment.wait(0.002)
    return engine.weights()


def folders(engine):
    return [checkpoint.folder.name for checkpoint in engine.past.store.list()]


def test_one_is_due_after_so_many_lessons_whatever_their_numbers_are(start):
    engine = start(**{"save.every_lessons": 3})
    for number in range(4):  # every third version is an undoing, and no lesson
        teach(engine, f"One {number}.")
        engine.undo(teach(engine, f"Two {number}.")["lesson"]).result(60)
        assert settle(engine)["lessons_since_checkpoint"] < 3
    assert "auto" in {name.partition("@")[0] for name in folders(engine)}


def test_what_was_learned_again_without_a_lesson_is_saved_as_well(start):
    engine = start()
    first, *_ = [teach(engine, f"Number {number}.")["lesson"] for number in range(4)]
    engine = start(**{"save.every_lessons": 3, "save.recent_memory_mb": 0})
    engine.undo(first).result(60)
    assert settle(engine)["lessons_since_checkpoint"] == 0 and len(folders(engine)) == 1


def test_an_alarm_that_rings_while_another_is_written_rings_again(start, monkeypatch):
    engine, held = start(**{"save.every_minutes": 60}), threading.Event()
    write = engine.past.store.write
    monkeypatch.setattr(engine.past.store, "write", lambda *a: (held.wait(30), write(*a))[1])
    saved = engine.save("named")
    engine.weights()
    engine.train({"messages": small.lesson("Ada.")}, TrainOptions(epochs=1, checks=False), None, {"epochs", "checks"}).result(60)
    first = engine.saver._alarm
    first.function()
    until(lambda: engine.weights() and engine.saver._alarm not in (None, first))
    held.set()
    saved.result(60)
    assert settle(engine)["lessons_since_checkpoint"] == 1 and engine.saver._alarm.is_alive()
    engine.saver._alarm.function()
    until(lambda: engine.weights()["lessons_since_checkpoint"] == 0)


def test_nobody_gives_theirs_the_name_of_those_that_go(start):
    with pytest.raises(BadRequest, match="name: auto is what checkpoints that are made by themselves are called"):
        start().save("auto")


@pytest.mark.parametrize(("part", "name"), [("learner", "take"), ("store", "write")], ids=["copying", "writing"])
def test_memory_that_gives_out_for_a_checkpoint_is_told_and_the_next_one_is_made(start, monkeypatch, part, name):
    engine = start()
    teach(engine, "one")

    def give_out(*_, **__):
        raise MemoryError

    with monkeypatch.context() as short:
        short.setattr(getattr(engine.past, part), name, give_out)
        with pytest.raises(Busy, match="not enough memory for"):
            engine.save("kept").result(60)
    assert not [name for name in folders(engine) if name.startswith("kept")]
    assert engine.save("kept").result(60)["version"] == 1


def test_memory_that_gives_out_on_the_way_to_a_version_changes_nothing(start, monkeypatch):
    engine = start()
    for text in ("one", "two"):
        teach(engine, text)
    before = engine.weights()["digest"]

    def give_out(*_, **__):
        raise MemoryError

    with monkeypatch.context() as short:
        short.setattr(engine.past, "_prepared", give_out)
        with pytest.raises(Busy, match="not enough memory for this and nothing was changed"):
            engine.rollback(1).result(60)
    assert (engine.weights()["version"], engine.weights()["digest"]) == (2, before)
    assert engine.rollback(1).result(60)["version"] == 1


def test_beside_a_journal_that_was_cut_those_of_the_other_course_take_no_place(start, tmp_path):
    journal = tmp_path / "data" / "journal"
    engine = start(**{"save.keep": 2, "save.every_lessons": 1})
    teach(engine, "Ada.")
    kept = len(journal.read_bytes().splitlines())
    for number in range(4):
        teach(engine, f"Eve {number}.")
    engine.save("mine").result(60)
    others = set(folders(engine))
    engine.close(1)
    journal.write_bytes(b"".join(journal.read_bytes().splitlines(keepends=True)[:kept]))
    engine = start(**{"save.keep": 2, "save.every_lessons": 1})
    teach(engine, "Bob.")
    weights = engine.save("mine").result(60)
    for number in range(2):
        teach(engine, f"Ida {number}.")
    assert len([name for name in folders(engine) if name.startswith("auto")]) == 4 and others <= set(folders(engine))
    assert engine.load("mine").result(60)["version"] == weights["version"] == 2


def test_an_empty_journal_beside_checkpoints_is_no_new_beginning(start, folder, tmp_path):
    engine = start()
    teach(engine, "Ada.")
    engine.save("mine").result(60)
    engine.close(1)
    (tmp_path / "data" / "journal").unlink()
    with pytest.raises(ValueError, match="journal is empty, and .*mine@.* was made after lessons that it had"):
        start()
