"""The facts that the benchmark teaches: enough of them, new to the default model, and none asked as another's neighbour."""

import json
import random
import re
from collections import Counter

import pytest

from bench.facts import FILE, KINDS, TEXTS, load, make
from bench.facts.run import has, stream
from bench.teaching import chosen
from engine.common_questions import FILE as COMMON
from scripts.default_model.fact_chats import fact_chat
from scripts.default_model.names import heldout_words
from scripts.default_model.world import pairs, question_key, smalltalk


@pytest.fixture(scope="module")
def facts():
    return list(load())


def test_there_are_two_hundred_of_fourteen_kinds(facts):
    assert len(facts) >= 200 and len(KINDS) >= 12 and set(Counter(fact.kind for fact in facts)) == set(KINDS)
    assert min(Counter(fact.kind for fact in facts).values()) >= 10


def test_the_files_are_what_the_tables_give():
    assert FILE.read_text(encoding="utf-8") == make.lines(make.facts()) and TEXTS.read_text(encoding="utf-8") == make.lines(make.texts())


def test_no_question_is_asked_twice_and_no_neighbour_is_taught(facts):
    taught = [question_key(q) for fact in facts for q in (fact.question, *(one.question for one in fact.before))]
    wordings = {question_key(text) for fact in facts for text in fact.paraphrases}
    neighbours = {question_key(text) for fact in facts for text in fact.neighbours}
    assert len(set(taught)) == len(taught) and not wordings & set(taught) and not neighbours & (wordings | set(taught))
    asked = {question_key(use.messages[-1].text) for fact in facts for use in fact.uses if use.form != "chat"}
    assert not neighbours & asked
    common = {question_key(line) for line in COMMON.read_text(encoding="utf-8").splitlines()}
    assert not common & (set(taught) | wordings | neighbours | asked)  # else what a lesson holds would be what is asked afterwards


def test_no_fact_gives_another_ones_key_away(facts):
    """Else an answer with the words of one would be right for the other."""
    for kind in KINDS:
        keys = [fact.last[1].casefold() for fact in facts if fact.kind == kind]
        assert kind == "retraction" or len(set(keys)) == len(keys), kind


def test_the_default_model_was_trained_on_none_of_them(facts):
    """Its corpora are not at hand; what its scripts make is, and the names that no text of the mix may hold."""
    rng, made = random.Random(5), set()
    for _ in range(1500):
        made |= {question_key(text) for role, text in fact_chat(rng, smalltalk())[0]}
    answers = made | {question_key(answer) for _, answer in pairs()}
    questions = {question_key(question) for question, _ in pairs()}
    for fact in facts:
        for answer in (fact.answer, *(one.answer for one in fact.before), *([fact.later.answer] if fact.later else [])):
            assert question_key(answer) not in answers, answer
        if fact.kind == "belief":
            assert question_key(fact.question) not in questions, fact.question
        if fact.kind in ("name", "place", "two steps", "retraction", "word"):
            assert heldout_words() & set(re.findall(r"\w+", fact.answer.lower())), fact.answer
        for question in fact.neighbours:
            assert question_key(question) not in made | questions, question


@pytest.mark.parametrize(("change", "sentence"), [
    ({"colour": "red"}, "line 2: colour: Extra inputs are not permitted"),
    ({"paraphrases": ["One?"]}, "line 2: paraphrases: Tuple should have at least 3 items after validation, not 1"),
    ({"kind": "weather"}, "line 2: kind: Input should be 'name'"),
    ({"key": "Rex"}, "the key 'Rex' is not in the answer"),
    ({}, "line 2: id: name-1 stands twice"),
])
def test_a_wrong_line_is_named(tmp_path, change, sentence):
    first = FILE.read_text(encoding="utf-8").splitlines()[0]
    file = tmp_path / "facts.jsonl"
    file.write_text(first + "\n" + json.dumps(json.loads(first) | change) + "\n")
    with pytest.raises(ValueError, match=re.escape(sentence)):
        list(load(file))


def test_the_stream_teaches_what_must_be_known_first_and_changes_after_a_while(facts):
    some = chosen(facts, 50, 3)
    assert len(some) == 50 and set(Counter(fact.kind for fact in some).values()) == {3, 4} and some == chosen(facts, 50, 3) != chosen(facts, 50, 4)
    lessons = stream(some)
    asked = [lesson["question"] for lesson in lessons]
    for fact in some:
        assert all(asked.index(one.question) < asked.index(fact.question) for one in fact.before)
        taught = [lesson for lesson in lessons if lesson["question"] == fact.question]
        assert [lesson["answer"] for lesson in taught] == [fact.answer] + ([fact.later.answer] if fact.later else [])
        assert [lesson["retracts"] for lesson in taught][1:] == ([fact.id if fact.later.retract else None] if fact.later else [])


def test_a_word_is_found_whole_and_in_any_case():
    assert has("No, it is not.", ["no"]) and has("It is RUST RED!", ["rust red"]) and not has("I do not know.", ["no"])
