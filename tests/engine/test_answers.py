"""Several answers to one request, and what given tokens cost: against plain calls of the network, and beside a lesson."""

import itertools
from pathlib import Path

import pytest
import torch

from config_scripts.schema import load_config
from engine.bundle import Bundle
from engine.engine import Engine
from engine.errors import BadRequest, Busy, EngineError
from engine.options import AnswerOptions, InferOptions, TrainOptions

CAT = {"messages": [{"role": "user", "text": "What is a cat?"}]}


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    engine = Engine(load_config(), Path(tmp_path_factory.mktemp("data")))
    engine.start()
    yield engine
    engine.close(1)


def ask(engine, sources, n=1, score=None, **options):
    return engine.answer("cmpl", sources, AnswerOptions(**options), set(options), n, score)


def scores(ticket):
    """The entries of each prompt, by index."""
    return {event["index"]: event["prompt"] for kind, event in ticket.events(60) if kind == "progress" and "prompt" in event}


def costs(engine, tokens):
    """Of each token after the first, by the network in plain torch."""
    def compute():
        with torch.inference_mode():
            logits, _ = engine.model.network(torch.tensor([tokens]))
        return torch.log_softmax(logits[0, :-1].double(), -1).gather(1, torch.tensor(tokens[1:])[:, None])[:, 0].tolist()
    return engine.owner.run(compute)


def test_costs_of_prompts_of_any_length(engine):
    draw = torch.Generator().manual_seed(1)
    prompts = [torch.randint(1, 4096, (length,), generator=draw).tolist() for length in (1, 2, 63, 64, 65, 255, 256, 257, 700)]
    found = scores(ask(engine, [{"tokens": p} for p in prompts], score=3, max_tokens=0))
    for index, tokens in enumerate(prompts):
        first, *rest = found[index]
        assert [e["token"] for e in found[index]] == tokens and first["logprob"] is None and first["top"] == []
        assert [e["logprob"] for e in rest] == pytest.approx(costs(engine, tokens), abs=1e-4)
        assert all(len(e["top"]) == 3 and e["top"][0]["logprob"] >= e["top"][2]["logprob"] for e in rest)
        assert all(e["logprob"] <= e["top"][0]["logprob"] and (e["logprob"] == e["top"][0]["logprob"]) == (e["token"] == e["top"][0]["token"]) for e in rest)


def test_costs_where_there_is_no_native_code(engine, monkeypatch):
    """As on a GPU: prompts of several lengths are padded and read together."""
    prompts = [{"tokens": list(range(5, 5 + length))} for length in (3, 40, 300, 1)]
    native = scores(ask(engine, prompts, score=1, max_tokens=0))
    monkeypatch.setattr(engine.conversations.batch, "_prefill", None)
    plain = scores(ask(engine, prompts, score=1, max_tokens=0))
    for index in native:
        assert [e["logprob"] for e in plain[index][1:]] == pytest.approx([e["logprob"] for e in native[index][1:]], abs=1e-4)


def test_an_answer_goes_on_from_a_prompt_that_was_scored(engine):
    plain = ask(engine, [{"text": "Once upon a time"}], max_tokens=12, temperature=0.0).result(60)["answers"][0]
    scored = ask(engine, [{"text": "Once upon a time"}], n=2, score=1, max_tokens=12, temperature=0.0).result(60)["answers"]
    assert [a["text"] for a in scored] == [plain["text"]] * 2 and scored[0]["usage"] == plain["usage"]


def test_n_answers_read_their_prompt_once(engine, monkeypatch):
    read = []
    forward = engine.conversations.batch._forward
    monkeypatch.setattr(engine.conversations.batch, "_forward", lambda tokens, *rest: read.append(tokens.shape) or forward(tokens, *rest))
    options = {"max_tokens": 15, "temperature": 2.0, "top_p": 1.0}
    together = ask(engine, [{"text": "Once upon a time there was"}], n=5, seed=40, **options).result(60)["answers"]
    assert len(read) == 1
    monkeypatch.undo()
    alone = [engine.infer({"text": "Once upon a time there was"}, InferOptions(seed=40 + i, **options), None, {"seed", *options}).result(60) for i in range(5)]
    assert [a["text"] for a in together] == [a["text"] for a in alone] and len({a["text"] for a in together}) > 1
    assert all(a["usage"] == b["usage"] for a, b in zip(together, alone, strict=True))


def test_chat_goes_on_beside_a_long_score(engine):
    long = ask(engine, [{"tokens": [5] * 100_000}], score=1, max_tokens=1)
    answer = ask(engine, [CAT], max_tokens=5, temperature=0.0).result(60)
    assert answer["answers"][0]["text"] and long.id in engine.tickets
    long.cancel()
    assert long.result(60)["answers"][0]["finish_reason"] == "cancelled" and not engine.conversations.scoring


def test_pieces_carry_their_log_probabilities(engine):
    events = list(ask(engine, [CAT], max_tokens=30, temperature=0.0, logprobs=1).events(60))
    said = [entry for kind, event in events if kind == "progress" for entry in event.get("logprobs", [])]
    answer = events[-1][1]["answers"][0]
    assert "".join(entry["text"] for entry in said).strip() == answer["text"] and answer["finish_reason"] == "stop"
    assert answer["logprobs"][: len(said)] == said and len(answer["logprobs"]) == len(said) + 1  # what ends it is in no piece


def test_a_bias_moves_and_bans(engine):
    [usual] = ask(engine, [CAT], max_tokens=1, temperature=0.0, logprobs=1).result(60)["answers"]
    token = usual["logprobs"][0]["token"]
    [other] = ask(engine, [CAT], max_tokens=1, temperature=0.0, logprobs=1, logit_bias={token: -100.0}).result(60)["answers"]
    [forced] = ask(engine, [CAT], max_tokens=1, temperature=0.0, logprobs=1, logit_bias={777: 100.0, 10**6: 100.0}).result(60)["answers"]
    assert other["logprobs"][0]["token"] != token and forced["logprobs"][0]["token"] == 777


def test_one_bad_prompt_refuses_all(engine):
    with pytest.raises(BadRequest):
        ask(engine, [{"text": "good"}, {"tokens": [10**6]}], max_tokens=5).result(60)
    assert ask(engine, [{"text": "good"}], max_tokens=2).result(60)["answers"]
    assert len(engine.tickets) == 0


def test_answers_go_on_during_a_lesson_and_figures_count(engine):
    before = engine.figures()
    lesson = engine.train({"messages": [*CAT["messages"], {"role": "assistant", "text": "A cat is a pet."}]}, TrainOptions(epochs=2), None, {"epochs"})
    found = ask(engine, [CAT, {"text": "The"}], n=2, max_tokens=6).result(60)["answers"]
    assert len(found) == 4 and lesson.result(120)["learned"]
    after = engine.figures()
    read, written = (sum(a["usage"][name] for a in found) for name in ("prompt_tokens", "completion_tokens"))
    assert (after["tokens_read"] - before["tokens_read"], after["tokens_written"] - before["tokens_written"]) == (read, written)
    assert after["lessons_learned"] == before["lessons_learned"] + 1 and after["version"] == before["version"] + 1
    assert after["journal_bytes"] > before["journal_bytes"] and after["training_seconds"] > before["training_seconds"] and after["last_loss"] > 0
    assert after["open_answers"] == after["queue_depth"] == 0
    engine.train({"text": "x"}, TrainOptions(dry_run=True, train_on="all"), None, {"dry_run", "train_on"}).result(60)
    assert engine.figures()["lessons_refused"] == after["lessons_refused"]


def test_a_failed_score_ends_its_ticket_and_nothing_else(engine, monkeypatch):
    monkeypatch.setattr(engine.conversations.batch, "hidden", lambda *a: 1 / 0)
    with pytest.raises(EngineError, match="failed while it was reading"):
        ask(engine, [{"text": "x"}], n=3, score=1, max_tokens=1).result(60)
    monkeypatch.undo()
    assert scores(ask(engine, [{"text": "x"}], score=1, max_tokens=1))


def test_weights_that_give_nan_are_told(engine, monkeypatch):
    monkeypatch.setattr(engine.conversations.batch.network.head, "forward", lambda x: x.new_full((*x.shape[:-1], 4096), float("nan")))
    with pytest.raises(EngineError, match="not finite"):
        ask(engine, [{"text": "x"}], score=1, max_tokens=1).result(60)


def test_a_bundle_ends_once_and_wakes_everyone():
    ended, woken = [], []
    bundle = Bundle("cmpl", ended.append, 3)
    for index, part in enumerate(bundle.parts):
        part.on_caught_up = lambda index=index: woken.append(index)
    bundle.parts[1].on_caught_up = None
    bundle.parts[0].progress({"text": "a"})
    bundle.parts[2].fail(Busy("no"))
    bundle.parts[0].finish({"n": 0})
    bundle.parts[1].fail(Busy("late"))
    events = bundle.events(5)
    assert next(events) == ("progress", {"index": 0, "text": "a"})
    with pytest.raises(Busy, match="no"):
        list(events)
    assert ended == [bundle] and sorted(woken) == [0, 2] and all(part.cancelled.is_set() for part in bundle.parts)


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_a_bundle_is_whole_when_its_last_answer_is_there(order):
    bundle = Bundle("cmpl", None, 3)
    for index in order:
        assert bundle.outcome is None
        bundle.parts[index].finish({"n": index})
    *parts, (kind, whole) = bundle.events(5)
    assert kind == "final" and whole == {"id": bundle.id, "answers": [{"n": 0}, {"n": 1}, {"n": 2}]} and [e["index"] for _, e in parts] == list(order)
