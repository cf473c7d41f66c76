"""What happens is told as it happens, in order, to everyone who listens; nobody who is slow or gone holds anything up."""

import threading

import pytest

from engine import events
from engine.errors import DiskFull
from engine.events import Events
from engine.options import TrainOptions
from tests.engine.test_hard_times import refuse
from tests.engine.test_live_loop import LESSON, ask, started, teach


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    engine = started(tmp_path_factory.mktemp("data"))
    yield engine
    engine.close(1)


def waiting(listening):
    """All that waits for a listener."""
    found = []
    for kind, event in listening.events(heartbeat=0):
        if kind == "idle":
            return found
        found.append(event)
    return found


def test_a_lesson_is_told_with_every_step_before_its_caller_hears_of_it(engine):
    listening = engine.listen()
    ticket = engine.train({"messages": LESSON}, TrainOptions(epochs=3), None, {"epochs"})
    steps = [event for kind, event in ticket.events(60) if kind == "progress"]
    record = engine.journal.records[-1]
    opened, *told, learned = waiting(listening)
    assert opened["event"] == "open" and opened["version"] == record["version"] - 1
    assert [{k: v for k, v in event.items() if k not in ("event", "time", "lesson")} for event in told] == steps and len(steps) == 3
    assert {event["event"] for event in told} == {"step"} and {event["lesson"] for event in told} == {record["id"]}
    assert (learned["event"], learned["lesson"]) == ("lesson", record["id"])
    assert all(learned[name] == record[name] for name in ("seq", "time", "version", "steps", "epochs", "loss_before", "loss_after", "digest"))
    listening.cancel()


def test_saves_loads_and_turns_are_told_and_nothing_that_is_long(engine, monkeypatch):
    listening = engine.listen()
    ask(engine, session="told")
    saved = engine.save("told").result(60)
    teach(engine, epochs=1)
    engine.load("told").result(60)
    with monkeypatch.context() as m:
        m.setattr("engine.journal.os.fsync", refuse)
        with pytest.raises(DiskFull) as refused:
            teach(engine, epochs=1)
    told = [event for event in waiting(listening) if event["event"] not in ("open", "step")]
    assert [event["event"] for event in told] == ["turn", "save", "lesson", "load", "refused"]
    turn, save, lesson, load, no = told
    assert turn["session"] == "told" and "messages" not in turn and save["name"] == "told" and save["sha256"] == saved["sha256"]
    assert lesson["version"] == saved["version"] + 1 and load["version"] == saved["version"] and "samples" not in lesson
    assert no["reason"] == refused.value.message and "nothing was learned" in no["reason"]
    assert all(isinstance(event["time"], float) for event in told)
    listening.cancel()


def test_a_dry_run_is_no_event(engine):
    listening = engine.listen()
    teach(engine, dry_run=True)
    assert [event["event"] for event in waiting(listening)] == ["open"]
    listening.cancel()


def test_who_is_slow_loses_the_oldest_and_is_told_how_many_and_nobody_waits_for_him():
    bus = Events()
    slow, quick = bus.listen(), bus.listen()
    for number in range(3 * events.MOST):
        bus.tell("step", number=number)
        assert number == 0 or waiting(quick)[-1]["number"] == number
    lost, *rest = waiting(slow)
    assert lost["event"] == "lost" and lost["lost"] == 2 * events.MOST + 1
    assert [event["number"] for event in rest] == list(range(2 * events.MOST, 3 * events.MOST))
    bus.tell("step", number=-1)
    assert [event["number"] for event in waiting(slow)] == [-1], "told once"


def test_who_is_gone_is_forgotten():
    bus = Events()
    gone, stays = bus.listen(), bus.listen()
    gone.cancel()
    gone.cancel()
    bus.tell("step")
    assert len(bus) == 1 and len(waiting(gone)) == 1 and len(waiting(stays)) == 2


def test_the_end_wakes_who_waits_and_comes_after_what_waited():
    bus = Events()
    listening, found = bus.listen(), []
    thread = threading.Thread(target=lambda: found.extend(event["event"] for _, event in listening.events()))
    thread.start()
    bus.tell("save")
    bus.close()
    thread.join(20)
    assert found == ["open", "save", "end"] and len(bus) == 0
