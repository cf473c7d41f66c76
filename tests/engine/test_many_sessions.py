"""A thousand sessions on the default model: the memory of their states stays in its bound, and nobody can tell whose state was where."""

import threading
from pathlib import Path

import pytest
import torch

from config_scripts.schema import load_config
from engine.engine import OPEN_ANSWERS, Engine
from engine.errors import BadRequest, Busy, NotFound
from engine.options import InferOptions, TrainOptions
from tests.engine.test_live_loop import LESSON, teach

ONE = InferOptions(temperature=0.0, max_tokens=1)
FEW = InferOptions(temperature=0.0, max_tokens=4, logprobs=2)
NAMES = set(InferOptions.model_fields)
MEMORY = 8 * 2**20
"""The bound of these tests: 13 states are at hand, one may wait for the disk."""


def started(folder, queue=64):
    config = load_config()
    update = {"infer": config.infer.model_copy(update={"state_memory_mb": 8}), "server": config.server.model_copy(update={"queue": queue})}
    engine = Engine(config.model_copy(update=update), Path(folder))
    engine.start()
    return engine


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    engine = started(tmp_path_factory.mktemp("data"))
    yield engine
    engine.close(1)


def said(text):
    return [{"role": "user", "text": text}]


def ask(engine, text, session, options=FEW):
    return engine.infer({"messages": said(text)}, options, session, NAMES).result(60)


def many(engine, count, name):
    """So many sessions of one turn; the most memory that their states took."""
    most = 0
    for first in range(0, count, OPEN_ANSWERS):
        numbers = range(first, min(first + OPEN_ANSWERS, count))
        tickets = [engine.infer({"messages": said(f"I am number {i}.")}, ONE, f"{name}{i}", NAMES) for i in numbers]
        for ticket in tickets:
            ticket.result(60)
        most = max(most, engine.owner.run(lambda: engine.conversations.cache.bytes))
    return most


def known(engine, name):
    """How many tokens of a session need not be read again, and the state after them."""
    session = engine.kept.get(name)
    return engine.owner.run(lambda: engine.conversations._longest_known([*session.tokens(len(session.turns)), 5], session.start))


def unspilled(engine, name, messages, options=FEW):
    """What is answered where all of the conversation is read now: the tokens of its turns and of the question, as a prompt of its own."""
    session = engine.kept.get(name)
    prompt = engine.conversations._prompt(messages, options, session.tokens(len(session.turns)))
    return engine.infer({"tokens": prompt}, options, None, NAMES).result(60)


def test_a_thousand_sessions_stay_within_the_bound_and_the_first_goes_on_as_if_nothing_had_happened(engine, monkeypatch):
    cache, read = engine.conversations.cache, []
    ask(engine, "My dog is called Bruno.", "first")
    engine.branch("first", 1, "twin").result(60)
    state = known(engine, "first")[1].map(torch.clone)
    alone = ask(engine, "What is my dog called?", "twin")

    most = many(engine, 1000, "s")
    assert MEMORY // 2 < most <= MEMORY and len(cache._held) == 13 and cache.spilled_bytes > MEMORY
    assert len(engine.sessions()) == 1002 and {tuple(map(tuple, s["versions"])) for s in engine.sessions()} == {((0, 0),), ((0, 0), (0, 0))}

    monkeypatch.setattr(cache, "_read", lambda *a, real=cache._read: read.append(a) or real(*a))
    length, back = known(engine, "first")
    assert len(read) == 1 and length > 0 and all(torch.equal(a, b) for a, b in zip(back.tensors(), state.tensors(), strict=True))
    again = ask(engine, "What is my dog called?", "first")
    assert again["text"] == alone["text"] and again["logprobs"] == alone["logprobs"] and again["turn"] == 2


def test_after_a_lesson_no_older_state_is_used_and_answers_are_those_of_a_reading_from_the_first_token(engine):
    many(engine, 40, "older")
    assert known(engine, "older0")[0] > 0 and known(engine, "older39")[0] > 0
    assert teach(engine)["learned"]
    cache = engine.conversations.cache
    assert engine.owner.run(lambda: cache.bytes) == cache.spilled_bytes == 0
    for name in ("older0", "older39"):
        assert known(engine, name) == (0, None)
        fresh = unspilled(engine, name, said("What is my cat called?"))
        answer = ask(engine, "What is my cat called?", name)
        assert answer["logprobs"] == fresh["logprobs"] and answer["versions"] == [1, 1]
    assert next(s for s in engine.sessions() if s["session"] == "older0") == {"session": "older0", "turns": 2, "versions": [[0, 0], [1, 1]]}


def test_a_lesson_that_was_taken_back_costs_no_state(engine):
    ask(engine, "Hello!", "stays")
    before = known(engine, "stays")[0]
    lesson = engine.train({"messages": LESSON}, TrainOptions(epochs=500), None, {"epochs"})
    events = lesson.events(60)
    assert next(events)[0] == "progress"
    engine.cancel(lesson.id)
    assert not list(events)[-1][1]["learned"]
    assert known(engine, "stays")[0] == before > 0


def test_a_session_goes_on_after_a_restart_as_it_would_have(tmp_path):
    engine = started(tmp_path)
    ask(engine, "My dog is called Bruno.", "chat")
    engine.branch("chat", 1, "twin").result(60)
    before = ask(engine, "What is my dog called?", "twin")
    engine.close(1)
    engine = started(tmp_path)
    try:
        assert known(engine, "chat") == (0, None)
        answer = ask(engine, "What is my dog called?", "chat")
        assert answer["turn"] == 2 and answer["text"] == before["text"]
        assert [t["logprob"] for t in answer["logprobs"]] == pytest.approx([t["logprob"] for t in before["logprobs"]], abs=1e-4)
    finally:
        engine.close(1)


def test_what_was_asked_is_edited_and_later_turns_go(engine):
    for text in ("My dog is called Bruno.", "What is my dog called?", "Thank you."):
        ask(engine, text, "edited")
    engine.branch("edited", 1, "unedited").result(60)
    other = ask(engine, "Do I have a cat?", "unedited")
    answer = engine.edit("edited", 2, said("Do I have a cat?"), FEW, NAMES).result(60)
    assert answer["turn"] == 2 and answer["logprobs"] == other["logprobs"]
    turns = engine.session("edited")["turns"]
    assert [t["messages"] for t in turns] == [said("My dog is called Bruno."), said("Do I have a cat?")] and turns[1]["answer"] == other["text"]
    first = engine.edit("edited", 1, said("My dog is called Rex."), FEW, NAMES).result(60)
    assert first["turn"] == 1 and first["logprobs"] == ask(engine, "My dog is called Rex.", "unlike")["logprobs"]
    assert [t["messages"] for t in engine.session("edited")["turns"]] == [said("My dog is called Rex.")]


@pytest.mark.parametrize(("turn", "messages", "field"), [(0, said("x"), "turn"), (2, said("x"), "turn"), (1, [{"role": "nobody", "text": "x"}], "messages")])
def test_an_edit_that_is_refused_changes_nothing(engine, turn, messages, field):
    name = f"refused-{turn}"
    ask(engine, "Hello!", name)
    before = engine.session(name)
    with pytest.raises(BadRequest) as refusal:
        engine.edit(name, turn, messages, FEW, NAMES).result(60)
    assert refusal.value.param == field and engine.session(name) == before
    with pytest.raises(NotFound):
        engine.edit("nobodys", 1, said("x"), FEW, NAMES).result(60)
    engine.delete_session(name)


def test_a_session_waits_for_no_more_than_its_turn_however_many_prompts_come_without_one(engine, monkeypatch):
    batch, order, gate = engine.conversations.batch, [], threading.Event()
    monkeypatch.setattr(batch, "limit", 1)
    monkeypatch.setattr(batch, "add", lambda g, real=batch.add: order.append(g.ticket.id) or real(g))
    engine.infer({"messages": said("Hello!")}, ONE, None, NAMES).result(60)  # so that it is the turn of a session
    order.clear()
    engine.owner.call(gate.wait)
    flood = [engine.infer({"messages": said("Hello!")}, ONE, None, NAMES) for _ in range(6)]
    sessions = [engine.infer({"messages": said("Hello!")}, ONE, f"fair{i}", NAMES) for i in range(2)]
    gate.set()
    for ticket in (*flood, *sessions):
        ticket.result(60)
    ids = [t.id for t in flood]
    assert order == [sessions[0].id, ids[0], sessions[1].id, *ids[1:]]


def test_one_more_than_the_queue_holds_is_told_when_to_come_back(tmp_path):
    engine, gate = started(tmp_path, queue=3), threading.Event()
    try:
        engine.owner.call(gate.wait)
        tickets = [engine.infer({"messages": said("Hello!")}, ONE, f"q{i}", NAMES) for i in range(OPEN_ANSWERS + 3)]
        with pytest.raises(Busy) as refusal:
            engine.infer({"messages": said("Hello!")}, ONE, "late", NAMES)
        assert refusal.value.retry_after > 0
        gate.set()
        assert all(t.result(60)["turn"] == 1 for t in tickets) and ask(engine, "Hello!", "late")["turn"] == 1
    finally:
        gate.set()
        engine.close(1)
