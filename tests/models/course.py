"""Random courses of a journal, and what they mean told a second time, simply: over all records before a moment, from the first."""

import random
import zlib

import orjson
from hypothesis import strategies as st

from engine.history import History
from models.ledger import Ledger

WORDS = ["cat", "Lake", "BREAD", "honey", "猫", "pier"]
SESSIONS = ["a", "b.c", "kitchen-2"]
seeds = st.integers(0, 2**32)

WEIGHING = ("lesson", "load", "rollback", "undo")
"""Kinds of records that say which version the weights have from then on."""


def record(seq, chance, so_far):
    """One more record that could follow."""
    ids = [r["id"] for r in so_far if r["kind"] == "lesson"]
    sentence = " ".join(chance.choices(WORDS, k=3))
    session, turn = chance.choice(SESSIONS), chance.randint(1, 3)
    pick = chance.choice(["lesson"] * 4 + ["corrected", "turn", "turn", "turn", "correction", "branch", "rename", "forget", "load", "rollback", "undo", "checkpoint", "run", "retract", "review", "odd", "state"])
    version = max((r["version"] for r in so_far if r["kind"] in WEIGHING), default=0)
    lesson = {"kind": "lesson", "id": f"lesson-{seq:012x}", "version": version + 1, "key": None, "plan": {"mode": "plain", "objective": "sft", "lr": 0.0001}, "steps": 3, "epochs": 1,
              "samples": [{"tokens": [1, 2, 3], "weights": [1.0] * 3}], "loss_before": chance.random() * 3, "loss_after": chance.random(),
              "drift": chance.choice([None, 0.25]), "digest": "d"}
    messages = [{"role": "user", "text": sentence, "no_loss": True}, {"role": "assistant", "text": chance.choice(WORDS), "weight": 0.5, "rejected": "no"}]
    if so_far[-1].get("rejected") and chance.random() < 0.5:
        last = so_far[-1]
        return {"kind": "correction", "session": last["session"], "turn": last["turn"], "text": last["source"]["messages"][-1]["text"], "was": last["rejected"], "lesson": last["id"]}
    if pick == "lesson":
        source = chance.choice([{"messages": messages}, {"text": sentence}, {"lessons": [{"messages": messages}, {"messages": messages[:1]}]}, {"tokens": [[1, 2, 3]]}, {"dataset": "set"}])
        more = chance.choice([{}, {"retrains": chance.choice(ids)} if ids else {}, {"run": "run-1", "index": 3, "file": {"name": "f.jsonl", "line": 7}}])
        return lesson | {"source": source} | more
    if pick == "corrected":
        return lesson | {"source": {"messages": messages}, "session": session, "turn": turn, "rejected": chance.choice(WORDS)}
    if pick == "turn":
        return {"kind": "turn", "id": f"chat/{seq}", "session": session, "turn": turn, "messages": messages[:1], "answer": chance.choice(WORDS), "versions": [version, version], "finish_reason": "stop"}
    if pick == "correction":
        more = {"lesson": chance.choice(ids)} if ids and chance.random() < 0.5 else {}
        return {"kind": "correction", "session": session, "turn": turn, "text": sentence, "was": chance.choice(WORDS), **more}
    if pick == "branch":
        return {"kind": "branch", "session": f"new-{seq}", "from": session, "turn": turn}
    if pick == "rename":
        free = [name for name in SESSIONS if name not in conversations_then(so_far, seq)]
        return {"kind": "rename", "session": chance.choice([*free, f"new-{seq}"]), "from": session}
    if pick == "forget":
        return {"kind": "forget", "session": session}
    if pick == "undo" and ids:
        return {"kind": "undo", "lesson": chance.choice(ids), "version": version + 1}
    if pick in ("load", "rollback", "checkpoint"):
        of = chance.randint(1, seq - 1)
        state = next((r["version"] for r in reversed(so_far[:of]) if r["kind"] in WEIGHING), 0)
        folder = f"default@{of:08d}"
        if pick == "load":
            return {"kind": "load", "checkpoint": folder, "version": state}
        if pick == "rollback":
            return {"kind": "rollback", "to": of, "version": state}
        return {"kind": "checkpoint", "name": "default", "folder": folder, "of": of, "version": state, "bytes": 10, "sha256": "s"}
    if pick == "run":
        return chance.choice([{"kind": "run", "run": "run-1", "dataset": "set", "sha256": "s", "format": "org", "lessons": 3, "passes": 1, "shuffle": False, "seed": 2**62},
                              {"kind": "run_end", "run": "run-1", "reason": "done", "learned": 3}])
    if pick == "retract" and ids:
        return {"kind": "retract", "lesson": chance.choice(ids)}
    if pick == "review" and ids:
        return {"kind": "review", "version": version, "losses": {id: chance.random() for id in chance.sample(ids, min(2, len(ids)))}}
    if pick == "state":
        return {"kind": "state", "of": "train", "action": "reset"}
    return chance.choice([{"kind": "from tomorrow", "what": [1, {"a": None}]}, {"kind": "turn"}, {"kind": "lesson", "id": 7}, {"kind": "load", "checkpoint": "default@99999999", "version": 1}, {"kind": ["x"]}, {},
                          {"kind": "review", "losses": {"lesson-none": 0.5}}, {"kind": "correction", "session": ["a"], "turn": 1, "text": "x"}, {"kind": "retract", "lesson": "a b>c"}])


def course(seed, length=40):
    """The records of a journal; `odd` ones among them that no release has written."""
    chance, records = random.Random(seed), [{"seq": 1, "time": 1000.0, "kind": "base", "model": "m", "digest": "d"}]
    time = 1000.0
    for seq in range(2, length + 1):
        time += chance.choice([0, 0.25, 1, 1, -0.5])
        records.append({"seq": seq, "time": time, **record(seq, chance, [sane(r) for r in records])})
    return records


def sane(r):
    """The record, or one without a meaning in the place of one that no release has written."""
    odd = not isinstance(r.get("kind"), str) or (r["kind"] == "lesson" and "source" not in r) or r.get("checkpoint") == "default@99999999"
    return {"kind": "none", "seq": r["seq"]} if odd else r


def entries(records, ledger=None):
    """The records as the store takes them."""
    ledger = ledger or Ledger()
    return [(r, zlib.crc32(orjson.dumps(r)), ledger.take(r)) for r in records]


def write(path, records):
    """A journal of these records."""
    lines = [b"%08x %s\n" % (zlib.crc32(body), body) for body in map(orjson.dumps, records)]
    path.write_bytes(b"".join(lines))
    return lines


# -- the same, told simply


def lessons_then(records, seq):
    """Of each lesson as of a record: (id, state, loss measured last)."""
    known = [sane(r) for r in records[:seq]]
    weights = set(lessons_in(records, seq))
    retracted = {r["lesson"] for r in known if r["kind"] == "retract"}
    found = {}
    for r in known:
        if r["kind"] == "lesson":
            found[r["id"]] = r["loss_after"]
        if r["kind"] == "review":
            found |= {id: loss for id, loss in r["losses"].items() if id in found}
    return [(id, "retracted" if id in retracted else "taught" if id in weights else "left", loss) for id, loss in reversed(found.items())]


def lessons_in(records, seq):
    """The ids of the lessons in the weights as of a record, as the engine tells them."""
    history = History()
    for r in records[:seq]:
        history.note(sane(r))
    return [r["id"] for r in history.lessons()]


def called(records, r):
    """What the session of a record is called at the end."""
    name = r.get("session")
    for later in records[r["seq"]:]:
        if later.get("kind") == "forget" and later["session"] == name:
            break
        if later.get("kind") == "rename" and later["from"] == name:
            name = later["session"]
    return name


def conversations_then(records, seq):
    """Of each session that is listed as of a record, what its turns show."""
    talks, brought = {}, {}
    for r in records[:seq]:
        kind, name, turn = r.get("kind"), r.get("session"), r.get("turn")
        if kind == "forget" and name is not None:
            talks.pop(name, None)
            brought = {id: place for id, place in brought.items() if place[0] != name}
        elif kind == "rename":
            talks[name] = talks.pop(r["from"], {})
            brought = {id: (name if where == r["from"] else where, number) for id, (where, number) in brought.items()}
        elif kind == "branch":
            talks[name] = {n: text for n, text in talks.get(r["from"], {}).items() if n <= turn}
        elif kind == "turn" and "answer" in r:
            talks[name] = {n: text for n, text in talks.get(name, {}).items() if n < turn} | {turn: r["answer"]}
        elif kind == "correction" and isinstance(name, str):
            if brought.get(r.get("lesson")) != (name, turn):
                talks.setdefault(name, {})[turn] = r["text"]
        elif kind == "lesson" and r.get("rejected") is not None:
            shown = talks.setdefault(name, {})
            if shown.get(turn, r["rejected"]) == r["rejected"]:
                shown[turn] = r["source"]["messages"][-1]["text"]
                brought[r["id"]] = name, turn
    return talks
