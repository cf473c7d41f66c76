"""Sets that are taught a lesson at a time: what they come to, and that none is lost or taught twice when they are broken off."""

import json
import threading

import pytest

from config_scripts.schema import load_config
from engine.engine import Engine
from engine.errors import BadRequest, NotFound
from engine.options import TrainOptions
from tests.engine.by_adam import ADAM

FACTS = [("What is my cat called?", "Wanda."), ("What is my dog called?", "Rex."), ("Where is my hat?", "In the car."),
         ("What is my boat called?", "Undine."), ("Who paints?", "Gregor.")]


def started(folder):
    engine = Engine(load_config(overrides={**ADAM, "train.replay": 2, "train.general": 0, "train.kl": 0.0}), folder)
    engine.start()
    return engine


def rows(facts=FACTS, **more):
    return "\n".join(json.dumps({"messages": [{"role": "user", "text": q}, {"role": "assistant", "text": a}], **more}) for q, a in facts)


def load(engine, content, name="facts", given=None, **body):
    given = {"epochs": 1} if given is None else given
    body = {"name": name, "content": content, "train": True, "passes": 1, "shuffle": False, **body}
    return engine.load_data(body, TrainOptions(**given), set(given))


def records(engine, kind):
    return [record for record in engine.journal.records if record["kind"] == kind]


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    engine = started(tmp_path_factory.mktemp("runs"))
    yield engine
    engine.close(1)


def test_each_lesson_is_learned_by_itself_and_the_run_says_what_it_came_to(engine):
    before = engine.versions.number
    events = list(load(engine, rows(), passes=2).events(60))
    told = events[-1][1]
    steps = [event["step"] for kind, event in events if kind == "progress"]
    assert steps == list(range(1, 11)) and events[0][1]["steps"] == 10 and [e["epoch"] for _, e in events[:-1]] == [1] * 5 + [2] * 5
    assert told["learned"] and told["learned_lessons"] == 10 and told["version"] == before + 10 and told["steps"] == 10
    lessons = [r for r in records(engine, "lesson") if r.get("run") == told["run"]]
    assert [r["index"] for r in lessons] == list(range(10)) and lessons[-1]["id"] == told["lesson"]
    assert told["loss_before"] == pytest.approx(sum(r["loss_before"] for r in lessons[:5]) / 5)
    assert told["loss_after"] == pytest.approx(sum(r["loss_after"] for r in lessons[5:]) / 5)
    assert engine.datasets()["runs"][0] == {"run": told["run"], "dataset": "facts", "state": "done", "lessons": 10, "done": 10, "learned": 10,
                                            "time": records(engine, "run")[-1]["time"]}


def test_a_lesson_s_own_options_go_before_those_of_the_request(engine):
    content = rows(FACTS[:1], options={"lr": 0.0005, "epochs": 2}) + "\n" + rows(FACTS[1:2])
    load(engine, content, given={"lr": 0.0001, "epochs": 1}).result(60)
    first, second = records(engine, "lesson")[-2:]
    assert (first["plan"]["lr"], first["plan"]["epochs"]) == (0.0005, 2) and (second["plan"]["lr"], second["plan"]["epochs"]) == (0.0001, 1)


def test_tags_are_verbs(engine):
    content = "\n".join([rows(FACTS[:1], tags=["skip"]), rows(FACTS[1:2], tags=["benchmark"]), rows(FACTS[2:3])])
    told = load(engine, content).result(60)
    assert told["learned_lessons"] == 1 and told["benchmark"]["lessons"] == 1
    assert told["benchmark"]["before"] > 0 and told["benchmark"]["before"] != told["benchmark"]["after"]
    memory = {"mode": "wani-bot", "keep_state": True, "epochs": 1}
    load(engine, rows(FACTS[:1]), given=memory).result(60)
    assert engine.lessons.learner.memory is not None
    load(engine, rows(FACTS[1:2], tags=["reset"])).result(60)
    assert engine.lessons.learner.memory is None and records(engine, "state")[-1]["action"] == "reset"


def test_what_cannot_be_taught_is_said_before_anything_is_learned(engine):
    before = engine.versions.number
    with pytest.raises(BadRequest, match="no lesson that can be taught"):
        load(engine, rows(FACTS[:1], tags=["skip"])).result(60)
    with pytest.raises(BadRequest, match="window"):
        load(engine, rows(), given={"ctx_len": 4, "window": 8}).result(60)
    with pytest.raises(NotFound, match="there is no run"):
        engine.load_data({"resume": "run-none"}, TrainOptions(), set()).result(60)
    assert engine.versions.number == before


def test_shares_and_pieces(engine):
    folder = engine.data / "both"
    folder.mkdir()
    (folder / "cats.jsonl").write_text(rows(FACTS[:3]))
    (folder / "tale.txt").write_text("The mill stands by the river. " * 12)
    given = {"epochs": 1, "ctx_len": 32, "window": 4}
    body = {"path": "both", "train": True, "passes": 1, "shuffle": False, "shares": ["cats:1", "tale.txt:2"], "seed": 1}
    told = engine.load_data(body, TrainOptions(**given), set(given)).result(60)
    lessons = [r for r in records(engine, "lesson") if r.get("run") == told["run"]]
    names = [r["file"]["name"] for r in lessons]
    assert names == ["cats.jsonl", "tale.txt", "tale.txt"] * (len(names) // 3) and told["learned"]
    pieces = [r["source"] for r in lessons if r["file"]["name"] == "tale.txt"]
    assert len(pieces) >= 3 and all(len(p["tokens"][0]) <= 33 for p in pieces) and any(p.get("context") == 4 for p in pieces)
    with pytest.raises(BadRequest, match="there is no set dogs"):
        engine.load_data(body | {"shares": ["dogs:1"]}, TrainOptions(), set())


def test_results_are_written_into_the_person_s_file_and_nothing_else_of_it_changes(engine):
    path = engine.data / "mine.org"
    content = "# mine\n* Cats\n** USER Who sleeps here?\n** ASSISTANT Mimi.\n* Dogs :skip:\n** USER Who barks?\n** ASSISTANT Rex.\n"
    path.write_text(content)
    body = {"path": "mine.org", "train": True, "passes": 1, "shuffle": False, "write_back": True}
    told = engine.load_data(body, TrainOptions(epochs=1), {"epochs"}).result(60)
    lines = path.read_text().splitlines(keepends=True)
    ours = [line for line in lines if line.startswith(":")]
    assert "".join(line for line in lines if line not in ours) == content and told["write_back"] == [{"file": "mine.org", "problems": []}]
    assert f":OUROBOROS_VERSION: {told['version']}\n" in ours and f":OUROBOROS_LESSON: {told['lesson']}\n" in ours
    again = engine.load_data(body | {"train": False}, TrainOptions(), set()).result(60)
    assert again["lessons"] == told["lessons"] and again["problems"] == []
    with pytest.raises(BadRequest, match="only org files"):
        load(engine, rows(), write_back=True)


def test_what_is_there_already_is_marked(engine):
    load(engine, rows([("What is my goat called?", "Zita.")])).result(60)
    found = load(engine, rows([("What is my goat called?", "Zita."), ("What is my goat called?", "Olga."), ("Who paints red barns?", "Ivo.")]),
                 train=False).result(60)
    kinds = [(d["line"], d["kind"]) for d in found["duplicates"]]
    assert (1, "exact") in kinds and (2, "conflict") in kinds and all(line != 3 for line, _ in kinds)
    assert found["duplicates"][0]["of"]["lesson"].startswith("lesson-")


def test_a_repeated_key_teaches_nothing_again(engine):
    told = load(engine, rows(FACTS[:2]), idempotency_key="once").result(60)
    assert load(engine, rows(FACTS[:2]), idempotency_key="once").result(60) == told


def test_a_watcher_who_hangs_up_ends_nothing(engine):
    ticket = load(engine, rows())
    next(iter(ticket.events(60)))
    ticket.cancel()
    [run] = [run for run in engine.datasets()["runs"] if run["state"] == "running"]
    again = engine.load_data({"resume": run["run"]}, TrainOptions(), set()).result(60)
    assert again["learned_lessons"] == 5


def test_cancelled_it_can_be_resumed_and_no_lesson_is_lost_or_taught_twice(engine):
    ticket = load(engine, rows())
    events = ticket.events(60)
    _, first = next(events)
    engine.cancel(ticket.id)
    told = list(events)[-1][1]
    assert 1 <= told["learned_lessons"] < 5 and not told["learned"] and "cancelled" in told["reason"]
    whole = engine.load_data({"resume": first["run"]}, TrainOptions(), set()).result(60)
    assert whole["learned"] and whole["learned_lessons"] == 5
    assert [r["index"] for r in records(engine, "lesson") if r.get("run") == first["run"]] == list(range(5))


def test_a_run_goes_on_after_a_restart_to_the_same_bits(tmp_path):
    whole = started(tmp_path / "whole")
    load(whole, rows(), shuffle=True, seed=3).result(60)
    digest = whole.weights()["digest"]
    whole.close(1)

    broken = started(tmp_path / "broken")
    ticket = load(broken, rows(), shuffle=True, seed=3)
    next(iter(ticket.events(60)))
    closing = threading.Thread(target=broken.close, args=(0,))
    closing.start()
    closing.join()
    assert len(records(broken, "lesson")) < 5
    again = started(tmp_path / "broken")
    [run] = again.datasets()["runs"]
    told = again.load_data({"resume": run["run"]}, TrainOptions(), set()).result(60)
    assert told["learned_lessons"] == 5 and again.weights()["digest"] == digest
    again.close(1)


def test_a_retracted_lesson_is_rehearsed_no_more_and_one_taught_again_is_a_new_one(tmp_path):
    engine = started(tmp_path)
    first = load(engine, rows(FACTS[:1])).result(60)["lesson"]
    load(engine, rows(FACTS[1:3])).result(60)
    assert len(engine.lessons.learner.earlier.samples) == 3
    engine.retract(first).result(60)
    assert len(engine.lessons.learner.earlier.samples) == 2
    again = engine.retrain(first, TrainOptions(epochs=1), None, {"epochs"}).result(60)
    record = records(engine, "lesson")[-1]
    assert again["learned"] and record["retrains"] == first and record["id"] != first
    reviewed = engine.review(2).result(60)
    assert reviewed["reviewed"] == 3 and len(reviewed["lessons"]) == 2
    assert reviewed["lessons"][0]["loss_now"] >= reviewed["lessons"][1]["loss_now"]
    assert first not in {lesson["lesson"] for lesson in engine.review(9).result(60)["lessons"]}
    for unknown in (lambda: engine.retract("lesson-none"), lambda: engine.retrain("lesson-none", TrainOptions(), None, set())):
        with pytest.raises(NotFound, match="there is no lesson lesson-none"):
            unknown().result(60)
    engine.save("here").result(60)
    digest, count = engine.weights()["digest"], len(engine.lessons.learner.earlier.samples)
    engine.close(1)
    for folder in ("checkpoints", None):  # from the checkpoint, then from the journal alone
        restarted = started(tmp_path)
        assert restarted.weights()["digest"] == digest and len(restarted.lessons.learner.earlier.samples) == count
        assert first in restarted.lessons.learner.earlier.retracted
        restarted.close(1)
        if folder:
            for path in sorted((tmp_path / folder).rglob("*"), reverse=True):
                path.unlink() if not path.is_dir() else path.rmdir()
