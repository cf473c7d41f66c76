"""The engine with the embedded model: ask, correct, learn, ask again; and what must hold around it."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch

from config_scripts.schema import load_config
from engine.engine import Engine
from engine.errors import BadRequest, Conflict, DiskFull, NotFound
from engine.options import InferOptions, TrainOptions

QUESTION = [{"role": "user", "text": "What is my cat called?"}]
LESSON = [*QUESTION, {"role": "assistant", "text": "Your cat is called Wanda."}]
GREEDY = InferOptions(temperature=0.0, max_tokens=40)
NAMES = {"temperature", "max_tokens"}


def started(folder):
    engine = Engine(load_config(), Path(folder))
    engine.start()
    return engine


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    engine = started(tmp_path_factory.mktemp("data"))
    yield engine
    engine.close(1)


def bits(engine):
    """The digest of the weights as they lie in memory now; /weights keeps one it made for the same stamp."""
    return engine.owner.run(engine.model.digest)


def ask(engine, messages=QUESTION, session=None, options=GREEDY, names=NAMES):
    return engine.infer({"messages": messages}, options, session, set(names)).result(60)


def teach(engine, messages=LESSON, key=None, **options):
    return engine.train({"messages": messages}, TrainOptions(**options), key, set(options)).result(120)


def test_a_corrected_answer_is_known_at_once_and_after_a_restart(tmp_path):
    engine = started(tmp_path)
    others = [[{"role": "user", "text": t}] for t in ("What is a cat?", "What color is the sky?")]
    before = [ask(engine, m)["text"] for m in others]
    assert "Wanda" not in ask(engine)["text"]
    lesson = teach(engine)
    assert lesson["learned"] and lesson["loss_after"] <= 0.1 < lesson["loss_before"] and lesson["version"] == 1
    answer = ask(engine)
    assert answer["text"] == "Your cat is called Wanda." and answer["versions"] == [1, 1] and answer["finish_reason"] == "stop"
    assert [ask(engine, m)["text"] for m in others] == before
    digest = engine.weights()["digest"]
    engine.close(1)
    again = started(tmp_path)  # from the journal alone: nothing was saved
    assert again.weights() == {"version": 1, "digest": digest, "checkpoint": None, "lessons_since_checkpoint": 1}
    saved = again.save("default").result(60)
    assert saved["version"] == 1 and again.checkpoints()[0]["sha256"] == saved["sha256"]
    again.close(1)
    third = started(tmp_path)  # from the checkpoint
    assert third.weights()["digest"] == digest and third.weights()["lessons_since_checkpoint"] == 0
    assert ask(third)["text"] == "Your cat is called Wanda."
    third.close(1)


def test_the_same_seed_gives_the_same_answer_whoever_else_is_served(engine):
    options = InferOptions(seed=11, max_tokens=30)
    alone = ask(engine, options=options, names={"seed", "max_tokens"})["text"]
    with ThreadPoolExecutor(8) as pool:
        crowd = list(pool.map(lambda seed: ask(engine, options=InferOptions(seed=seed, max_tokens=30), names={"seed", "max_tokens"})["text"], [11] * 4 + [5, 6, 7, 8]))
    assert crowd[:4] == [alone] * 4


def test_pieces_joined_are_the_answer(engine):
    events = list(engine.infer({"messages": QUESTION}, GREEDY, None, NAMES).events(60))
    pieces = "".join(e["text"] for kind, e in events if kind == "progress")
    assert events[-1][0] == "final" and pieces == events[-1][1]["text"]


def test_a_session_keeps_its_state_and_gives_what_the_whole_conversation_gives(engine):
    said = [{"role": "user", "text": "My dog is called Bruno."}]
    asked = [{"role": "user", "text": "What is my dog called?"}]
    first = ask(engine, said, "kept")
    second = ask(engine, asked, "kept")
    whole = ask(engine, [*said, {"role": "assistant", "text": first["text"]}, *asked])
    assert second["text"] == whole["text"] and second["turn"] == 2
    assert engine.conversations.cache.bytes > 0
    engine.branch("kept", 1, "branch").result(60)
    assert ask(engine, asked, "branch")["text"] == second["text"]
    assert engine.regenerate("kept", 2, GREEDY, NAMES).result(60)["text"] == second["text"]
    with pytest.raises(Conflict):
        engine.branch("kept", 1, "branch").result(60)
    engine.delete_session("branch")
    with pytest.raises(NotFound):
        engine.session("branch")


def test_a_state_of_older_weights_is_made_again(engine):
    ask(engine, [{"role": "user", "text": "Hello!"}], "older")
    teach(engine, [{"role": "user", "text": "Where is my hat?"}, {"role": "assistant", "text": "Your hat is in the car."}])
    session = engine.kept.get("older")
    assert engine.conversations._longest_known([*session.tokens(1), 5], 0) == (0, None)
    assert ask(engine, [{"role": "user", "text": "Where is my hat?"}], "older")["versions"][0] == engine.versions.number


def test_chat_streams_while_a_lesson_is_learned(engine):
    lesson = engine.train({"messages": LESSON}, TrainOptions(epochs=6, checks=False), None, {"epochs", "checks"})
    answers = [engine.infer({"text": "Once upon a time"}, InferOptions(max_tokens=60, ban_tokens=[0]), None, {"max_tokens", "ban_tokens"}) for _ in range(3)]
    order = []
    with ThreadPoolExecutor(4) as pool:
        watch = lambda name, ticket: [order.append(name) for _ in ticket.events(60)]  # noqa: E731
        list(pool.map(watch, ["lesson", "a", "b", "c"], [lesson, *answers]))
    inside = order[order.index("lesson") : len(order) - order[::-1].index("lesson")]
    assert set(inside) >= {"lesson", "a"}, "answers stood still while the lesson ran"


@pytest.mark.parametrize("poison", [float("nan"), float("inf"), 1e30])
@pytest.mark.parametrize("mode", ["plain", "wani-bot", "pico"])
def test_a_poisoned_step_changes_no_bit(engine, monkeypatch, poison, mode):
    before, version = bits(engine), engine.versions.number
    with monkeypatch.context() as m:
        import rwkv_models.chunks as chunks

        real = chunks.weighted_loss
        m.setattr(chunks, "weighted_loss", lambda *a: (lambda loss: None if loss is None else loss * poison)(real(*a)))
        answer = teach(engine, mode=mode, ctx_len=8)
    assert not answer["learned"] and "nothing was learned" in answer["reason"]
    assert bits(engine) == engine.weights()["digest"] == before and engine.versions.number == version
    assert teach(engine, mode=mode, ctx_len=8, epochs=1)["learned"]


def test_a_lesson_that_the_journal_refuses_is_taken_back(engine, monkeypatch):
    before = engine.weights()["digest"]
    with monkeypatch.context() as m:
        m.setattr("engine.journal.os.fsync", lambda fd: (_ for _ in ()).throw(OSError(28, "No space left on device")))
        with pytest.raises(DiskFull, match="No space left.*nothing was learned"):
            teach(engine)
    assert bits(engine) == engine.weights()["digest"] == before


def test_a_cancelled_lesson_leaves_the_weights_as_they_were(engine):
    before = engine.weights()["digest"]
    ticket = engine.train({"messages": LESSON}, TrainOptions(epochs=500), None, {"epochs"})
    events = ticket.events(60)
    assert next(events)[0] == "progress"
    engine.cancel(ticket.id)
    *_, (kind, final) = events
    assert kind == "final" and not final["learned"] and "cancelled" in final["reason"]
    assert bits(engine) == engine.weights()["digest"] == before


def test_a_cancelled_answer_ends_within_a_token(engine):
    ticket = engine.infer({"text": "Once"}, InferOptions(max_tokens=100_000, ban_tokens=[0]), None, {"max_tokens", "ban_tokens"})
    events = ticket.events(60)
    next(events)
    ticket.cancel()
    *_, (_, final) = events
    assert final["finish_reason"] == "cancelled"


def test_a_repeated_key_learns_once(engine):
    first = teach(engine, key="one-key", epochs=1)
    digest = engine.weights()["digest"]
    assert teach(engine, key="one-key", epochs=1) == first and engine.weights()["digest"] == digest
    with pytest.raises(Conflict):
        teach(engine, [*QUESTION, {"role": "assistant", "text": "Other."}], key="one-key")


def test_a_dry_run_changes_nothing(engine):
    before = engine.weights()
    answer = teach(engine, dry_run=True)
    assert not answer["learned"] and answer["loss_before"] == answer["loss_after"] and engine.weights() == before


def test_the_bands_scale_the_size_of_the_change(engine):
    mill = [{"role": "user", "text": "Who lives in the mill?"}, {"role": "assistant", "text": "Gregor and his three goats live there."}]

    def change(**bands):
        with torch.no_grad():
            before = {n: p.clone() for n, p in engine.model.network.named_parameters()}
            teach(engine, mill, epochs=1, lr=1e-5, **bands)
            moved = sum(float((p - before[n]).square().sum()) for n, p in engine.model.network.named_parameters()) ** 0.5
        return moved

    plain = change()
    assert change(min_loss=50.0, max_loss=60.0, min_loss_fix=0.05) / plain == pytest.approx(0.05, rel=0.1)
    assert change(max_loss=1e-6, min_loss=0.0, max_loss_fix=2.0) / plain == pytest.approx(2.0, rel=0.1)


@pytest.mark.parametrize(("messages", "field"), [
    ([{"role": "user", "text": "no answer here"}], "messages"),
    ([{"role": "nobody", "text": "x"}, {"role": "assistant", "text": "y"}], "messages"),
    ([*QUESTION, {"role": "assistant", "text": "y", "no_loss": True}], "messages"),
])
def test_lessons_that_teach_nothing_are_refused(engine, messages, field):
    with pytest.raises(BadRequest) as refusal:
        teach(engine, messages)
    assert refusal.value.param == field


def test_loading_puts_the_saved_weights_back(engine):
    engine.save("before").result(60)
    digest, version = engine.weights()["digest"], engine.versions.number
    teach(engine, epochs=1)
    assert engine.weights()["digest"] != digest
    assert engine.load("before").result(60) == {"name": "before", "version": version}
    assert engine.weights()["digest"] == digest


@pytest.mark.parametrize("damage", ["truncated", "flipped", "missing"])
def test_a_damaged_checkpoint_is_refused_and_the_model_untouched(engine, damage):
    name = f"bad-{damage}"
    engine.save(name).result(60)
    file = engine.past.store.find(name).folder / "model.safetensors"
    data = bytearray(file.read_bytes())
    if damage == "missing":
        file.unlink()
    else:
        data[len(data) // 2] ^= 1
        file.write_bytes(data[: len(data) // 2] if damage == "truncated" else data)
    before = engine.weights()["digest"]
    with pytest.raises(BadRequest, match="damaged"):
        engine.load(name).result(60)
    assert engine.weights()["digest"] == before


def test_a_file_of_lessons_is_read_and_taught(engine):
    rows = [{"messages": [{"role": "user", "text": f"What is {i} plus one?"}, {"role": "assistant", "text": f"{i + 1}"}]} for i in range(2)]
    content = "\n".join([json.dumps(rows[0]), "{broken", json.dumps(rows[1])])
    told = engine.load_data({"name": "sums", "content": content, "format": "jsonl", "train": True, "passes": 1, "shuffle": False}, TrainOptions(), set()).result(120)
    assert told["lessons"] == 2 and [p["line"] for p in told["problems"]] == [2] and told["learned"] and told["learned_lessons"] == 2
    assert engine.datasets()["datasets"][-1]["dataset"] == "sums"
    (engine.data / "token").write_text("secret")
    for path in ("none.jsonl", "token", "journal", "sessions/kept.json"):
        with pytest.raises(NotFound):
            engine.load_data({"path": path}, TrainOptions(), set())
