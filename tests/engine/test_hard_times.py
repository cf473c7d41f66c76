"""The engine when things go wrong around it: disks that are full, callers who leave, folders that are not what they were."""

import threading
import time

import pytest

import engine.decoding as decoding
from config_scripts.schema import load_config
from engine.engine import Engine
from engine.errors import BadRequest, Conflict, DiskFull, EngineError, NotFound
from engine.live_model import EMBEDDED
from engine.options import InferOptions, TrainOptions
from models.tokenizer import load_tokenizer
from tests.engine.test_live_loop import GREEDY, LESSON, NAMES, QUESTION, ask, bits, started, teach

FULL = OSError(28, "No space left on device")
TOKENIZER = load_tokenizer(EMBEDDED.parent / "tokenizer.json")
NEVER_ENDS = [0, *(i for i in range(1, TOKENIZER.vocab_size) if b"\n" in TOKENIZER.token_bytes(i))]
LONG = InferOptions(max_tokens=100_000, ban_tokens=NEVER_ENDS, temperature=0.0)
LONG_NAMES = {"max_tokens", "ban_tokens", "temperature"}
HAT = [{"role": "user", "text": "Where is my hat?"}, {"role": "assistant", "text": "Your hat is in the car."}]


def refuse(*_, **__):
    raise FULL


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    engine = started(tmp_path_factory.mktemp("data"))
    yield engine
    engine.close(1)


def settled(engine):
    """After the owner has done all that was asked before: nothing open, nothing lost."""
    engine.weights()
    return len(engine.tickets) == 0


def until(condition, seconds=20):
    """Wait, briefly at a time, for another thread to make something true."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never became true"
        threading.Event().wait(0.01)


class HalfWritten:
    """A journal's file on a disk that takes a few more bytes and no more."""

    def __init__(self, file):
        self.file = file

    def write(self, data):
        if len(data) < 8:
            raise FULL
        return self.file.write(data[: len(data) // 2])

    def __getattr__(self, name):
        return getattr(self.file, name)


def test_a_disk_that_fills_while_the_journal_is_written_loses_nothing_and_the_next_lesson_counts(tmp_path):
    engine = started(tmp_path)
    assert teach(engine)["learned"]
    before, real = engine.weights(), engine.journal._file
    for _ in range(2):
        engine.journal._file = HalfWritten(real)
        with pytest.raises(DiskFull, match=r"No space left .* bytes are free and \d+ bytes are needed; nothing was learned"):
            teach(engine, HAT, epochs=1)
        assert engine.weights() == before and bits(engine) == before["digest"]
    engine.journal._file = real
    assert teach(engine, HAT, epochs=1)["version"] == 2
    digest = engine.weights()["digest"]
    engine.close(1)
    again = started(tmp_path)
    assert again.weights()["digest"] == digest and again.versions.number == 2
    again.close(1)


def test_a_load_that_the_journal_refuses_changes_nothing_and_the_engine_lives(engine, monkeypatch):
    engine.save("kept").result(60)
    teach(engine, epochs=1)
    before = engine.weights()
    with monkeypatch.context() as m:
        m.setattr("engine.journal.os.fsync", refuse)
        with pytest.raises(DiskFull, match="the journal"):
            engine.load("kept").result(60)
    assert engine.weights() == before and bits(engine) == before["digest"] and ask(engine)["text"] and engine.load("kept").result(60)["name"] == "kept"


@pytest.mark.parametrize("error", [FULL, RuntimeError("a SafetensorError is no OSError")])
def test_a_save_that_cannot_be_written_says_so_and_the_next_one_works(engine, monkeypatch, error):
    with monkeypatch.context() as m:
        m.setattr("engine.shards.save_weights", lambda *a: (_ for _ in ()).throw(error))
        with pytest.raises(EngineError, match="cannot be written"):
            engine.save("full").result(60)
    assert engine.save("full").result(60)["name"] == "full" and settled(engine)


def test_saves_that_come_at_once_are_all_written(engine):
    tickets = [engine.save(f"many-{i}") for i in range(4)]
    assert [t.result(60)["name"] for t in tickets] == [f"many-{i}" for i in range(4)] and settled(engine)


def test_refused_files_leave_no_ticket_behind(engine):
    for body in ({"path": "none.jsonl"}, {"path": "x" * 300}, {"path": "a/" + "y" * 300}, {"name": "x", "content": "x", "format": "none"}):
        with pytest.raises((NotFound, BadRequest)):
            engine.load_data(body, TrainOptions(), set())
    assert settled(engine)


def test_two_programs_cannot_write_in_one_folder(engine):
    with pytest.raises(ValueError, match="in use by another server"):
        Engine(engine.config, engine.data)


def test_a_checkpoint_of_another_course_of_lessons_is_passed_over(tmp_path):
    engine = started(tmp_path)
    teach(engine)
    kept = (tmp_path / "journal").read_bytes()
    teach(engine, HAT)
    engine.save("other").result(60)
    engine.close(1)
    (tmp_path / "journal").write_bytes(kept)
    engine = started(tmp_path)
    teach(engine, [{"role": "user", "text": "What is my name?"}, {"role": "assistant", "text": "Your name is Olga."}])
    digest = engine.weights()["digest"]
    with pytest.raises(BadRequest, match="another course"):
        engine.load("other").result(60)
    engine.close(1)
    again = started(tmp_path)
    assert again.weights()["digest"] == digest and again.weights()["checkpoint"] is None
    again.close(1)


def test_going_back_and_teaching_on_is_the_same_after_a_restart_and_forgets_what_was_undone(tmp_path):
    engine = started(tmp_path)
    teach(engine)
    engine.save("one").result(60)
    teach(engine, HAT, key="undone")
    engine.load("one").result(60)
    assert len(engine.lessons.learner.earlier.samples) == 1
    teach(engine, [{"role": "user", "text": "What is my name?"}, {"role": "assistant", "text": "Your name is Olga."}], mode="wani-bot", ctx_len=8, keep_state=True)
    assert engine.versions.number == 3 and len(engine.lessons.learner.earlier.samples) == 2
    digest = engine.weights()["digest"]
    engine.close(1)
    again = started(tmp_path)
    assert again.weights()["digest"] == digest and len(again.lessons.learner.earlier.samples) == 2
    again.save("two").result(60)  # with the training memory
    teach(again, HAT, mode="wani-bot", ctx_len=8, keep_state=True)
    digest = again.weights()["digest"]
    again.close(1)
    third = started(tmp_path)
    assert third.weights()["digest"] == digest and third.weights()["checkpoint"] == "two"
    third.close(1)


def test_a_start_without_the_checkpoint_that_was_gone_back_to_learns_its_way_there(tmp_path):
    engine = started(tmp_path)
    teach(engine, epochs=1)
    folder = engine.save("gone").result(60) and engine.past.store.find("gone").folder
    teach(engine, HAT, epochs=1)
    engine.load("gone").result(60)
    digest = bits(engine)
    engine.close(1)
    (folder / "model.safetensors").unlink()
    again = started(tmp_path)
    assert bits(again) == digest and again.weights()["version"] == 1
    again.close(1)


def test_only_so_many_automatic_checkpoints_are_kept(tmp_path, monkeypatch):
    engine = started(tmp_path)
    monkeypatch.setattr(engine.saver, "_settings", engine.config.save.model_copy(update={"keep": 2}))
    engine.save("named").result(60)
    for _ in range(4):
        teach(engine, epochs=1)
        engine.owner.call(lambda: engine.saver.save("auto"))
        until(lambda: engine.weights()["lessons_since_checkpoint"] == 0 and not engine.saver._writing)
    assert [c["name"] for c in engine.checkpoints()] == ["auto", "auto", "named"]
    engine.close(1)


def test_a_correction_that_is_not_learned_leaves_the_session_as_it_is(engine, monkeypatch):
    said = ask(engine, session="wrong")["text"]
    correct = lambda **o: engine.correct("wrong", 1, "Your cat is called Wanda.", True, TrainOptions(**o), None, set(o)).result(60)  # noqa: E731
    assert not correct(dry_run=True)["corrected"] and engine.session("wrong")["turns"][0]["answer"] == said
    with monkeypatch.context() as m:
        m.setattr("engine.journal.os.fsync", refuse)
        with pytest.raises(DiskFull):
            correct(epochs=1)
    assert engine.session("wrong")["turns"][0]["answer"] == said
    assert correct(epochs=1)["corrected"] and engine.session("wrong")["turns"][0]["answer"] == "Your cat is called Wanda."


def test_a_correction_of_a_session_that_is_writing_teaches_nothing(engine):
    ask(engine, session="writing")
    before = engine.weights()
    ticket = engine.infer({"messages": QUESTION}, LONG, "writing", LONG_NAMES)
    assert next(ticket.events(60))[0] == "progress"
    with pytest.raises(Conflict):
        engine.correct("writing", 1, "Wanda.", True, TrainOptions(), None, set()).result(60)
    with pytest.raises(Conflict):
        engine.delete_session("writing")
    ticket.cancel()
    ticket.result(60)
    assert engine.weights() == before and settled(engine)
    engine.delete_session("writing")


@pytest.mark.parametrize("think", [False, True])
def test_an_answer_given_up_never_takes_the_place_of_a_whole_one(engine, think):
    name = f"given-up-{think}".lower()
    first, second = ask(engine, session=name)["text"], ask(engine, session=name)["text"]
    options, names = LONG.model_copy(update={"think": think}), {*LONG_NAMES, "think"}
    ticket = engine.regenerate(name, 1, options, names)
    assert next(ticket.events(60))[0] == "progress"
    ticket.cancel()
    assert ticket.result(60)["turn"] is None
    assert [t["answer"] for t in engine.session(name)["turns"]] == [first, second]
    assert ask(engine, session=name)["turn"] == 3


def test_a_session_that_cannot_be_written_ends_one_answer_with_a_sentence_and_no_other(engine, monkeypatch):
    other = engine.infer({"messages": QUESTION}, LONG, None, LONG_NAMES)
    with monkeypatch.context() as m:
        m.setattr("engine.session.write_file", refuse)
        with pytest.raises(EngineError, match="cannot be written: No space left"):
            ask(engine, session="full-disk")
    with pytest.raises(NotFound):
        engine.session("full-disk")
    other.cancel()
    assert other.result(60)["finish_reason"] == "cancelled" and ask(engine, session="full-disk")["turn"] == 1


def test_a_failing_step_ends_the_answers_frees_their_sessions_and_the_engine_lives(engine, monkeypatch):
    ask(engine, session="struck")
    with monkeypatch.context() as m:
        m.setattr(decoding.DecodeBatch, "_decode", lambda *a: (_ for _ in ()).throw(RuntimeError("a cosmic ray")))
        with pytest.raises(EngineError, match="failed while it was answering"):
            ask(engine, session="struck")
    assert ask(engine, session="struck")["turn"] == 2 and settled(engine)


def test_an_error_in_the_middle_of_a_lesson_leaves_weights_and_stamp_as_they_were(engine, monkeypatch):
    before, stamp = engine.weights(), engine.versions.stamp
    step = engine.model.trainer.step
    with monkeypatch.context() as m:
        taken = iter([step])
        m.setattr(engine.model.trainer, "step", lambda lr, rule: next(taken, refuse)(lr, rule))
        with pytest.raises(EngineError, match="nothing was learned"):
            teach(engine, epochs=3)
    assert engine.weights() == before and bits(engine) == before["digest"] and engine.versions.stamp == stamp and teach(engine, epochs=1)["learned"]


def test_what_fails_after_a_lesson_is_learned_does_not_unsay_it(engine, monkeypatch):
    version = engine.versions.number
    with monkeypatch.context() as m:
        m.setattr(engine.lessons, "_after", refuse)
        answer = teach(engine, epochs=1, key="told-once")
    assert answer["learned"] and answer["version"] == version + 1
    assert teach(engine, epochs=1, key="told-once")["version"] == version + 1


def test_a_repeated_key_does_not_join_a_lesson_that_is_given_up(engine):
    first = engine.train({"messages": LESSON}, TrainOptions(epochs=500), "again", {"epochs"})
    assert next(first.events(60))[0] == "progress"
    first.cancel()
    assert teach(engine, epochs=1, key="again")["learned"] and not first.result(60)["learned"]


def test_a_lesson_of_one_token_is_refused_in_words(engine):
    with pytest.raises(BadRequest, match="tokens: a lesson needs at least two tokens"):
        engine.train({"tokens": [[5], [6, 7, 8]]}, TrainOptions(), None, set()).result(60)


def test_a_reader_who_falls_behind_does_not_fill_the_memory_and_gets_the_whole_answer(engine, monkeypatch):
    options = InferOptions(max_tokens=200, ban_tokens=[0], temperature=0.0)
    whole = engine.infer({"text": "Once upon a time"}, options, None, LONG_NAMES).result(60)["text"]
    monkeypatch.setattr(decoding, "FAR_BEHIND", 80)
    slow = engine.infer({"text": "Once upon a time"}, options, None, LONG_NAMES)
    until(lambda: slow in [g.ticket for g in engine.conversations.batch._aside])
    assert ask(engine)["text"], "others are served meanwhile"
    assert slow.backlog <= 90
    assert slow.result(60)["text"] == whole and settled(engine)


def test_a_reader_who_falls_behind_and_goes_is_forgotten(engine, monkeypatch):
    monkeypatch.setattr(decoding, "FAR_BEHIND", 80)
    gone = engine.infer({"text": "Once upon a time"}, LONG, None, LONG_NAMES)
    until(lambda: gone in [g.ticket for g in engine.conversations.batch._aside])
    gone.cancel()
    until(lambda: gone.id not in engine.tickets)
    assert engine.conversations.batch.generations() == []


def test_who_leaves_while_he_waits_for_a_place_is_let_go(engine, monkeypatch):
    monkeypatch.setattr(engine.conversations.batch, "limit", 1)
    first = engine.infer({"messages": QUESTION}, LONG, None, LONG_NAMES)
    assert next(first.events(60))[0] == "progress"
    second = engine.infer({"messages": QUESTION}, LONG, "waiting", LONG_NAMES)
    second.cancel()
    assert second.result(60)["finish_reason"] == "cancelled"
    first.cancel()
    first.result(60)
    assert settled(engine)
    with pytest.raises(NotFound):
        engine.session("waiting")


def test_a_state_is_looked_up_when_its_answer_begins_not_when_it_was_asked_for(engine, monkeypatch):
    ask(engine, session="older")
    monkeypatch.setattr(engine.conversations.batch, "limit", 1)
    first = engine.infer({"messages": QUESTION}, LONG, None, LONG_NAMES)
    assert next(first.events(60))[0] == "progress"
    second = engine.infer({"messages": QUESTION}, GREEDY, "older", NAMES)
    teach(engine, HAT, epochs=2)
    first.cancel()
    first.result(60)
    answer = second.result(60)
    messages = engine.session("older")["messages"]
    assert answer["text"] == ask(engine, messages[:3])["text"] and answer["versions"] == [engine.versions.number] * 2


def test_a_dry_run_can_be_cancelled(engine):
    lessons = [{"messages": LESSON}] * 400
    ticket = engine.train({"lessons": lessons}, TrainOptions(dry_run=True), None, {"dry_run"})
    ticket.cancel()
    answer = ticket.result(60)
    assert not answer["learned"] and "cancelled" in answer["reason"]


def test_the_model_is_made_on_the_thread_that_owns_it_and_a_failed_start_lets_go_of_the_folder(tmp_path, monkeypatch):
    seen = []

    def made(*_):
        seen.append(threading.current_thread().name)
        raise ValueError("no model")

    monkeypatch.setattr("engine.engine.LiveModel", made)
    for _ in range(2):
        with pytest.raises(ValueError, match="no model"):
            Engine(load_config(), tmp_path)
    assert seen == ["owner", "owner"]
