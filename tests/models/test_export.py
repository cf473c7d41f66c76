"""Lessons written in every form and read again; what is lost is told."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.dataset import read
from models.export import FORMS, export
from models.lesson import Lesson
from models.message import Message
from models.role import G1_ROLES, Role, Roles

ASKED, ANSWERED, SYSTEM = Message("user", "My cat?"), Message("assistant", "Wanda."), Message("system", "Be kind.")
CHAT = (ASKED, ANSWERED)
LONG = (SYSTEM, *CHAT, Message("user", "And my dog?\n\n* Rex?"), Message("assistant", "#+begin_src\n,* x\n#+end_src\n# y: 1"))


def again(exported, roles=G1_ROLES):
    dataset = read(exported.content, f"again{exported.suffix}", roles=roles)
    assert dataset.problems == () and len(dataset.lessons) == exported.lessons
    return [(lesson.messages, lesson.text, lesson.tokens, dict(lesson.options), lesson.tags) for lesson in dataset.lessons]


def bare(lesson):
    return lesson.messages, lesson.text, lesson.tokens, dict(lesson.options), lesson.tags


@pytest.mark.parametrize("form", ["messages", "openai", "sharegpt", "alpaca", "prompt", "org"])
def test_conversations_come_back_as_they_were(form):
    chats = [Lesson(CHAT), Lesson((SYSTEM, *CHAT)), Lesson((Message("user", "一\n二"), Message("assistant", "three: 3")))]
    exported = export(chats, form)
    assert exported.losses == () and again(exported) == list(map(bare, chats))
    if exported.suffix == ".jsonl":
        assert read(exported.content, "a.jsonl").form == form


@pytest.mark.parametrize("form", ["messages", "openai", "sharegpt", "alpaca"])
def test_several_turns_come_back(form):
    exported = export([Lesson(LONG)], form)
    assert exported.losses == () and again(exported) == [bare(Lesson(LONG))]


@pytest.mark.parametrize("form", ["messages", "text", "plain"])
def test_texts_come_back_as_they_were(form):
    texts = [Lesson(text="Once upon a time.\n\n  The end."), Lesson(text="* 你好")]
    exported = export(texts, form)
    assert exported.losses == () and again(exported) == list(map(bare, texts))


FULL = Lesson((SYSTEM, Message("user", "Hi"), Message("assistant", "Yo", weight=0.8), Message("user", "Go on"), Message("assistant", "No", no_loss=True),
               Message("user", "Why?"), Message("assistant", "Because.", weight=0.6)), options={"lr": 1e-05, "keep_state": True, "mode": "pico"}, tags=("train", "mine"))  # fmt: skip


def test_what_each_form_does_not_carry():
    lost = {form: [loss.message for loss in export([FULL], form).losses] for form in FORMS}
    assert lost == {
        "messages": [],
        "org": [],
        "openai": ["the form openai does not carry the options and the tags"],
        "sharegpt": ["the form sharegpt does not carry the weights and the options and the tags"],
        "alpaca": ["the form alpaca does not carry the weights and the options and the tags"],
        "prompt": ["the form prompt does not carry the weights and the options and the tags"],
        "text": ["the form text does not carry who says what and the exact text and the weights and the options and the tags"],
        "plain": ["the form plain does not carry who says what and the exact text and the weights and the options and the tags"],
    }
    for form in ("messages", "org"):
        assert again(export([FULL], form)) == [bare(FULL)]


@pytest.mark.parametrize(
    ("lesson", "form", "told"),
    [
        (Lesson(text="a"), "openai", "the lesson is left out: this form holds conversations only"),
        (Lesson(text="a"), "org", "the lesson is left out: this form holds conversations only"),
        (Lesson(tokens=(1,)), "plain", "the lesson is left out: tokens are not text"),
        (Lesson((ASKED, ASKED, ANSWERED)), "alpaca", "the lesson is left out: this form holds turns of user and assistant, one after the other"),
        (Lesson((ASKED,), options={"train_on": "all"}), "sharegpt", "the lesson is left out: the record is left out: no message of it answers"),
        (Lesson(text="a\n<|endoftext|>\nb"), "plain", "the lesson is left out: it would be read as several"),
        (Lesson(text="\n a \n\n"), "plain", "the form plain does not carry the exact text"),
        (Lesson((ASKED, Message("assistant", "a", weight=0.5))), "org", "the form org does not carry the weights"),
        (Lesson((ASKED, Message("assistant", "  a\n  b"))), "org", "the form org does not carry the exact text"),
        (Lesson(CHAT, tags=("two words", "one")), "org", "the form org does not carry the tags"),
        (Lesson((ASKED, Message("assistant", "a", rejected="b"))), "openai", "the form openai does not carry the rejected answer"),
        (Lesson(CHAT, after=(5, 6)), "messages", "the form messages does not carry what the conversation goes on from"),
    ],
)
def test_a_loss_is_one_sentence_with_the_number_of_the_lesson(lesson, form, told):
    exported = export([lesson, Lesson(CHAT) if lesson.messages else lesson], form)
    assert exported.losses[0].lesson == 1 and exported.losses[0].message.startswith(told)
    assert exported.lessons + sum("left out" in loss.message for loss in exported.losses) == 2


def test_a_form_as_others_write_it():
    record = lambda form, *lesson: json.loads(export([Lesson(lesson)], form).content)  # noqa: E731
    no_loss = Message("assistant", "No", no_loss=True)
    assert record("openai", *CHAT, ASKED, no_loss)["messages"][2:] == [{"role": "user", "content": "My cat?"}, {"role": "assistant", "content": "No", "weight": 0}]
    assert record("sharegpt", SYSTEM, *CHAT)["conversations"] == [{"from": "system", "value": "Be kind."}, {"from": "human", "value": "My cat?"}, {"from": "gpt", "value": "Wanda."}]
    assert record("alpaca", SYSTEM, *CHAT, *CHAT) == {"instruction": "My cat?", "input": "", "output": "Wanda.", "system": "Be kind.", "history": [["My cat?", "Wanda."]]}
    assert record("prompt", *CHAT) == {"prompt": "My cat?", "completion": "Wanda."}
    assert record("prompt", ASKED, no_loss, *CHAT) == {
        "prompt": [{"role": "user", "content": "My cat?"}, {"role": "assistant", "content": "No", "weight": 0}, {"role": "user", "content": "My cat?"}],
        "completion": [{"role": "assistant", "content": "Wanda."}],
    }
    assert record("text", *CHAT) == {"text": "User: My cat?\n\nAssistant: Wanda."}
    assert export([Lesson(CHAT), FULL], "org").content.decode() == (
        "#+TODO: SYSTEM USER | ASSISTANT\n\n* Lesson 1\n** USER My cat?\n** ASSISTANT Wanda.\n\n"
        "* Lesson 2 :train:mine:\n:PROPERTIES:\n:lr: 1e-05\n:keep_state: true\n:mode: pico\n:END:\n"
        "** SYSTEM Be kind.\n** USER Hi\n** ASSISTANT [#B] Yo\n** USER Go on\n** ASSISTANT No :no_loss:\n** USER Why?\n** ASSISTANT [#C] Because.\n\n"
    )


def test_nothing_and_an_unknown_form():
    for form in FORMS:
        assert export([], form).content == b"" and export([], form).lessons == 0
    with pytest.raises(ValueError, match="form must be one of messages, openai, sharegpt, alpaca, prompt, text, org, plain, not 'csv'"):
        export([], "csv")


def test_roles_of_our_own_come_back():
    roles = Roles([Role("猫", "猫：", "\n"), Role("wanda", (7,), (8,), answers=True)])
    lesson = Lesson((Message("猫", "你好"), Message("wanda", "hello")))
    for form in ("messages", "openai", "sharegpt", "alpaca", "prompt", "org"):
        exported = export([lesson], form, roles)
        assert exported.losses == () and again(exported, roles) == [bare(lesson)]


words = st.text(alphabet="ab *#+:,[]你\n\t\"'\\{}", min_size=1, max_size=25).filter(str.strip) | st.sampled_from(
    ["<|endoftext|>", ":PROPERTIES:\n:x: y\n:END:", "SCHEDULED: <2026-01-01>", "# note", "[#A] x", "USER", "a :train:", "\u2028", "a\r\nb"]
)
speech = st.builds(Message, st.sampled_from(list(G1_ROLES)), words, st.sampled_from([1.0, 0.8, 0.5, 0.0]), st.booleans())
tags = st.lists(st.sampled_from(["train", "mine", "no_loss", "x y"]), max_size=2, unique=True)
lessons = st.builds(lambda said, options, tags: Lesson(said, options=options, tags=tags), st.lists(speech, min_size=1, max_size=5),
                    st.sampled_from([{}, {"lr": 0.1}, {"train_on": "all", "checks": False}]), tags) | words.map(lambda text: Lesson(text=text))  # fmt: skip


@given(st.lists(lessons, max_size=4), st.sampled_from(FORMS))
def test_what_is_not_told_as_lost_is_there_again(given_lessons, form):
    exported = export(given_lessons, form)
    dataset = read(exported.content, f"a{exported.suffix}")
    left_out = {loss.lesson for loss in exported.losses if "left out" in loss.message}
    assert len(dataset.lessons) == exported.lessons == len(given_lessons) - len(left_out)
    told = {loss.lesson: loss.message for loss in exported.losses}
    there = [(number, lesson) for number, lesson in enumerate(given_lessons, start=1) if number not in left_out]
    for (number, before), after in zip(there, dataset.lessons, strict=True):
        said = lambda lesson: ([(m.role, m.text, 0 if m.no_loss else m.weight) for m in lesson.messages], lesson.text, dict(lesson.options), set(lesson.tags))  # noqa: E731
        assert said(before) == said(after) or number in told
