"""What is trained, switched while the engine runs: only that moves, and a restart finds everything as it was."""

import dataclasses

import pytest
import torch

from config_scripts.schema import load_config
from engine.engine import Engine
from engine.errors import BadRequest, Conflict, DiskFull, NotFound
from tests.engine.by_adam import ADAM
from tests.engine.test_live_loop import LESSON, QUESTION, ask, bits, teach

LORA = {"what": "lora", "name": "mine", "rank": 8, "alpha": 16.0, "dropout": 0.1}
STATE = {"what": "state", "name": "mood"}


def started(folder):
    engine = Engine(load_config(overrides=ADAM), folder)
    engine.start()
    return engine


def train_this(engine, **chosen):
    return engine.train_this(chosen).result(60)


def own(engine):
    return engine.model.digest(own=True)


@pytest.mark.parametrize("chosen, options", [
    (LORA, {"lr": 3e-3, "epochs": 3}),
    ({"what": "miss", "name": "shared", "rank": 8}, {"lr": 3e-3, "epochs": 3}),
    (STATE, {"lr": 0.3, "epochs": 3}),
    ({"what": "parts", "parts": ["ffn"]}, {"lr": 1e-4, "epochs": 3}),
], ids=lambda x: x.get("what"))
def test_a_switch_trains_that_alone_and_a_restart_finds_it_from_journal_and_from_checkpoint(tmp_path, chosen, options):
    engine = started(tmp_path)
    teach(engine, epochs=1)
    before, whole = own(engine), dict(engine.model.own())
    kept = {name: t.clone() for name, t in whole.items()}
    told = train_this(engine, **chosen)
    assert told["trains"]["what"] == chosen["what"] and 0 < told["parameters"] < engine.model.parameters
    lesson = teach(engine, **options)
    assert lesson["learned"] and lesson["loss_after"] < lesson["loss_before"]
    if chosen["what"] == "parts":
        assert all(torch.equal(kept[n], t) == (".ffn." not in n or "x_k" in n) for n, t in engine.model.own().items())
    else:
        assert own(engine) == before, "the network's own weights stay as they are"
    answer, digest = ask(engine)["text"], engine.weights()["digest"]
    engine.close(1)
    again = started(tmp_path)
    assert again.weights()["digest"] == digest and ask(again)["text"] == answer and again.trains()["trains"] == told["trains"] | {
        "parts": tuple(told["trains"]["parts"]), "targets": tuple(told["trains"]["targets"])}
    again.save("kept").result(60)
    teach(again, **options)
    digest = again.weights()["digest"]
    again.close(1)
    third = started(tmp_path)
    assert third.weights()["digest"] == digest and third.weights()["checkpoint"] == "kept"
    third.close(1)


def test_a_refused_lesson_of_an_adapter_changes_no_bit(tmp_path, monkeypatch):
    engine = started(tmp_path)
    train_this(engine, **LORA)
    teach(engine, lr=3e-3, epochs=1)
    before = engine.weights()
    with monkeypatch.context() as m:
        m.setattr("engine.journal.os.fsync", lambda fd: (_ for _ in ()).throw(OSError(28, "No space left on device")))
        with pytest.raises(DiskFull):
            teach(engine, lr=3e-3, epochs=2)
    assert engine.weights() == before and bits(engine) == before["digest"]
    engine.close(1)


def test_adapters_are_swapped_merged_exported_imported_and_removed(tmp_path):
    engine = started(tmp_path)
    plain = ask(engine)["text"]
    train_this(engine, **LORA)
    teach(engine, lr=3e-3, until_loss=0.05, max_epochs=40)
    assert ask(engine)["text"] == LESSON[-1]["text"]
    assert engine.adapter("export", "mine").result(60)["path"] == "adapters/mine"
    train_this(engine, what="all")
    assert ask(engine)["text"] == plain and engine.trains()["adapters"][0]["in_use"] is False
    with pytest.raises(Conflict):
        engine.adapter("import", "mine").result(60)
    with pytest.raises(Conflict):
        engine.adapter("merge", None).result(60)
    engine.adapter("remove", "mine").result(60)
    engine.adapter("import", "mine").result(60)
    train_this(engine, **LORA)
    assert ask(engine)["text"] == LESSON[-1]["text"]
    before = own(engine)
    engine.adapter("merge", None).result(60)
    assert own(engine) != before and ask(engine)["text"] == LESSON[-1]["text"]
    train_this(engine, what="all")
    assert ask(engine)["text"] == LESSON[-1]["text"], "it is in the weights now"
    digest = engine.weights()["digest"]
    engine.close(1)
    again = started(tmp_path)
    assert again.weights()["digest"] == digest
    again.close(1)


def test_going_back_to_a_checkpoint_brings_its_adapters_back(tmp_path):
    engine = started(tmp_path)
    train_this(engine, **LORA)
    teach(engine, lr=3e-3, epochs=2)
    engine.save("with").result(60)
    digest = engine.weights()["digest"]
    train_this(engine, what="all")
    engine.adapter("remove", "mine").result(60)
    teach(engine, epochs=1)
    engine.load("with").result(60)
    assert engine.weights()["digest"] == digest and engine.trains()["trains"]["name"] == "mine"
    engine.close(1)


def test_a_changed_config_script_changes_what_is_trained_once(tmp_path):
    started(tmp_path).close(1)
    config = load_config(overrides=ADAM)
    lora = config.model_copy(update={"trains": config.trains.model_copy(update=LORA)})
    for _ in range(2):
        engine = Engine(lora, tmp_path)
        engine.start()
        assert engine.trains()["trains"]["what"] == "lora"
        assert sum(record["kind"] == "trains" for record in engine.journal.records) == 1
        engine.close(1)


@pytest.mark.parametrize("chosen, field", [
    ({"what": "lora", "rank": 4000}, "rank"),
    ({"what": "lora", "targets": ["att.nose"]}, "targets"),
    ({"what": "parts"}, "parts"),
])
def test_what_cannot_be_trained_is_refused_and_the_old_goes_on(tmp_path, chosen, field):
    engine = started(tmp_path)
    with pytest.raises(BadRequest, match=field) as refusal:
        train_this(engine, **chosen)
    assert refusal.value.param == field and engine.trains()["trains"] == dataclasses.asdict(engine.model.trains)
    with pytest.raises(NotFound):
        engine.adapter("export", "none").result(60)
    assert teach(engine, epochs=1)["learned"] and ask(engine, QUESTION)["text"]
    engine.close(1)
