"""A process that has imported everything and started no thread: it forks a child for each case, which drives the engine on a data
folder with a fault at one point, and ends as the fault has it. Its other end is tests/crash/stage.py.

A line of JSON on standard input asks for a case; a line on standard output tells how the child ended and what it told.
"""

import ctypes
import json
import logging
import os
import re
import sys
import threading
import time
import traceback
from pathlib import Path

from pyoxigraph import Store

from config_scripts.schema import load_config
from engine.engine import Engine
from engine.errors import DiskFull
from engine.journal import Journal
from engine.live_model import LiveModel
from engine.options import InferOptions, TrainOptions
from engine.store_follower import Reading, StoreFollower
from models.facts import quads
from models.store import LessonStore
from tests.crash.small import lesson

SENTENCE = re.compile(r"[^.]* cannot be written: No space left on the disk, \d+ bytes are free and \d+ bytes are needed[^.]*")
FAULTS = ctypes.CDLL(None)


def started(script, data):
    engine = Engine(load_config(Path(script)), Path(data))
    engine.start()
    return engine


def teach(engine, key):
    given = {"epochs": 2}
    return engine.train({"messages": lesson(f"It is {key}.")}, TrainOptions(**given), key, set(given)).result(60)


def chat(engine, session):
    given = {"max_tokens": 3, "temperature": 0.0}
    return engine.infer({"messages": [{"role": "user", "text": "Who?"}]}, InferOptions(**given), session, set(given)).result(60)


def save_again(engine):
    """A checkpoint that the journal is not told of, so that the next takes the place of one of the same name and moment."""
    snapshot = engine.owner.run(engine.past.snapshot)
    engine.past.store.write("again", snapshot.parts, snapshot.facts)


def save_auto(engine):
    """Two automatic checkpoints, of which one is kept."""
    for _ in range(2):
        written = threading.Event()
        engine.owner.run(lambda: engine.saver.save("auto"))
        while engine.saver._writing:
            written.wait(0.002)
        engine.weights()  # after what the saver left to the owner


def undo(engine):
    """The lesson "a", which others stand on."""
    lesson = next(record["id"] for record in engine.journal.records if record.get("key") == "a")
    engine.undo(lesson).result(60)


def delete(engine):
    """A checkpoint that the weights do not stand on, with all that is left of it."""
    engine.delete_checkpoint("kept", None).result(60)
    engine.checkpoint_acts._saver._thread.submit(lambda: None).result(60)


ACTS = {
    "lesson": lambda engine: teach(engine, "a"),
    "chat": lambda engine: chat(engine, "talk"),
    "save": lambda engine: engine.save("one").result(60),
    "save-untold": save_again,
    "save-again": save_again,
    "lesson-2": lambda engine: teach(engine, "b"),
    "state": lambda engine: engine.state({"kind": "infer", "action": "save", "name": "mine", "session": "first"}).result(60),
    "load": lambda engine: engine.load("first").result(60),
    "set": lambda engine: engine.sets.archive.keep(b"x" * 1000),
    "auto": save_auto,
    "correct": lambda engine: engine.correct("first", 1, "Ada.", True, TrainOptions(epochs=1), "c", {"epochs"}).result(60),
    "rollback": lambda engine: engine.rollback(3).result(60),
    "undo": undo,
    "rename": lambda engine: engine.rename_checkpoint("again", "kept", None).result(60),
    "export": lambda engine: engine.export_checkpoint("kept", None).result(60),
    "delete": delete,
    "rename-session": lambda engine: engine.rename_session("talk", "talks").result(60),
}


def prepare(case, tell):
    """The data folder that every case begins with: a lesson, a session and a checkpoint."""
    engine = started(case["script"], case["data"])
    teach(engine, "0")
    chat(engine, "first")
    engine.save("first").result(60)
    engine.weights()
    tell(begin=engine.weights()["digest"])
    engine.close(1)


def arm(case):
    # The store's own points are another scene's.
    FAULTS.faults_arm(f"{case['data']}/".encode(), case.get("without", "store").encode(), case.get("names", "").encode(), case["kind"],
                      case["at"])


def acts(case, tell):
    """Every act in turn; after each, what it left."""
    engine = started(case["script"], case["data"])
    arm(case)
    for name, act in ACTS.items():
        act(engine)
        tell(act=name, **engine.weights())
    FAULTS.faults_disarm()


def full(case, tell):
    """The disk is full in the midst of one act, and then has room again."""
    engine = started(case["script"], case["data"])
    for name, act in ACTS.items():
        if name != case["act"]:
            act(engine)
            continue
        before = engine.weights()
        arm(case)
        error = None
        try:
            act(engine)
        except Exception as raised:
            error = raised
        said = chat(engine, None)["text"]
        after, bits = engine.weights(), engine.owner.run(engine.model.digest)
        FAULTS.faults_disarm()
        told = isinstance(error, DiskFull) and bool(SENTENCE.fullmatch(str(error))) and error.status == 507
        tell(act=name, error=repr(error), told=told, chat=bool(said) or said == "", before=before, after=after, bits=bits)
        if error is not None:
            act(engine)
    engine.weights()
    engine.close(1)
    again = started(case["script"], case["data"])
    tell(last=again.weights()["digest"], **seen(again))


def seen(engine):
    data, found = engine.data, engine.past.store.list()
    latest = (data / "checkpoints" / "latest").read_text()
    strays = [str(p) for p in data.rglob(".*") if p.name not in (".lock", ".store.read", ".store.new") and not p.is_relative_to(data / ".store.new")]
    return {"checkpoints": sorted({c.name for c in found}), "latest": latest == f"{found[0].folder.name}\n",
            "damaged": [c.verify() for c in found if c.verify()], "strays": strays,
            "sessions": {s["session"]: s["turns"] for s in engine.sessions()},
            "exports": [p.name.partition("-")[0] for p in data.glob("exports/*")],
            "keys": [r["key"] for r in engine.journal.records if r["kind"] == "lesson"]}


def look(case, tell):
    """A start after the end: what is there; and the lesson that was being learned, sent again with its key."""
    engine = started(case["script"], case["data"])
    tell(**engine.weights(), **seen(engine))
    if case.get("key"):
        answer = teach(engine, case["key"])
        tell(learned=answer["learned"], keys=seen(engine)["keys"])


def build_in_pieces(path, entries):
    """As LessonStore.build does it for a large journal, whose facts go in piece by piece and in no order of time: here first what the
    transactions say of themselves, by which a store is known."""
    store = Store(path)
    all_ = [quad for entry in entries for quad in quads(*entry)]
    store.bulk_extend(quad for quad in all_ if quad.subject == quad.graph_name)
    store.flush()
    half = path.with_name("half")  # a point of its own, which is never left out
    half.mkdir()
    half.rmdir()
    store.bulk_extend(quad for quad in all_ if quad.subject != quad.graph_name)
    store.flush()


def store_acts(case, tell):
    """The lesson store alone: made from a journal, then following it."""
    data = Path(case["data"])
    LessonStore.build = staticmethod(build_in_pieces)
    journal = Journal(data / "journal")
    arm(case)
    follower = StoreFollower(journal.path, data / "store", journal.seq)
    journal.followers = [lambda record: follower.appended(record["seq"])]
    assert follower.caught_up(journal.seq, 30)
    tell(act="made")
    for number in range(2):
        journal.append({"kind": "forget", "time": time.time(), "session": f"s{number}"})
        assert follower.caught_up(journal.seq, 30)
    tell(act="followed", seq=journal.seq)
    FAULTS.faults_disarm()


def facts(store):
    return {(str(quad), seq) for quad, seq in store.facts(None, None, None, store.seq)}


def store_look(case, tell):
    data = Path(case["data"])
    journal = Journal(data / "journal")
    follower = StoreFollower(journal.path, data / "store", journal.seq)
    there = follower.caught_up(journal.seq, 30)
    LessonStore.build(data / "whole", Reading(journal.path).entries())
    tell(there=there, same=follower.read(facts) == facts(LessonStore(data / "whole")),
         strays=[p.name for p in data.glob(".store.*") if p.name != ".store.read"])
    follower.close()


def child(case, pipe):
    def tell(**what):
        os.write(pipe, (json.dumps(what) + "\n").encode())

    logging.basicConfig(filename=case["log"], level=logging.INFO, force=True)
    try:
        globals()[case["scene"]](case, tell)
        os._exit(0)
    except BaseException:
        FAULTS.faults_disarm()
        tell(trace=traceback.format_exc())
        os._exit(1)


def main():
    os.environ.setdefault("DS_ACCELERATOR", "cpu")
    FAULTS.faults_arm.argtypes = [ctypes.c_char_p] * 3 + [ctypes.c_int, ctypes.c_long]
    answers = os.dup(1)
    os.dup2(2, 1)
    LiveModel(load_config(Path(sys.argv[1])))  # and thrown away: what it imports, builds and looks up, no child has to
    for line in sys.stdin:
        case = json.loads(line)
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(reading)
            child(case, writing)
        os.close(writing)
        with open(reading) as pipe:
            told = [json.loads(one) for one in pipe if one.endswith("\n")]
        _, status = os.waitpid(pid, 0)
        os.write(answers, (json.dumps({"code": os.waitstatus_to_exitcode(status), "told": told}) + "\n").encode())


if __name__ == "__main__":
    main()
