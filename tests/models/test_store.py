"""The lesson store: what it says of a moment is what the records until then say, and what was written stays as it is."""

import random
import shutil
import tempfile
from functools import partial
from pathlib import Path

import orjson
import pytest
from hypothesis import given, settings
from pyoxigraph import RdfFormat

from models.facts import BASE, named, tx, value_of
from models.ledger import Ledger
from models.store import LessonStore
from models.store_history import history
from models.store_lessons import ORDERS, STATES, lessons
from tests.models.course import WEIGHING, called, conversations_then, course, entries, lessons_in, lessons_then, sane, seeds

scratch = partial(tempfile.TemporaryDirectory, ignore_cleanup_errors=True)  # the store writes as long as it is there
few = settings(max_examples=8, deadline=None)


def filled(folder, records):
    store = LessonStore(folder)
    store.add(entries(records))
    return store


@pytest.fixture
def told(tmp_path):
    """A store of records that only say what matters."""

    def tell(*records):
        return filled(tmp_path / "store", [{"seq": seq, "time": 100.0 + seq, **r} for seq, r in enumerate([{"kind": "base"}, *records], 1)])

    return tell


def lesson(id, version, **more):
    return {"kind": "lesson", "id": id, "version": version, "source": {"text": id}, "loss_before": 2.0, "loss_after": 0.1, **more}


def graphs(store):
    return {g.value: store._store.dump(format=RdfFormat.N_TRIPLES, from_graph=g) for g in store._store.named_graphs()}


def everything(store):
    return {str(q) for q in store._store}


@few
@given(seeds)
def test_the_facts_of_a_transaction_never_change(seed):
    with scratch() as folder:
        store, before = LessonStore(Path(folder)), {}
        for entry in entries(course(seed, 20)):
            store.add([entry])
            now = graphs(store)
            assert {g: now[g] for g in before} == before and len(now) == len(before) + 1
            before = now
        assert not any(q.graph_name.value[: len(BASE)] != BASE for q in store._store)


@few
@given(seeds, seeds)
def test_followed_in_any_steps_with_any_ends_it_is_what_a_rebuild_makes(seed, steps):
    records, chance = course(seed), random.Random(steps)
    with scratch() as folder:
        LessonStore.build(Path(folder) / "whole", entries(records))
        store, ends = LessonStore(Path(folder) / "0"), 0
        while store.seq < len(records):
            entries_after = entries(records)[store.seq :]
            store.add(entries_after[: chance.randint(1, 9)])
            if chance.random() < 0.4:  # an end: only what is on the disk goes on
                ends += 1
                store.snapshot(Path(folder) / str(ends))
                store = LessonStore(Path(folder) / str(ends))
        assert everything(store) == everything(LessonStore(Path(folder) / "whole"))
        assert store.seq == len(records) and store.mark(store.seq) == entries(records)[-1][1]


@few
@given(seeds)
def test_lessons_as_of_every_transaction(seed):
    records = course(seed)
    with scratch() as folder:
        store = filled(Path(folder), records)
        for seq in range(1, len(records) + 1):
            expected = lessons_then(records, seq)
            assert [(r["lesson"], r["state"], r["loss_now"]) for r in lessons(store, f"tx:{seq}", limit=99)] == expected
            worst = lessons(store, f"tx:{seq}", order="worst", limit=99)
            assert [r["loss_now"] for r in worst] == sorted((loss for *_, loss in expected), reverse=True)
            if sane(records[seq - 1])["kind"] == "load":
                before, after = (set(lessons_in(records, at)) for at in (seq - 1, seq))
                told = {(value_of(q.subject)[7:], value_of(q.object)) for q, _ in store.facts(None, "inWeights", None, seq, seq)}
                assert told == {(id, False) for id in before - after} | {(id, True) for id in after - before}
            for state in STATES:
                assert [r["lesson"] for r in lessons(store, f"tx:{seq}", state=state, limit=99)] == [id for id, s, _ in expected if s == state]


@few
@given(seeds)
def test_lessons_chosen_and_by_pages(seed):
    records = course(seed)
    taught = {r["id"]: r for r in records if r.get("kind") == "lesson" and "source" in r}
    with scratch() as folder:
        store = filled(Path(folder), records)
        every = lessons(store, limit=99)
        for row in every:
            r = taught[row["lesson"]]
            parts = r["source"].get("lessons", [r["source"]])
            said = [m for part in parts for m in part.get("messages", [])]
            assert (row["seq"], row["time"], row["version"], row["session"], row["turn"]) == (r["seq"], r["time"], r["version"], called(records, r), r.get("turn"))
            assert (row["run"], row["index"], row["retrains"], row["rejected"]) == tuple(r.get(k) for k in ("run", "index", "retrains", "rejected"))
            assert (row["loss_before"], row["steps"], row["epochs"], row["mode"], row["trained_tokens"]) == (r["loss_before"], 3, 1, "plain", 2)
            assert row.get("messages", []) + [m for x in row.get("lessons", []) for m in x["messages"]] == said and row.get("text") == r["source"].get("text")
        texts = {row["lesson"]: str({k: row.get(k) for k in ("messages", "lessons", "text")}).lower() for row in every}
        for words in ("CAT", "lake honey", "猫", "zebra"):
            assert [r["lesson"] for r in lessons(store, text=words, limit=99)] == [id for id in texts if all(w in texts[id] for w in words.lower().split())]
        assert lessons(store, session="a", limit=99) == [r for r in every if r["session"] == "a"]
        assert lessons(store, role="user", limit=99) == [r for r in every if "'user'" in str(r)]
        for order in ORDERS:
            pages, page = [], lessons(store, order=order, limit=3)
            while page:
                pages += page
                page = lessons(store, order=order, limit=3, before=page[-1]["seq"])
            assert pages == lessons(store, order=order, limit=99)


@few
@given(seeds)
def test_what_turns_show_and_what_checkpoints_contain(seed):
    records = course(seed)
    with scratch() as folder:
        store = filled(Path(folder), records)
        for seq in range(1, len(records) + 1):
            shown, record = {}, records[seq - 1]
            if record.get("kind") == "branch":
                assert {value_of(q.object) for q, _ in store.facts(None, "number", None, seq, seq)} == set(conversations_then(records, seq)[record["session"]])
            for name, turns in conversations_then(records, seq).items():
                session = next((s for s in store.sessions(name, seq) if not store.value(s, "forgotten", seq)), None)
                assert session is not None or not turns
                for turn in turns:
                    it = store.value(named(session.value.removeprefix(BASE).replace("session:", "turn:") + f":{turn}"), "shows", seq)
                    shown[name, turn] = store.value(named(it), "text", seq)
                if turns:
                    assert store.value(session, "turns", seq) >= max(turns)
            assert shown == {(n, t): text for n, turns in conversations_then(records, seq).items() for t, text in turns.items()}
        for r in records:
            if r.get("kind") == "checkpoint":
                rows = store.select(f'SELECT ?id {{ ?c o:folder "{r["folder"]}" ; o:head/o:standsOn* ?id FILTER NOT EXISTS {{ ?c o:without ?id }} }}')
                assert {row["id"].value.rpartition(":")[2] for row in rows} == set(lessons_in(records, r["of"]))


@few
@given(seeds)
def test_moments(seed):
    records = course(seed)
    with scratch() as folder:
        store = filled(Path(folder), records)
        assert store.moment(None) == store.moment("") == store.moment(f"tx:{10**9}") == len(records)
        clock = 0.0
        for r in records:
            clock = max(clock, r["time"])
            assert store.time(r["seq"]) == clock and store.moment(f"tx:{r['seq']}") == r["seq"]
        now = [0]
        for r in map(sane, records[1:]):
            now.append(r["version"] if r["kind"] in WEIGHING else now[-1])
        for version in set(now):
            assert store.moment(version) == store.moment(f"version:{version}") == max(i for i, v in enumerate(now, 1) if v == version)


def test_a_time_is_a_moment_in_each_way_of_writing_it(told):
    store = filled_times(told, 1764000000.1234567, 1764000001.0)
    assert store.moment(1764000000.1234567) == 2 and store.moment("1764000000.9") == 2 and store.moment(1764000001) == 3
    assert store.moment("2025-11-24T16:00:01Z") == store.moment("2025-11-24T17:00:01.000+01:00") == 3
    assert store.moment("1969-01-01T00:00:00+00:00") == 0 and lessons(store, "1969-01-01T00:00:00Z") == []
    for bad in ("yesterday", "2025-11-24", "2025-11-24T16:00:01", "-1", "tx:x", "nan"):
        with pytest.raises(ValueError, match="^as_of: a version"):
            store.moment(bad)
    with pytest.raises(ValueError, match="^as_of: the weights never had version 17$"):
        store.moment(17)


def filled_times(told, *times):
    return told(*(lesson(f"lesson-{i}", i, time=t) for i, t in enumerate(times, 1)))


def test_the_history_of_a_turn_and_of_its_lesson(told):
    turn = {"session": "s", "turn": 1}
    store = told(
        {"kind": "turn", "id": "x1", **turn, "messages": [{"role": "user", "text": "Name?"}], "answer": "Tom", "versions": [0, 0], "finish_reason": "stop"},
        lesson("lesson-other", 1),
        lesson("lesson-a", 2, **turn, rejected="Tom", source={"messages": [{"role": "user", "text": "Name?"}, {"role": "assistant", "text": "Wanda"}]}),
        {"kind": "correction", **turn, "text": "Wanda", "was": "Tom", "lesson": "lesson-a"},
        {"kind": "turn", "id": "x2", "session": "s", "turn": 2, "messages": [], "answer": "ok", "versions": [2, 2], "finish_reason": "stop"},
        {"kind": "branch", "session": "t", "from": "s", "turn": 1},
        {"kind": "review", "version": 2, "losses": {"lesson-a": 0.5, "lesson-other": 3.0}},
        {"kind": "load", "checkpoint": "default@00000003", "version": 1},
        lesson("lesson-b", 2, retrains="lesson-a"),
        {"kind": "retract", "lesson": "lesson-a"},
        {"kind": "correction", "session": "t", "turn": 1, "text": "Mia", "was": "Wanda"},
        {"kind": "correction", **turn, "text": "Rex", "was": "Wanda"})
    events = history(store, "s", 1)
    assert [(e["tx"], e["event"]) for e in events] == [
        (2, "answered"), (4, "taught"), (5, "corrected"), (8, "reviewed"), (9, "loaded"), (10, "taught"), (11, "retracted"), (13, "corrected")]
    assert events == history(store, lesson="lesson-a") == history(store, lesson="lesson-b") and events[0]["time"] == 102.0
    assert events[0] | {"session": "s", "turn": 1, "answer": "Tom", "versions": [0, 0], "finish_reason": "stop"} == events[0] and events[0]["messages"] == [{"role": "user", "text": "Name?"}]
    assert events[1]["corrects"] == "answer:x1" and (events[1]["loss_before"], events[1]["loss_after"], events[1]["version"]) == (2.0, 0.1, 2)
    assert (events[2]["text"], events[2]["was"], events[2]["supersedes"], events[2]["lesson"]) == ("Wanda", "Tom", "answer:x1", "lesson-a")
    assert events[3]["losses"] == {"lesson-a": 0.5} and (events[4]["left"], events[4]["checkpoint"]) == (["lesson-a"], "default@00000003")
    assert [e["tx"] for e in history(store, "s", 1, as_of="tx:5")] == [2, 4, 5]
    branched = history(store, "t", 1)
    assert [e["tx"] for e in branched] == [2, 4, 5, 7, 8, 9, 10, 11, 12] and branched[3]["event"] == "branched" and branched[3]["from"] == "s"
    assert branched[-1]["corrects"] == "correction:4" and branched[-1]["supersedes"] == "correction:4"
    assert [e["tx"] for e in history(store, "s")] == [2, 4, 5, 6, 8, 9, 10, 11, 13]
    for wrong, words in (({"session": "none"}, "no session none"), ({"session": "s", "turn": 9}, "no turn 9"), ({"lesson": "x"}, "no lesson x")):
        with pytest.raises(LookupError, match=words):
            history(store, **wrong)


def test_a_session_that_was_forgotten_is_another_when_its_name_comes_again(told):
    turn = {"kind": "turn", "session": "s", "turn": 1, "messages": [], "versions": [0, 0]}
    store = told(turn | {"id": "x1", "answer": "old"}, {"kind": "forget", "session": "s"}, turn | {"id": "x2", "answer": "new"})
    assert [s.value for s in store.sessions("s", 9)] == ["urn:ouroboros:session:s", "urn:ouroboros:session:s:2"]
    assert not any(store.facts(None, "supersedes", None, 9)) and store.value(store.sessions("s", 9)[0], "forgotten") is True


def test_a_session_that_was_renamed_is_the_same_and_its_old_name_is_free(told):
    turn = {"kind": "turn", "turn": 1, "messages": [], "versions": [0, 0]}
    corrected = lesson("lesson-a", 1, session="s", turn=1, rejected="old", source={"messages": [{"role": "assistant", "text": "Wanda"}]})
    store = told(turn | {"session": "s", "id": "x1", "answer": "old"}, corrected, {"kind": "rename", "session": "t", "from": "s"},
                 turn | {"session": "s", "id": "x2", "answer": "new"})
    assert [[s.value for s in store.sessions(name, 9)] for name in "st"] == [["urn:ouroboros:session:s:2"], ["urn:ouroboros:session:s"]]
    assert lessons(store, session="s") == [] and [row["session"] for row in lessons(store, session="t")] == ["t"]
    assert [row["session"] for row in lessons(store, session="s", as_of="tx:3")] == ["s"]
    assert [(e["event"], e["session"], e.get("from")) for e in history(store, "t")] == [("answered", "s", None), ("taught", "s", None), ("renamed", "t", "s")]


def test_the_drift_of_a_lesson_is_told_where_it_was_measured(told):
    assert [row["drift"] for row in lessons(told(lesson("lesson-a", 1, drift=0.25), lesson("lesson-b", 2)))] == [None, 0.25]


def test_answering_a_turn_again_supersedes_and_drops_the_later_turns(told):
    turn = {"kind": "turn", "session": "s", "messages": [], "versions": [0, 0]}
    store = told(turn | {"id": "x1", "turn": 1, "answer": "a"}, turn | {"id": "x2", "turn": 2, "answer": "b"}, turn | {"id": "x3", "turn": 1, "answer": "c"})
    session = store.sessions("s", 9)[0]
    assert [store.value(session, "turns", at) for at in (2, 3, 4)] == [1, 2, 1]
    assert [(q.subject.value, q.object.value) for q, _ in store.facts(None, "supersedes", None, 9)] == [("urn:ouroboros:answer:x3", "urn:ouroboros:answer:x1")]


def test_a_lesson_does_not_replace_an_answer_that_was_given_anew_meanwhile(told):
    turn = {"kind": "turn", "session": "s", "turn": 1, "messages": [], "versions": [0, 0]}
    store = told(turn | {"id": "x1", "answer": "Tom"}, turn | {"id": "x2", "answer": "Mia"},
                 lesson("lesson-a", 1, session="s", turn=1, rejected="Tom", source={"messages": [{"role": "assistant", "text": "Wanda"}]}))
    assert lessons(store)[0]["corrects"] == "answer:x1"
    assert store.value(next(store.facts(None, "shows", None, 9))[0].subject, "shows") == "answer:x2"


def test_a_record_that_nobody_understands_is_kept_as_it_is_and_counts(told):
    strange = {"kind": "from tomorrow", "what": {"a": [1, None]}}
    store = told(strange, {"kind": "turn", "session": "s"}, lesson("lesson-a", 1), {"kind": "retract", "lesson": "a b>c"})
    assert store.value(named("lesson:a%20b%3Ec"), "retracted") is True
    assert orjson.loads(store.value(tx(2), "record")) == {"seq": 2, "time": 102.0, **strange}
    assert '"turn"' in store.value(tx(3), "record") and [r["seq"] for r in lessons(store)] == [4]


@pytest.mark.parametrize("wrong", [{"state": "new"}, {"order": "best"}, {"limit": 0}])
def test_what_is_no_value_is_refused_by_name(told, wrong):
    with pytest.raises(ValueError, match=f"^{next(iter(wrong))}: "):
        lessons(told(), **wrong)


def test_the_count_survives_opening_at_every_length(tmp_path):
    ledger, records = Ledger(), course(1, 9)
    for entry in entries(records, ledger):
        LessonStore(tmp_path / "store").add([entry])
        assert LessonStore(tmp_path / "store").seq == entry[0]["seq"]
    shutil.rmtree(tmp_path / "store")
    assert LessonStore(tmp_path / "store").seq == 0
