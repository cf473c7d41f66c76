"""The training memory and the beginning of chats: by name, through the journal, the same after a restart."""

import pytest
import torch

from engine.errors import Conflict, EngineError, NotFound
from engine.live_model import messages_of
from engine.options import TrainOptions
from tests.engine.test_live_loop import ask, started, teach

BOOK = [{"role": "user", "text": "Who lives in the old mill?"}, {"role": "assistant", "text": "A miller called Gregor lives in the old mill with his three goats."}]
INFCTX = {"mode": "wani-bot", "ctx_len": 8, "keep_state": True, "epochs": 1}
TOLD = [{"role": "user", "text": "My dog is called Bruno."}]
ASKED = [{"role": "user", "text": "What is my dog called?"}]


@pytest.fixture
def engine(tmp_path):
    engine = started(tmp_path)
    yield engine
    engine.close(1)


def same(a, b):
    return all(torch.equal(x, y) for x, y in zip(a.tensors(), b.tensors(), strict=True))


def act(engine, **body):
    return engine.state(body).result(60)


def test_the_training_memory_is_saved_loaded_reset_and_says_which_version_made_it(engine):
    with pytest.raises(Conflict, match="no training memory"):
        act(engine, kind="train", action="save", name="book")
    teach(engine, BOOK, **INFCTX)
    first = engine.lessons.learner.memory
    assert act(engine, kind="train", action="save", name="book")["version"] == 1
    teach(engine, BOOK, **INFCTX)
    assert not same(engine.lessons.learner.memory, first) and engine.states_kept()["train"] == {"version": 2}
    teach(engine, BOOK, epochs=1)
    assert engine.states_kept()["train"] == {"version": 2}, "a lesson without keep_state leaves the memory alone"
    assert act(engine, kind="train", action="load", name="book")["version"] == 1
    assert same(engine.lessons.learner.memory, first) and engine.states_kept()["train"] == {"version": 1}
    act(engine, kind="train", action="reset")
    assert engine.lessons.learner.memory is None and engine.states_kept()["train"] is None
    with pytest.raises(NotFound):
        act(engine, kind="train", action="load", name="none")


def test_a_lesson_begins_where_the_memory_is(engine):
    teach(engine, BOOK, **INFCTX)
    act(engine, kind="train", action="save", name="read")
    loss = lambda: teach(engine, BOOK, **(INFCTX | {"dry_run": True}))["loss_before"]  # noqa: E731
    with_memory = loss()
    act(engine, kind="train", action="reset")
    assert loss() > with_memory + 0.1, "the text was read a moment ago: it must be likelier than from an empty state"


def test_memory_and_beginning_are_after_a_restart_what_they_were(tmp_path):
    engine = started(tmp_path)
    teach(engine, BOOK, **INFCTX)
    act(engine, kind="train", action="save", name="a")
    teach(engine, BOOK, **INFCTX)
    act(engine, kind="train", action="save", name="b")
    act(engine, kind="train", action="load", name="a", blend="b", share=0.25, decay=0.5)
    act(engine, kind="infer", action="load", name="a")
    memory = engine.lessons.learner.memory
    teach(engine, BOOK, **INFCTX)
    digest, told = engine.weights()["digest"], ask(engine, ASKED)["text"]
    engine.close(1)
    again = started(tmp_path)
    assert again.weights()["digest"] == digest and ask(again, ASKED)["text"] == told and again.conversations.start.version == 1
    like = again.model.network.zero_state(1)
    a, b = (again.states.files.load(again.states.files.find(n).named(), like) for n in "ab")
    for one, other, mixed in zip(a.wkv, b.wkv, memory.wkv, strict=True):
        torch.testing.assert_close(mixed, 0.5 * (0.75 * one + 0.25 * other))
    for one, other, mixed in zip(a.att_shift, b.att_shift, memory.att_shift, strict=True):
        torch.testing.assert_close(mixed, 0.75 * one + 0.25 * other)
    again.close(1)


def test_a_chat_begins_from_the_state_of_another(engine):
    said = ask(engine, TOLD, "told")
    whole = ask(engine, [*TOLD, said["message"], *ASKED])["text"]
    plain = ask(engine, ASKED)["text"]
    assert act(engine, kind="infer", action="save", name="bruno")["tokens"] > 5
    act(engine, kind="infer", action="load", name="bruno")
    assert ask(engine, ASKED)["text"] == whole == ask(engine, ASKED, "begun")["text"]
    teach(engine, BOOK, epochs=1)
    assert ask(engine, [*TOLD, said["message"], *ASKED])["text"] == ask(engine, ASKED)["text"], "it was read again under the new weights"
    act(engine, kind="infer", action="reset")
    assert ask(engine, ASKED, "begun")["turn"] == 2
    assert engine.session("begun")["turns"][0]["answer"] == whole and ask(engine, ASKED)["text"] == plain


def test_a_chat_begins_from_the_training_memory_and_goes_on_from_it_after_a_restart(tmp_path):
    engine = started(tmp_path)
    teach(engine, BOOK, **INFCTX)
    act(engine, kind="train", action="save", name="read")
    plain = ask(engine, BOOK[:1], "plain")
    act(engine, kind="infer", action="load", name="read", decay=0.9)
    first = ask(engine, BOOK[:1], "mill")
    assert first["usage"]["prompt_tokens"] < plain["usage"]["prompt_tokens"], "nothing but the message is read after the state"
    engine.branch("mill", 1, "branch").result(60)
    act(engine, kind="infer", action="reset")
    second = ask(engine, ASKED, "mill")["text"]
    engine.close(1)
    again = started(tmp_path)
    assert ask(again, ASKED, "branch")["text"] == second
    again.close(1)


def test_a_first_turn_that_is_corrected_keeps_what_its_conversation_began_with(tmp_path):
    engine = started(tmp_path)
    ask(engine, TOLD, "told")
    act(engine, kind="infer", action="save", name="bruno")
    act(engine, kind="infer", action="load", name="bruno")
    told = tuple(engine.kept.get("told").tokens(1))
    ask(engine, ASKED, "begun")
    ask(engine, TOLD, "begun")
    engine.close(1)
    engine = started(tmp_path)  # how much stands before the first turn is kept with it
    encode = lambda text: engine.model.template.encode(messages_of([*ASKED, {"role": "assistant", "text": text}]))  # noqa: E731
    begin, later = len(engine.model.template.begin), engine.kept.get("begun").turns[1]
    engine.correct("begun", 1, "Bruno.", False, TrainOptions(), None, set()).result(60)
    turns = engine.kept.get("begun").turns
    assert turns[0].tokens == (*told, *encode("Bruno.").tokens[begin:]) and turns[1] == later
    answer = engine.correct("begun", 1, "It is Bruno.", True, TrainOptions(epochs=1), None, {"epochs"}).result(60)
    assert answer["learned"] and answer["corrected"]
    sample, wanted = engine.lessons.learner.earlier.samples[-1], encode("It is Bruno.")
    assert sample.tokens == (*told, *wanted.tokens[begin:]) == engine.kept.get("begun").turns[0].tokens
    assert sample.weights == (*[0.0] * len(told), *wanted.weights[begin:])
    digest = engine.weights()["digest"]
    engine.close(1)
    again = started(tmp_path)
    assert again.weights()["digest"] == digest
    again.close(1)


def test_a_state_of_another_network_is_refused(engine):
    state = engine.model.network.zero_state(1)
    engine.states.files.keep("small", type(state)(state.att_shift[:2], state.ffn_shift[:2], state.wkv[:2]), "train", 0, None)
    with pytest.raises(Conflict, match="another shape"):
        act(engine, kind="train", action="load", name="small")


def test_a_damaged_file_is_passed_over_and_stops_nothing_that_does_not_need_it(tmp_path, caplog):
    engine = started(tmp_path)
    ask(engine, TOLD, session="told")
    for name in ("old", "new"):
        act(engine, kind="infer", action="save", name=name, session="told")
        act(engine, kind="infer", action="load", name=name)
    act(engine, kind="infer", action="reset")
    for path, data in (("old@1", b"garbage"), ("bad@7", b""), ("worse@8", b"\x02" + bytes(7) + b"{}")):
        (tmp_path / "states" / f"{path}.safetensors").write_bytes(data)
    assert [row["name"] for row in engine.states_kept()["states"]] == ["new"] and "states/bad@7.safetensors passed over" in caplog.text
    with pytest.raises(NotFound, match="there is no state old"):
        act(engine, kind="infer", action="load", name="old")
    assert act(engine, kind="infer", action="save", name="more", session="told")["name"] == "more"
    assert (tmp_path / "states" / "more@9.safetensors").is_file(), "a number is never used twice"
    engine.close(1)
    again = started(tmp_path)
    assert [row["name"] for row in again.states_kept()["states"]] == ["more", "new"] and again.states_kept()["infer"] is None
    again.close(1)


@pytest.mark.parametrize("kind", ["train", "infer"])
def test_a_state_with_a_flipped_bit_is_refused_where_the_journal_needs_it(tmp_path, kind):
    engine = started(tmp_path)
    teach(engine, BOOK, **INFCTX)
    ask(engine, TOLD, session="told")
    session = {"session": "told"} if kind == "infer" else {}
    act(engine, kind=kind, action="save", name="a", **session)
    act(engine, kind=kind, action="load", name="a")
    teach(engine, BOOK, **INFCTX)
    digest = engine.weights()["digest"]
    engine.close(1)
    path = tmp_path / "states" / "a@1.safetensors"
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(EngineError, match=r"states/a@1\.safetensors is not the one any more that the journal takes in"):
        started(tmp_path)
    path.write_bytes(whole)
    again = started(tmp_path)
    assert again.weights()["digest"] == digest
    again.close(1)
