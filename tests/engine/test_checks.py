"""What a lesson's answer says of earlier lessons and near questions, against what the model then answers; and that it moves no bit."""

import json
import random
import re
from pathlib import Path

import pytest

from config_scripts.schema import load_config
from engine import common_questions
from engine.checks import Clock
from engine.earlier import Earlier
from engine.engine import Engine
from engine.greedy import Greedy
from engine.near_questions import NearQuestions, Question
from engine.options import TrainOptions
from models.message import Message
from models.sample import Sample
from tests.engine.by_adam import ADAM
from tests.engine.steps import drained
from tests.server.running import Running

CAT = ("What is my cat called?", "Your cat is called Wanda.")
HAT = ("Where is my hat?", "Your hat is in the car.")
LIVE = ("Where do I live?", "You live in Heinport.")


def started(folder, **overrides):
    engine = Engine(load_config(overrides={**ADAM, "train.kl": 0.0, **overrides}), Path(folder))
    engine.start()
    return engine


@pytest.fixture(autouse=True)
def few_common_questions(monkeypatch, tmp_path):
    """That they need not all be answered by every engine of a test."""
    file = tmp_path / "questions.txt"
    file.write_text("What is water?\nWho are you?\nWhat is my dog called?\nHow old is my hen?\nWhere is my lamp?\nWho made my coat?\n")
    monkeypatch.setattr(common_questions, "FILE", file)
    monkeypatch.setattr(common_questions, "COMMON", 2)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    engine = started(tmp_path_factory.mktemp("data"))
    with Running(engine=engine) as running:
        yield running
    engine.close(1)


@pytest.fixture(scope="module")
def greedy(server):
    return Greedy(server.engine.model.network, server.engine.model.template)


def near_of(server, greedy, question, count):
    asked = Question((Message("user", question),))
    return server.engine.owner.run(lambda: drained(NearQuestions(greedy, server.engine.model.template).of(asked, count)))


def lesson(fact):
    return {"messages": [{"role": "user", "text": fact[0]}, {"role": "assistant", "text": fact[1]}]}


def teach(server, fact, **options):
    answer = server.post("/train", {**lesson(fact), **options})
    assert answer.status_code == 200 and answer.json()["learned"], answer.text
    return answer.json()


def ask(server, question):
    return server.post("/infer", {"messages": [{"role": "user", "text": question}], "temperature": 0, "max_tokens": 32}).json()["text"].strip()


# -- from outside


def test_neighbours_are_told_with_what_the_model_answers_before_and_after_and_are_put_back_by_one_call(server, greedy):
    near = near_of(server, greedy, CAT[0], 16)
    before = {n.text: ask(server, n.text) for n in near}
    told = teach(server, CAT, lr=5e-4, epochs=6)["checks"]  # with more force than it needs
    assert told["kept"] == [0, 0] and told["forgotten"] == []
    assert told["neighbours"] and all(set(n) == {"question", "before", "after"} and n["before"] != n["after"] for n in told["neighbours"])
    for n in told["neighbours"]:
        assert before[n["question"]] == n["before"] and ask(server, n["question"]) == n["after"]
    back = server.post("/train", told["put_back"] | {"checks": False}).json()
    assert back["learned"] and back["checks"] is None
    assert [ask(server, n["question"]) for n in told["neighbours"]] == [n["before"] for n in told["neighbours"]]


def test_an_earlier_lesson_that_is_known_no_more_is_named_until_it_is_retracted(server):
    first = teach(server, HAT)
    assert ask(server, HAT[0]) == HAT[1] and len(first["checks"]["forgotten"]) == first["checks"]["kept"][0] - first["checks"]["kept"][1]
    other = teach(server, (HAT[0], "Your hat is on the roof."), replay=0)["checks"]
    asked, known = other["kept"]
    assert first["lesson"] in other["forgotten"] and known < asked
    server.http.delete(f"{server.url}/lessons/{first['lesson']}", timeout=20)
    again = teach(server, LIVE)["checks"]
    assert first["lesson"] not in again["forgotten"] and again["kept"][0] == asked


@pytest.mark.parametrize("body", [{"checks": False}, {"dry_run": True}, {"dry_run": True, "checks": True}])
def test_nothing_is_checked_where_it_is_not_asked_for_or_nothing_is_learned(server, body):
    assert server.post("/train", {**lesson(CAT), **body}).json()["checks"] is None


def test_a_correction_and_a_lesson_taught_again_are_checked_too(server):
    server.post("/infer", {"session": "pets", "messages": [{"role": "user", "text": "What is my hen called?"}], "temperature": 0})
    corrected = server.post("/sessions/pets/correct", {"turn": 1, "text": "Your hen is called Berta."}).json()
    again = server.post(f"/lessons/{corrected['lesson']}/retrain", {"epochs": 1}).json()
    assert corrected["checks"]["kept"][0] > 0 and again["checks"]["kept"][0] > 0


def test_a_text_has_no_question_and_is_not_asked_again(server):
    told = server.post("/train", {"text": "The mill is by the river.", "epochs": 1}).json()["checks"]
    after = teach(server, LIVE, epochs=1)["checks"]
    assert told["neighbours"] == [] and told["put_back"] is None and after["kept"][0] == told["kept"][0]


def test_the_lessons_of_a_set_are_checked_only_where_it_is_asked_for(server, monkeypatch):
    seen = []
    real = server.engine.lessons._beside
    monkeypatch.setattr(server.engine.lessons, "_beside", lambda job, steps: seen.append(job) or real(job, steps))
    body = {"name": "one", "content": json.dumps(lesson(LIVE)), "format": "jsonl", "train": True, "epochs": 1}
    assert server.post("/load_data", body).json()["learned_lessons"] == 1 and not seen
    server.post("/load_data", body | {"checks": True})
    assert len(seen) == 2  # before it and after it


# -- the parts


def test_says_tells_what_greedy_decoding_writes(server, greedy):
    template = server.engine.model.template
    prompts = [template.prompt([Message("user", text)]) for text in ("What is a cat?", "Tell me a story.", "Who are you?")]
    written = server.engine.owner.run(lambda: drained(greedy.answers(prompts, 12)))
    for prompt, answer in zip(prompts, written, strict=True):
        right = Sample((*prompt, *answer), (0.0,) * len(prompt) + (1.0,) * len(answer))
        wrong = [Sample((*prompt, *answer[:i], token + 1, *answer[i + 1 :]), right.weights) for i, token in enumerate(answer)]
        assert server.engine.owner.run(lambda right=right, wrong=wrong: greedy.says([right, *wrong])) == [True] + [False] * len(answer)
    assert [greedy.text(answer) for answer in written][0] == ask(server, "What is a cat?")[: len(greedy.text(written[0]))]


def test_a_near_question_differs_in_one_word(server, greedy):
    for question in ("What is my sister's name?", "Who wrote the book on my desk?"):
        near = [n.text for n in near_of(server, greedy, question, 6)]
        assert len(set(near)) == 6 and question not in near
        places = [[i for i, (a, b) in enumerate(zip(re.findall(r"\w+", question), re.findall(r"\w+", text), strict=True)) if a != b] for text in near]
        assert all(len(changed) == 1 for changed in places) and max(places.count(p) for p in places) <= 3
    assert near_of(server, greedy, "2 + 2 = ?", 4) == [] == near_of(server, greedy, CAT[0], 0)


def test_only_questions_with_an_answer_are_drawn_and_never_the_lesson_itself():
    earlier = Earlier()
    qa, text = Sample((1, 2, 3, 4), (0, 0, 1, 1)), Sample((0, 2, 3), (0, 1, 1))
    for i in range(12):
        earlier.add(f"lesson-{i}", [text if i % 3 == 0 else qa])
    drawn = [earlier.asked(random.Random(seed), 4, "lesson-1") for seed in range(40)]
    assert {id for each in drawn for id, _ in each} == {f"lesson-{i}" for i in (2, 4, 5, 7, 8, 10, 11)}
    assert max(map(len, drawn)) == 4 and drawn[0] == earlier.asked(random.Random(0), 4, "lesson-1")


def test_the_answer_of_a_sample_is_its_last_tokens_with_a_weight():
    assert Sample((1, 2, 3, 4, 5, 6), (0, 0, 1, 0, 1, 1)).answer == range(4, 6)
    assert Sample((1, 2, 3, 4), (0, 0, 2, 0)).answer == range(2, 3) and Sample((1, 2), (0, 0)).answer == range(1, 1)


# -- what must not happen


def weights_after(folder, monkeypatch=None, **options):
    engine = started(folder)
    for fact in (CAT, HAT):
        engine.train(lesson(fact), TrainOptions(**options), None, set(options)).result(60)
    digest = engine.owner.run(engine.model.digest)
    engine.close(1)
    return digest


def test_a_lesson_is_the_same_to_the_bit_with_checks_and_without(tmp_path):
    with_checks, without, held, held_unchecked = (weights_after(tmp_path / f"{near}{checks}", checks=checks, near=near, epochs=1)
                                                  for near in (0, 2) for checks in (True, False))
    assert with_checks == without != held == held_unchecked


def test_what_was_held_is_learned_again_from_the_journal_to_the_bit(tmp_path, caplog):
    digest = weights_after(tmp_path, near=2, epochs=2)
    engine = started(tmp_path)
    assert engine.owner.run(engine.model.digest) == digest and "other-digest" not in caplog.text
    assert len(engine.lessons.learner.earlier.held) == 8  # of each lesson two of its own and two common ones
    engine.close(1)


def test_past_its_seconds_nothing_is_asked(server, monkeypatch):
    monkeypatch.setattr(Clock, "over", lambda self: True)
    assert teach(server, CAT, epochs=1)["checks"] == {"kept": [0, 0], "forgotten": [], "neighbours": [], "put_back": None}


@pytest.mark.parametrize("broken", ["answers", "says"])
def test_a_check_that_breaks_does_not_harm_the_lesson(server, monkeypatch, broken):
    monkeypatch.setattr(Greedy, broken, lambda *_: (_ for _ in ()).throw(RuntimeError("broken")))
    told = teach(server, LIVE, epochs=1)
    assert told["checks"] is None and ask(server, LIVE[0]) == LIVE[1]
