"""What a lesson repeats: the same, nearly the same, or the same question with another answer."""

import unicodedata
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.duplicates import NEAR, Duplicates, Finding, find_duplicates
from models.lesson import Lesson
from models.message import Message

STORY = "The old cat slept on the warm mat by the fire while the rain fell on the roof and the wind blew in the trees. "


def qa(question, answer, **fields):
    return Lesson((Message("user", question), Message("assistant", answer)), **fields)


CAT = qa("What is my cat called?", "Wanda.", line=1)


def kinds(*lessons):
    return [(finding.line, finding.kind, finding.of) for finding in find_duplicates(lessons)]


@pytest.mark.parametrize("again", [
    qa("What is my cat called?", "Wanda."),
    qa("  What is my\r\ncat called? ", "Wanda.\n"),
    replace(CAT, options={"lr": 1e-3}, tags=("x",), line=None),
    Lesson((Message("user", "What is my cat called?"), Message("assistant", "Wanda.", weight=0.5))),
])
def test_the_same_again_is_exact(again):
    assert find_duplicates([CAT, again]) == [Finding(2, "exact", 1, 1.0)]


def test_forms_of_a_letter_make_no_difference():
    assert kinds(Lesson(text="café"), Lesson(text=unicodedata.normalize("NFD", "café"))) == [(2, "exact", 1)]


def test_another_answer_is_a_conflict():
    mimi = qa("What is my cat called?", "Mimi.")
    (finding,) = find_duplicates([CAT, mimi])
    assert (finding.line, finding.kind, finding.of) == (2, "conflict", 1) and finding.similarity < NEAR
    # However alike the answers are.
    long = "We meet at the station in the north of the town, under the clock, on the third of May at {} in the afternoon."
    (finding,) = find_duplicates([qa("When?", long.format(3)), qa("WHEN？", long.format(4))])
    assert finding.kind == "conflict" and finding.similarity > NEAR


def test_an_answer_taken_back_is_both():
    mimi, wanda = qa("What is my cat called?", "Mimi."), replace(CAT, line=None)
    assert kinds(CAT, mimi, wanda, wanda, mimi) == [
        (2, "conflict", 1), (3, "exact", 1), (3, "conflict", 2), (4, "exact", 3), (5, "exact", 2), (5, "conflict", 4)]


@pytest.mark.parametrize("one, other", [
    (CAT, qa("What's my cat called?", "Wanda.")),
    (CAT, qa("what is my CAT called?", "wanda.")),
    (CAT, replace(CAT, messages=(CAT.messages[0], Message("user", "Wanda.")))),
    (qa("我的猫叫什么名字？", "你的猫叫旺达。"), qa("我的猫叫什么？", "你的猫叫旺达。")),
    (Lesson(text=STORY * 3), Lesson(text=STORY + STORY.replace("cat", "dog") + STORY)),
    (Lesson(text="我的猫今年三岁了，它很喜欢睡觉，也很喜欢吃鱼。"), Lesson(text="我的猫今年三岁了，它很喜欢睡觉，也很爱吃鱼。")),
])
def test_nearly_the_same_is_near(one, other):
    (finding,) = find_duplicates([one, other])
    assert finding.kind == "near" and finding.of == 1 and NEAR <= finding.similarity <= 1


@pytest.mark.parametrize("one, other", [
    (CAT, qa("What is my dog called?", "Rex.")),
    (qa("What is my cat called?", "Your cat is called Wanda."), qa("What is my dog called?", "Your dog is called Rex.")),
    (qa("What is the capital of France?", "Paris."), qa("What is the capital of Spain?", "Madrid.")),
    (qa("我的猫叫什么名字？", "你的猫叫旺达。"), qa("我的狗叫什么名字？", "你的狗叫雷克斯。")),
    (qa("What is a cat?", "I do not know."), qa("Who wrote Hamlet?", "I do not know.")),
    (Lesson(text="What is my cat called?"), Lesson((Message("assistant", "What is my cat called?"),))),
    (Lesson((Message("assistant", "Wanda."),)), Lesson((Message("assistant", "Mimi."),))),
    (Lesson(tokens=(1, 2)), Lesson(tokens=(12,))),
    (Lesson(text="1 2"), Lesson(tokens=(1, 2))),
])
def test_another_thing_is_nothing(one, other):
    assert find_duplicates([one, other]) == []


def test_the_question_is_all_that_came_before():
    said = (Message("user", "Hi"), Message("assistant", "Hello"))
    longer = Lesson((*said, *CAT.messages))
    assert "conflict" not in [kind for _, kind, _ in kinds(CAT, replace(longer, messages=(*longer.messages[:-1], Message("assistant", "Mimi."))))]
    assert kinds(longer, replace(longer, messages=(*longer.messages[:-1], Message("assistant", "Mimi.")))) == [(2, "conflict", 1)]


def test_tokens_are_the_same_or_not():
    assert kinds(Lesson(tokens=(1, 2, 3)), Lesson(tokens=(1, 2, 3))) == [(2, "exact", 1)]


def test_earlier_lessons_are_compared_with_and_left_alone():
    taught = Duplicates()
    assert taught.add("lesson-1", CAT) == []
    file = [qa("What is my cat called?", "Mimi.", line=4), replace(CAT, line=9), qa("What's my cat called?", "Wanda.", line=12)]
    found = find_duplicates(file, taught)
    assert [(f.line, f.kind, f.of) for f in found] == [(4, "conflict", "lesson-1"), (9, "exact", "lesson-1"), (9, "conflict", 4), (12, "near", "lesson-1")]
    assert find_duplicates(file, taught) == found
    assert [f.kind for f in taught.add("lesson-2", file[0])] == ["conflict"]


@pytest.mark.parametrize("cut", range(5, 45, 5))
def test_of_several_the_likest_is_named(cut):
    less, more, text = Lesson(text=STORY[cut:], line=1), Lesson(text=STORY[2:], line=2), Lesson(text=STORY, line=3)
    for earlier in ((less, more), (more, less)):
        assert [f.of for f in find_duplicates([*earlier, text]) if f.line == 3] == [2]


@given(texts=st.lists(st.tuples(st.sampled_from(["a?", "b?", "我?"]), st.sampled_from(["x", "y", "猫"])), max_size=8))
def test_findings_follow_from_who_came_before(texts):
    """Exact and conflict, as a loop over all earlier lessons would say it."""
    expected = set()
    for line, (question, answer) in enumerate(texts, start=1):
        same = [n for n, earlier in enumerate(texts[: line - 1], start=1) if earlier == (question, answer)]
        asked = [n for n, earlier in enumerate(texts[: line - 1], start=1) if earlier[0] == question]
        expected |= {(line, "exact", same[-1])} if same else set()
        expected |= {(line, "conflict", asked[-1])} if asked and texts[asked[-1] - 1][1] != answer else set()
    found = kinds(*(qa(*pair) for pair in texts))
    assert {f for f in found if f[1] != "near"} == expected


@given(cut=st.integers(0, 60))
def test_the_similarity_is_that_of_the_shingles(cut):
    one, other = (STORY * 2)[:120], (STORY * 2)[cut : cut + 120]
    shingles = [{t[i : i + 8].casefold() for i in range(len(t) - 7)} for t in (" ".join(one.split()), " ".join(other.split()))]
    jaccard = len(shingles[0] & shingles[1]) / len(shingles[0] | shingles[1])
    found = find_duplicates([Lesson(text=one), Lesson(text=other)])
    if jaccard > NEAR + 0.2:
        assert found and abs(found[0].similarity - jaccard) < 0.2
    if jaccard < NEAR - 0.2:
        assert not found
