"""The common questions that a lesson holds: asked once, none about what was taught, and learned again from the journal alone."""

import json
from pathlib import Path

import pytest

from config_scripts.schema import load_config
from engine import common_questions
from engine.common_questions import words
from engine.earlier import Earlier
from engine.engine import Engine
from engine.greedy import Greedy
from engine.near_questions import Question
from engine.options import TrainOptions
from models.message import Message
from models.sample import Sample
from tests.engine.steps import drained

QUESTIONS = ("What is my dog called?", "What is my cat called?", "What is my hen called?", "How old is my cat?", "Where is my lamp?",
             "Where is my coat?", "What is water?", "Who are you?")
CAT = ("What is my cat called?", "Your cat is called Wanda.")
HAT = ("Where is my hat?", "Your hat is in the car.")


@pytest.fixture
def few(monkeypatch, tmp_path):
    """Few questions, of which each word but those of the forms is about something."""
    file = tmp_path / "questions.txt"
    file.write_text("\n".join(QUESTIONS))
    monkeypatch.setattr(common_questions, "FILE", file)
    monkeypatch.setattr(common_questions, "COMMON", 2)


def started(folder):
    engine = Engine(load_config(overrides={"train.kl": 0.0}), Path(folder))
    engine.start()
    return engine


def teach(engine, fact, **options):
    source = {"messages": [{"role": "user", "text": fact[0]}, {"role": "assistant", "text": fact[1]}]}
    return engine.train(source, TrainOptions(**options), None, set(options)).result(120)


def beside(engine, question, taught=(), count=4, seed=1):
    """What is held beside a lesson that asks this."""
    greedy = Greedy(engine.model.network, engine.model.template)
    asked = [Question((Message("user", question),))]
    return engine.owner.run(lambda: drained(engine.lessons.common.beside(asked, taught, count, seed, greedy)))


def test_they_are_asked_once_and_held_with_what_the_model_answers(few, tmp_path, monkeypatch):
    engine = started(tmp_path / "data")
    found = beside(engine, "What is my heron called?", count=len(QUESTIONS))
    kept = json.loads((tmp_path / "data" / "near.json").read_text())["answers"]
    assert {near.question.text: list(near.answer) for near in found} == kept
    greedy = Greedy(engine.model.network, engine.model.template)
    assert len(found) >= 6 and all(engine.owner.run(lambda: greedy.says([near.sample for near in found])))
    engine.close(1)
    engine = started(tmp_path / "data")
    monkeypatch.setattr(Greedy, "answers", lambda *_: pytest.fail("asked again"))
    assert beside(engine, "What is my heron called?", count=len(QUESTIONS)) == found
    engine.close(1)


def test_half_of_them_are_the_nearest_and_none_is_about_what_was_taught(few, tmp_path):
    engine = started(tmp_path)
    for seed in range(8):
        texts = [near.question.text for near in beside(engine, "What is my heron called?", ["Where is my cat?"], 4, seed)]
        assert len(set(texts)) == 4 and texts[:2] in (["What is my dog called?", "What is my hen called?"], ["What is my hen called?", "What is my dog called?"])
        assert not any("cat" in words(text) for text in texts)
    assert beside(engine, "Where is my lamp?", QUESTIONS, 4) == [] == beside(engine, "Where is my lamp?", count=0)
    assert beside(engine, "What is my heron called?", seed=3) == beside(engine, "What is my heron called?", seed=3)
    engine.close(1)


def test_what_was_held_is_learned_again_without_their_file(few, tmp_path, caplog):
    engine = started(tmp_path)
    for fact in (CAT, HAT):
        assert teach(engine, fact, near=4, epochs=2)["learned"]
    held = [engine.model.tokenizer.decode(sample.tokens) for sample in engine.lessons.learner.earlier.held]
    common = [text for text in held if any(question in text for question in QUESTIONS)]
    assert len(held) == 16 and len(common) >= 8 and CAT[0] not in "".join(held), held
    digest = engine.owner.run(engine.model.digest)
    engine.close(1)
    (tmp_path / "near.json").unlink()
    engine = started(tmp_path)
    assert engine.owner.run(engine.model.digest) == digest and "other-digest" not in caplog.text
    engine.close(1)


def test_an_old_answer_is_held_no_more_once_its_question_is_taught():
    earlier, weights = Earlier(), (0.0, 0.0, 1.0)
    old, other, new = Sample((1, 2, 3), weights), Sample((1, 4, 3), weights), Sample((1, 2, 5), weights)
    earlier.add("lesson-1", [], [old, other])
    assert earlier.held_beside([new]) == [other] and earlier.held == [old, other]
    earlier.add("lesson-2", [new])
    assert earlier.held == [other] and earlier.asks == {(1, 2)}
    earlier.retract("lesson-1")
    assert earlier.held == []
