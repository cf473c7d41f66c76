"""Versions: gone back to to the bit, asked without touching the present, compared, and made again without one lesson."""

import time

import pytest

from config_scripts.schema import load_config
from engine.checkpoints import Checkpoint
from engine.engine import Engine
from engine.errors import BadRequest, Conflict, DiskFull, NotFound
from engine.options import InferOptions, TrainOptions
from tests.engine.by_adam import ADAM
from tests.engine.test_live_loop import GREEDY, NAMES, QUESTION, ask

COLOURS = ["red", "blue", "green", "brown"]
SAVE = {"save.every_lessons": 2, "save.recent_memory_mb": 0}
REPLAYED = TrainOptions(epochs=2, replay=2, general=1)
GIVEN = {"epochs", "replay", "general"}


def started(data, settings):
    engine = Engine(load_config(overrides=ADAM | settings), data)
    engine.start()
    return engine


def fact(colour):
    return {"messages": [{"role": "user", "text": f"What is {colour}?"}, {"role": "assistant", "text": f"My {colour} thing."}]}


def teach(engine, colour):
    return engine.train(fact(colour), REPLAYED, None, GIVEN).result(60)


def with_lessons(data, settings):
    """An engine with four lessons, and the digest of each version."""
    engine = started(data, settings)
    digests = [engine.weights()["digest"]]
    for colour in COLOURS:
        teach(engine, colour)
        digests.append(engine.weights()["digest"])
    return engine, digests


@pytest.fixture(params=[{}, SAVE], ids=["copies in memory", "relearned in a second model"])
def taught(request, tmp_path):
    engine, digests = with_lessons(tmp_path, request.param)
    yield engine, digests
    if engine.owner._thread.is_alive():  # a test that starts another on the same folder has closed it
        engine.close(1)


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    engine, digests = with_lessons(tmp_path_factory.mktemp("data"), SAVE)
    yield engine, digests
    engine.close(1)


@pytest.fixture
def four(shared):
    """The same engine for all that only look, at its fourth version."""
    shared[0].rollback(4).result(60)
    return shared


def restarted(engine, data):
    engine.close(1)
    return started(data, SAVE)


def test_every_version_comes_back_to_the_bit_and_numbers_are_never_used_twice(taught, tmp_path):
    engine, digests = taught
    for version in (3, 1, 4, 0, 2):
        told = engine.rollback(version).result(60)
        assert told["version"] == version and engine.weights()["version"] == version
        assert engine.weights()["digest"] == digests[version]
    assert [len(told["left"]) for told in [engine.rollback(4).result(60), engine.rollback(1).result(60)]] == [0, 3]
    assert teach(engine, "pink")["version"] == 5
    branch = engine.weights()["digest"]
    assert engine.rollback(4).result(60)["left"] and engine.weights()["digest"] == digests[4]
    assert engine.rollback(5).result(60)["version"] == 5 and engine.weights()["digest"] == branch
    again = restarted(engine, tmp_path)
    assert again.weights()["digest"] == branch and again.weights()["version"] == 5
    assert [s.tokens for s in again.lessons.learner.earlier.samples] == [s.tokens for s in engine.lessons.learner.earlier.samples]
    assert teach(again, "white")["version"] == 6
    again.close(1)


def test_an_answer_as_of_a_version_is_that_of_then_and_the_present_stays(four):
    engine, digests = four
    greedy = InferOptions(max_tokens=8, temperature=0.0)
    then = engine.infer({"messages": QUESTION}, greedy, None, {"max_tokens", "temperature"}, as_of="2").result(60)
    assert then["versions"] == [2, 2] and engine.weights()["digest"] == digests[4]
    engine.rollback(2).result(60)
    assert engine.infer({"messages": QUESTION}, greedy, None, {"max_tokens", "temperature"}).result(60)["text"] == then["text"]
    with pytest.raises(BadRequest, match="never had version 99"):
        engine.infer({"messages": QUESTION}, greedy, None, set(), as_of="99")
    with pytest.raises(BadRequest, match="a session goes on with the present weights"):
        engine.infer({"messages": QUESTION}, greedy, "talk", set(), as_of="2")


@pytest.mark.parametrize("moment", ["1999-01-01T00:00:00Z", "tx:0"])
def test_before_everything_there_is_no_answer(four, moment):
    with pytest.raises(BadRequest, match=f"as_of: {moment} is before all that was taught here"):
        four[0].infer({"messages": QUESTION}, InferOptions(), None, set(), as_of=moment)


def test_a_lesson_undone_in_the_middle_leaves_what_the_others_alone_would_have_made(taught, tmp_path):
    engine, digests = taught
    rows = {row["version"]: row for row in engine.version_list()}
    second = rows[2]["lesson"]
    told = engine.undo(second).result(60)
    assert (told["version"], told["relearned"]) == (5, 2)
    undone = engine.weights()["digest"]
    assert undone not in digests
    assert [s.tokens for s in engine.lessons.learner.earlier.samples] == \
        [s.tokens for r in engine.past.history.lessons() for s in samples(r)] and len(engine.past.history.lessons()) == 3
    engine.rollback(1).result(60)  # by hand: the first, then the third and the fourth with the same plans
    for version in (3, 4):
        record = next(r for r in engine.journal.records if r["kind"] == "lesson" and r["version"] == version)
        engine.owner.run(lambda record=record: list(engine.past.learner.again(record)))
    assert engine.model.digest() == undone
    engine.rollback(5).result(60)
    with pytest.raises(Conflict, match="is not in the weights"):
        engine.undo(second).result(60)
    again = restarted(engine, tmp_path)
    assert again.weights()["digest"] == undone and again.weights()["version"] == 5
    assert again.rollback(4).result(60) and again.weights()["digest"] == digests[4]
    again.close(1)


def samples(record):
    from models.sample import Sample

    return [Sample.from_description(s) for s in record["samples"]]


def test_a_lesson_that_was_retracted_later_is_rehearsed_again_where_it_was_rehearsed_then(tmp_path):
    engine = started(tmp_path, SAVE)
    teach(engine, "red")
    first = engine.version_list()[0]["lesson"]
    teach(engine, "blue")
    digest = engine.weights()["digest"]
    engine.retract(first).result(60)
    teach(engine, "green")
    engine.rollback(2).result(60)
    assert engine.weights()["digest"] == digest
    assert len(engine.lessons.learner.earlier.samples) == 1
    engine.close(1)


def test_two_versions_differ_by_their_lessons_their_loss_and_each_layer(four):
    engine, digests = four
    told = engine.diff(1, 3).result(60)
    ids = {row["version"]: row["lesson"] for row in engine.version_list()}
    assert told["lessons"] == {"only_from": [], "only_to": [ids[2], ids[3]]}
    assert all(row["norm"] > 0 for row in told["layers"] if row["layer"].startswith("blocks"))
    assert told["probe_loss"][0] > 0 and told["probe_loss"][0] != told["probe_loss"][1]
    same = engine.diff(2, 2).result(60)
    assert all(row["norm"] == 0 for row in same["layers"]) and engine.weights()["digest"] == digests[4]
    with pytest.raises(NotFound, match="never had version 77"):
        engine.diff(1, 77).result(60)


def test_the_list_tells_what_made_each_version_and_which_the_present_stands_on(four):
    engine, digests = four
    engine.rollback(2).result(60)
    rows = engine.version_list()
    assert [(r["version"], r["present"], r["in_weights"]) for r in rows] == [
        (4, False, False), (3, False, False), (2, True, True), (1, False, True), (0, False, True)]
    assert [r["digest"] for r in rows] == digests[::-1] and rows[-1]["made_by"] == "base"


def test_a_journal_that_refuses_leaves_everything_as_it_was(four, monkeypatch):
    engine, digests = four
    lesson = engine.version_list()[1]["lesson"]

    def full(file):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("engine.journal.os.fsync", full)
    for act in (lambda: engine.rollback(1), lambda: engine.undo(lesson)):
        with pytest.raises(DiskFull, match="the journal"):
            act().result(60)
    monkeypatch.undo()
    assert engine.weights()["digest"] == digests[4] and engine.weights()["version"] == 4


def test_without_room_for_a_second_model_one_goes_back_in_place(tmp_path, monkeypatch):
    engine, digests = with_lessons(tmp_path, SAVE)
    engine.save("now").result(60)
    monkeypatch.setattr(engine.spare, "has_room", lambda: False)
    assert engine.rollback(3).result(60) and engine.weights()["digest"] == digests[3]
    with pytest.raises(Conflict, match="no memory for a second model"):
        engine.rollback(1).result(60)
    with pytest.raises(Conflict, match="not enough free memory"):
        engine.infer({"messages": QUESTION}, GREEDY, None, NAMES, as_of="1").result(60)
    assert engine.weights()["digest"] == digests[3] and ask(engine)
    engine.close(1)


def test_a_second_model_that_stands_nearer_than_every_copy_goes_on_from_where_it_is(tmp_path, monkeypatch):
    engine, _ = with_lessons(tmp_path, {"save.every_lessons": 0, "save.recent_memory_mb": 0})
    engine.save("four").result(60)
    digests = [teach(engine, colour)["version"] and engine.weights()["digest"] for colour in ("pink", "white")]
    read = []
    verify = Checkpoint.verify
    monkeypatch.setattr(Checkpoint, "verify", lambda checkpoint: read.append(checkpoint.name) or verify(checkpoint))
    for version, digest in zip((5, 6), digests, strict=True):
        assert engine.infer({"messages": QUESTION}, GREEDY, None, NAMES, as_of=str(version)).result(60)["versions"] == [version, version]
        assert engine.owner.run(engine.spare._learner.model.digest) == digest
    assert read == ["four"]
    engine.close(1)


def test_what_the_present_stands_on_is_told_without_reading_a_manifest_again(four, monkeypatch):
    engine, _ = four
    told = engine.weights()
    with monkeypatch.context() as patch:
        patch.setattr(Checkpoint, "read", lambda folder: pytest.fail(f"{folder} is read again"))
        assert engine.weights() == told and told["checkpoint"] == "auto"
    engine.save("new").result(60)
    assert engine.weights()["checkpoint"] == "new"
    newest = engine.past.store.find("new").folder
    (newest / "manifest.json").write_bytes(b"{}")
    assert engine.weights()["checkpoint"] != "new", "a manifest that was replaced is read"


def test_a_lesson_counts_from_when_it_was_learned_and_not_from_when_it_began(four, monkeypatch):
    engine, _ = four
    trainer, moments = engine.model.trainer, []
    step = trainer.step
    with monkeypatch.context() as m:
        m.setattr(trainer, "step", lambda lr, rule: (moments.append(time.time()), step(lr, rule))[1])
        version = teach(engine, "purple")["version"]
    for moment, there in ((moments[0], 4), (moments[-1], 4), (time.time(), version)):
        assert engine.infer({"messages": QUESTION}, InferOptions(max_tokens=2), None, {"max_tokens"}, as_of=str(moment)).result(60)["versions"] == [there, there]
