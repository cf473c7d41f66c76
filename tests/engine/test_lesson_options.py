"""What a request may ask of a lesson, with the embedded model: preview, objectives, anchor, schedule, and that all of it replays."""

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from config_scripts.schema import load_config
from engine.engine import Engine
from engine.errors import BadRequest
from engine.live_model import LiveModel, messages_of
from engine.options import InferOptions, TrainOptions
from models.sample import Sample
from tests.engine.by_adam import ADAM

QUESTION = [{"role": "user", "text": "What is a cat?"}]
RIGHT = "A cat is a purple robot."
GREEDY = InferOptions(temperature=0.0, max_tokens=40)


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    engine = started(tmp_path_factory.mktemp("data"))
    engine.save("start").result(60)
    yield engine
    engine.close(1)


@pytest.fixture(autouse=True)
def as_at_the_start(request):
    if "engine" in request.fixturenames:
        request.getfixturevalue("engine").load("start").result(60)


def started(folder):
    engine = Engine(load_config(overrides=ADAM), Path(folder))
    engine.start()
    return engine


def ask(engine, session=None):
    return engine.infer({"messages": QUESTION}, GREEDY, session, {"temperature", "max_tokens"}).result(60)["text"]


def teach(engine, source, **options):
    return engine.train(source, TrainOptions(**options), None, set(options)).result(120)


def lesson(**answer):
    return {"messages": [*QUESTION, {"role": "assistant", "text": RIGHT, **answer}]}


def log_p(engine, text):
    """Log-probability of an answer, nats."""
    sample = engine.model.template.encode(messages_of([*QUESTION, {"role": "assistant", "text": text}]))
    with torch.no_grad():
        logits, _ = engine.model.network(torch.tensor([sample.tokens[:-1]]))
    nll = F.cross_entropy(logits[0], torch.tensor(sample.tokens[1:]), reduction="none")
    return -float((nll * (torch.tensor(sample.weights[1:]) > 0)).sum())


def test_a_preview_shows_each_token_with_its_text_and_weight(engine):
    before = engine.weights()["digest"]
    told = teach(engine, {"messages": [{"role": "user", "text": "Hi there"}, {"role": "assistant", "text": "No.", "no_loss": True},
                                       {"role": "user", "text": "So?"}, {"role": "assistant", "text": "Yes it is.", "weight": 0.5}]},
                 dry_run=True, preview=True)
    (shown,) = told["preview"]
    assert "".join(t["text"] for t in shown) == "User: Hi there\n\nAssistant: No.\n\nUser: So?\n\nAssistant: Yes it is.\n\n"
    assert "".join(t["text"] for t in shown if t["weight"]) == " Yes it is.\n\n" and {t["weight"] for t in shown} == {0.0, 0.5}
    assert all(set(t) == {"token", "text", "weight"} for t in shown) and engine.weights()["digest"] == before
    every = teach(engine, {"tokens": [[5, 6, 7], [9, 8]]}, dry_run=True, preview=True)["preview"]
    assert [[t["weight"] for t in one] for one in every] == [[0.0, 1.0, 1.0], [0.0, 1.0]], "nothing predicts the first token"
    assert "preview" not in teach(engine, lesson(), dry_run=True)
    with pytest.raises(BadRequest) as refusal:
        teach(engine, lesson(), preview=True)
    assert refusal.value.param == "preview"


@pytest.mark.parametrize("objective", ["dpo", "unlikelihood"])
def test_an_objective_without_a_rejected_answer_is_refused(engine, objective):
    for source in (lesson(), lesson(rejected=RIGHT), {"text": "A text."}, {"lessons": [lesson(rejected="No."), lesson()]}):
        with pytest.raises(BadRequest, match="rejected") as refusal:
            teach(engine, source, objective=objective)
        assert refusal.value.param == "rejected"
    with pytest.raises(BadRequest, match="only the last message"):
        teach(engine, {"messages": [{"role": "assistant", "text": "Yes.", "rejected": "No."}, *lesson()["messages"]]})


@pytest.mark.parametrize("mode", ["plain", "wani-bot", "pico"])
def test_the_answer_before_the_correction_is_what_loses(engine, mode):
    fell = {}
    for objective in ("sft", "dpo", "unlikelihood"):
        engine.load("start").result(60)
        old = ask(engine, f"{mode}-{objective}")
        before = log_p(engine, old)
        options = {"objective": objective, "mode": mode, "ctx_len": 16, "beta": 0.5, "replay": 0, "general": 0}
        told = engine.correct(f"{mode}-{objective}", 1, RIGHT, True, TrainOptions(**options), None, set(options)).result(120)
        assert told["learned"] and told["loss_after"] <= 0.1 < told["loss_before"]
        assert ask(engine) == RIGHT
        fell[objective] = before - log_p(engine, old)
    assert fell["dpo"] > fell["sft"] and fell["unlikelihood"] > fell["sft"], fell


def test_lessons_of_every_kind_are_learned_again_to_the_bit(tmp_path):
    engine = started(tmp_path)
    ask(engine, "s")
    options = {"objective": "dpo", "kl": 0.5, "kl_texts": 2, "epochs": 2, "schedule": "cosine"}
    engine.correct("s", 1, RIGHT, True, TrainOptions(**options), None, set(options)).result(120)
    teach(engine, {"lessons": [lesson(rejected="No."), lesson(rejected="It is a dog.")]}, objective="unlikelihood", epochs=1, accumulate=2)
    teach(engine, {"tokens": [[5, 6], [5, 6, 7]]}, epochs=1, replay=2, general=1)
    teach(engine, lesson(), null_space=0.3, near=2, reword=1, epochs=2)
    last = engine.journal.records[-1]
    assert len(last["samples"]) == 2 and last["held"] and last["plan"]["accumulate"] == 2 and last["plan"]["null_space"] == 0.3
    record = engine.journal.records[-4]
    assert record["plan"]["kl"] == 0.5 and record["plan"]["replay"] == 8 and record["samples"][0]["rejected"]
    assert Sample.from_description(record["samples"][0]).describe() == {k: tuple(v) for k, v in record["samples"][0].items()}
    digest = engine.weights()["digest"]
    engine.close(1)
    again = started(tmp_path)
    assert again.weights()["digest"] == digest and again.versions.number == 4
    again.close(1)


@pytest.mark.parametrize("asked", [True, False])
def test_checkpointing_is_as_the_config_says(asked):
    assert LiveModel(load_config(overrides={"train.checkpoint_blocks": asked})).network.checkpoint_blocks is asked
