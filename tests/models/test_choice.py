"""What the verbs among the tags mean."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.choice import choose
from models.lesson import VERBS, Lesson
from models.message import Message

SAID = (Message("user", "Hi"), Message("assistant", "Yo"))


def tagged(*tags):
    return Lesson(SAID, tags=tags)


@pytest.mark.parametrize(
    ("tags", "taught", "measured", "resets"),
    [
        ((), True, False, False),
        (("train", "mine"), True, False, False),
        (("Reset",), True, False, True),
        (("skip", "train"), False, False, False),
        (("BENCHMARK", "train"), False, True, False),
        (("benchmark", "skip"), False, False, False),
    ],
)
def test_the_verbs_of_a_lesson(tags, taught, measured, resets):
    lesson = tagged(*tags)
    assert (lesson.taught, lesson.measured, lesson.resets) == (taught, measured, resets)
    assert lesson.verbs == {tag.lower() for tag in tags} & set(VERBS)


def test_where_one_is_marked_the_unmarked_are_set_aside():
    plain, marked, asked = tagged(), tagged("train"), tagged("benchmark")
    both = choose([plain, marked, asked])
    assert (both.taught, both.measured, both.set_aside) == ((marked,), (asked,), (plain,))
    alone = choose([plain, asked])
    assert (alone.taught, alone.measured, alone.set_aside) == ((plain,), (asked,), ())
    skipped = tagged("train", "skip")
    assert choose([plain, skipped]).taught == (plain,), "a mark on what is skipped marks nothing"


@given(st.lists(st.lists(st.sampled_from([*VERBS, "mine"]), max_size=3), max_size=6))
def test_every_lesson_has_one_place(tags):
    lessons = [tagged(*each) for each in tags]
    choice = choose(lessons)
    places = [*choice.taught, *choice.measured, *choice.set_aside]
    assert sorted(map(id, places)) == sorted(map(id, lessons))
    assert not any({"skip", "benchmark"} & lesson.verbs for lesson in choice.taught)
    assert len({"train" in lesson.verbs for lesson in choice.taught}) <= 1
