"""What the engine tells of what was taught: from the lesson store, as soon as it is acknowledged, and as of the past."""

import json
from pathlib import Path

import pytest

from config_scripts.schema import load_config
from engine.engine import Engine
from engine.errors import BadRequest, NotFound
from engine.options import InferOptions, TrainOptions
from tests.engine.by_adam import ADAM

QUESTION = [{"role": "user", "text": "What is my cat called?"}]
ONCE = TrainOptions(epochs=1)


def started(folder: Path) -> Engine:
    engine = Engine(load_config(overrides={**ADAM, "train.replay": 0, "train.general": 0, "train.kl": 0.0}), folder)
    engine.start()
    return engine


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    """A chat, its correction, a lesson of another kind, that one retracted."""
    engine = started(tmp_path_factory.mktemp("taught"))
    engine.infer({"messages": QUESTION}, InferOptions(temperature=0.0, max_tokens=8), "kitchen", {"temperature", "max_tokens"}).result(60)
    engine.correct("kitchen", 1, "Your cat is called Wanda.", True, ONCE, None, {"epochs"}).result(60)
    engine.train({"text": "The mill stands by the river."}, ONCE, None, {"epochs"}).result(60)
    engine.retract(engine.lessons_taught({})[0]["lesson"]).result(60)
    yield engine
    engine.close(1)


def test_a_lesson_is_listed_once_it_is_acknowledged(engine):
    text, correction = engine.lessons_taught({})
    assert text["text"] == "The mill stands by the river." and text["state"] == "retracted" and text["version"] == 2
    assert (correction["session"], correction["turn"], correction["version"]) == ("kitchen", 1, 1)
    assert correction["messages"][-1]["text"] == "Your cat is called Wanda." and correction["rejected"]
    assert correction["loss_before"] > correction["loss_after"] and correction["words"]["level"] in ("mastered", "fairly clear", "so-so", "not learned")
    assert [row["lesson"] for row in engine.lessons_taught({"as_of": "1"})] == [correction["lesson"]]
    assert [row["lesson"] for row in engine.lessons_taught({"text": "wanda"})] == [correction["lesson"]]
    assert [row["lesson"] for row in engine.lessons_taught({"state": "taught", "session": "kitchen", "role": "assistant"})] == [correction["lesson"]]
    reviewed = engine.review(5).result(60)
    assert engine.lessons_taught({"order": "worst"})[0]["loss_now"] == pytest.approx(max(
        [reviewed["lessons"][0]["loss_now"], text["loss_after"]]))
    with pytest.raises(BadRequest, match="as_of"):
        engine.lessons_taught({"as_of": "yesterday"})


def test_a_session_s_history_is_all_that_happened_in_it(engine):
    events = [event["event"] for event in engine.history_of({"session": "kitchen"})]
    assert events[:2] == ["answered", "taught"] and "corrected" in events
    lesson = engine.lessons_taught({"session": "kitchen"})[0]["lesson"]
    assert {"answered", "taught"} <= {event["event"] for event in engine.history_of({"lesson": lesson})}
    with pytest.raises(NotFound, match="there is no session attic"):
        engine.history_of({"session": "attic"})


def test_who_corrected_what_in_sparql(engine):
    media, answer = engine.query("SELECT ?was ?text WHERE { ?c a o:Correction ; o:was ?was ; o:text ?text }", "")
    [row] = json.loads(answer)["results"]["bindings"]
    assert media == "application/sparql-results+json" and row["text"]["value"] == "Your cat is called Wanda."
    with pytest.raises(BadRequest, match="query"):
        engine.query("INSERT DATA { <urn:a> <urn:b> 1 }", "")


def test_what_was_taught_leaves_in_other_programs_forms(engine):
    made = engine.export("sharegpt", {"state": "taught"})
    [record] = [json.loads(line) for line in made["content"].splitlines()]
    assert record["conversations"] == [{"from": "human", "value": "What is my cat called?"}, {"from": "gpt", "value": "Your cat is called Wanda."}]
    assert made["losses"] and made["losses"][0]["lesson"].startswith("lesson-")  # the rejected answer, by name


def test_the_store_is_made_again_when_it_is_lost(tmp_path):
    engine = started(tmp_path)
    engine.train({"messages": [*QUESTION, {"role": "assistant", "text": "Mimi."}]}, ONCE, None, {"epochs"}).result(60)
    engine.save("here").result(60)
    before = engine.lessons_taught({})
    engine.close(1)
    for path in sorted((tmp_path / "store").rglob("*"), reverse=True):
        path.unlink() if not path.is_dir() else path.rmdir()
    again = started(tmp_path)
    assert again.lessons_taught({}) == before
    _, answer = again.query("ASK { ?c a o:Checkpoint }", "")
    assert json.loads(answer)["boolean"]
    again.close(1)
