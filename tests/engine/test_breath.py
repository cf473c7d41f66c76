"""Answers that go on in the midst of a lesson's micro-steps, and leave no trace in what it learns."""

from types import SimpleNamespace

import pytest

import engine.breath as breath
from engine.errors import EngineError
from tests.engine.test_hard_times import LONG, LONG_NAMES
from tests.engine.test_live_loop import QUESTION, ask, bits, started, teach


class Steps:
    """How many steps the answers took in each micro-step of the lessons, and between."""

    def __init__(self, engine, monkeypatch):
        self.within, self.between, inside = [], 0, False
        learn, write = engine.lessons.step, engine.conversations.step

        def micro():
            nonlocal inside
            inside = True
            self.within.append(0)
            learn()
            inside = False

        def decode():
            if inside:
                self.within[-1] += 1
            else:
                self.between += 1
            write()

        monkeypatch.setattr(engine.lessons, "step", micro)
        monkeypatch.setattr(engine.conversations, "step", decode)


@pytest.fixture
def fresh(tmp_path):
    engine = started(tmp_path)
    yield engine
    engine.close(1)


def taught_alone(folder):
    engine = started(folder)
    teach(engine, epochs=3)
    digest = bits(engine)
    engine.close(1)
    return digest


@pytest.mark.parametrize("native", [True, False], ids=["native", "torch"])
def test_an_answer_is_written_within_a_micro_step_and_the_lesson_learns_the_same_bits(fresh, tmp_path_factory, monkeypatch, native):
    monkeypatch.setattr(breath, "SHARE", 0.0)
    if not native:
        fresh.conversations.batch._native = fresh.conversations.batch._prefill = None
    steps, layers = Steps(fresh, monkeypatch), len(fresh.model.network.blocks)
    answer = fresh.infer({"messages": QUESTION}, LONG, None, LONG_NAMES)
    next(answer.events(60))
    taught = teach(fresh, epochs=3)
    assert taught["learned"] and fresh.owner.run(lambda: fresh.model.network.pause) is None
    assert max(steps.within) == 2 * layers and steps.within.count(2 * layers) >= 1  # each block, there and back
    answer.cancel()
    assert answer.result(60)["finish_reason"] == "cancelled"
    assert bits(fresh) == taught_alone(tmp_path_factory.mktemp("alone"))


def test_a_lesson_has_three_quarters_of_the_thread(fresh, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(breath, "time", SimpleNamespace(perf_counter=lambda: clock[0]))
    turns, network = [], fresh.model.network

    class Answers:
        def __bool__(self):
            return True

        def step(self):
            assert network.adapters.dropout.seed is None and network.pause is None
            turns.append(clock[0])
            clock[0] += 2.0

    class Lessons:
        training = True

        def step(self):
            with network.dropout(5):
                for _ in range(20):
                    clock[0] += 1.0
                    network.pause()
                    assert network.adapters.dropout.seed == 5

        def fail(self, error):
            raise error

    Answers.fail = Lessons.fail
    breathing = breath.Breath(Lessons(), Answers(), fresh.model)
    breathing.step()
    assert turns == [1.0, 9.0, 17.0, 25.0] and clock[0] == 28.0  # six seconds of work for two of writing
    breathing.step()
    assert turns[4:] == [34.0, 42.0, 50.0]  # whoever wrote before the micro-step is not due at its first block


def test_answers_that_fail_in_a_pause_end_and_the_lesson_goes_on(fresh, tmp_path_factory, monkeypatch):
    answer = fresh.infer({"messages": QUESTION}, LONG, None, LONG_NAMES)
    next(answer.events(60))
    write, steps = fresh.conversations.batch.step, Steps(fresh, monkeypatch)

    def fails_in_a_pause(*how):
        if sum(steps.within) == 20:
            raise RuntimeError("boom")
        write(*how)

    monkeypatch.setattr(fresh.conversations.batch, "step", fails_in_a_pause)
    assert teach(fresh, epochs=3)["learned"]
    with pytest.raises(EngineError, match="failed while it was answering"):
        answer.result(60)
    monkeypatch.undo()
    assert bits(fresh) == taught_alone(tmp_path_factory.mktemp("alone")) and len(ask(fresh)["text"]) > 3
