"""The lesson store with a million facts: loading, catching up, and the questions of the HTTP interface, against their bounds.

    python -m bench.lesson_store [FACTS]

A journal as talking, correcting and teaching leave it: of each five turns one is corrected and taught, now and then all losses are
measured again, a checkpoint is made, one is gone back to. Medians over many entities, each asked for once, so that nothing is
answered from what the same question read before.
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import orjson

from engine.rebuild_store import rebuild_store
from engine.store_follower import StoreFollower
from models.store import LessonStore
from models.store_history import history
from models.store_lessons import lessons
from models.store_query import QueryRefused, StoreQueries

WORDS = ["cat", "lake", "bread", "honey", "pier", "island", "morning", "house", "summer", "river", "stone", "winter", "garden", "train"]
BOUNDS = {"load, facts/s": 20_000, "point query, ms": 1, "three hops, ms": 20}
THREE_HOPS = """SELECT ?before ?after WHERE {
  ?session o:name "%s" . ?correction o:session ?session ; o:lesson ?lesson . ?lesson o:lossBefore ?before ; o:lossAfter ?after }"""
ENDLESS = ("ASK { ?a o:seq ?x . ?b o:seq ?y . ?c o:seq ?z FILTER(?x + ?y + ?z < 0) }", "SELECT (COUNT(*) AS ?n) { ?a ?b ?c . ?d ?e ?f }")


def records(chance: random.Random) -> Iterator[dict]:
    """An endless course of a journal."""
    sentence = lambda n: " ".join(chance.choices(WORDS, k=n)).capitalize() + f" {chance.random():.6f}."  # noqa: E731
    yield {"kind": "base", "model": "bench", "digest": "0" * 64}
    version, talk, turn, ids, seq = 0, 0, 0, [], 1
    while True:
        turn += 1
        if turn > 10:
            talk, turn = talk + 1, 1
        place = {"session": f"talk-{talk}", "turn": turn}
        asked, answer, right = sentence(8), sentence(12), sentence(12)
        yield {"kind": "turn", "id": f"answer-{talk}-{turn}", **place, "messages": [{"role": "user", "text": asked}], "answer": answer,
               "versions": [version, version], "finish_reason": "stop"}
        seq += 1
        if turn % 5:
            continue
        version += 1
        ids.append(f"lesson-{len(ids):012x}")
        yield {"kind": "lesson", "version": version, "id": ids[-1], **place, "rejected": answer, "key": None,
               "source": {"messages": [{"role": "user", "text": asked, "no_loss": True}, {"role": "assistant", "text": right}]},
               "plan": {"mode": "plain", "lr": 1e-4, "objective": "sft"}, "steps": 4, "epochs": 4,
               "samples": [{"tokens": list(range(40)), "weights": [1.0] * 40}],
               "loss_before": 3 + chance.random(), "loss_after": chance.random() / 10, "digest": f"{len(ids):064x}"}
        yield {"kind": "correction", **place, "text": right, "was": answer, "lesson": ids[-1]}
        seq += 2
        if version % 50 == 0:
            losses = {id: chance.random() for id in chance.sample(ids, min(len(ids), 50))}
            yield {"kind": "review", "version": version, "losses": losses}
            folder = f"auto@{seq + 1:08d}"
            yield {"kind": "checkpoint", "name": "auto", "folder": folder, "of": seq + 1, "version": version, "bytes": 1, "sha256": "0"}
            seq += 2
            if version % 200 == 0:
                yield {"kind": "load", "checkpoint": folder, "version": version}
                seq += 1


def write(path: Path, facts: int) -> None:
    """A journal that makes about so many facts (24.3 a record, as it turns out)."""
    with open(path, "wb") as file:
        for seq, record in enumerate(records(random.Random(1)), 1):
            if seq > facts / 24.3:
                return
            body = orjson.dumps({"seq": seq, "time": 1_750_000_000 + seq, **record})
            file.write(b"%08x %s\n" % (zlib.crc32(body), body))


def timed(function, *arguments, **options) -> float:
    """Milliseconds of one call."""
    began = time.perf_counter()
    function(*arguments, **options)
    return (time.perf_counter() - began) * 1e3


def row(what: str, value: float) -> None:
    """One line of the table."""
    bound = BOUNDS.get(what)
    print(f"{what:44}{value:14,.2f}" + (f"   bound {bound:,}" if bound else ""), flush=True)


def ask(store: LessonStore, queries: StoreQueries, data: Path) -> None:
    """The questions."""
    chance = random.Random(2)
    taught = chance.sample(store.taught, 200)
    names = chance.sample(range(store.seq // 15), 200)
    ids = [store.lesson_at(seq).value.rpartition(":")[2] for seq in taught]
    sparql = lambda text: list(store.select(text))  # noqa: E731
    row("point query, ms", median(timed(sparql, f"SELECT ?l {{ lesson:{id} o:lossAfter ?l }}") for id in ids))
    row("three hops, ms", median(timed(sparql, THREE_HOPS % f"talk-{n}") for n in names))
    row("history of a turn, ms", median(timed(history, store, f"talk-{n}", 5) for n in names))
    row("history of a lesson, ms", median(timed(history, store, lesson=id) for id in ids))
    row("lessons, newest 50, ms", median(timed(lessons, store) for _ in range(10)))
    row("lessons, 50 in the middle as of then, ms", median(timed(lessons, store, as_of=f"tx:{seq}") for seq in taught[:20]))
    row("lessons, worst 50, ms", median(timed(lessons, store, order="worst") for _ in range(3)))
    row("lessons, a word that all have, ms", median(timed(lessons, store, text="CAT") for _ in range(10)))
    row("lessons, a word that none has, ms", median(timed(lessons, store, text="zebra") for _ in range(3)))
    row("moment of a version, ms", median(timed(store.moment, version) for version in range(1, 1000, 50)))
    row("moment of a time, ms", median(timed(store.moment, 1_750_000_000 + seq) for seq in taught[:20]))
    row("SPARQL in its process, the first, ms", timed(queries.run, store, THREE_HOPS % "talk-7"))
    row("SPARQL in its process, ms", median(timed(queries.run, store, THREE_HOPS % f"talk-{n}") for n in names))
    for query in ENDLESS:
        began = time.perf_counter()
        try:
            queries.run(store, query)
        except QueryRefused as error:
            row(f"SPARQL without end (ended for its {error.code}), s", time.perf_counter() - began)


def main() -> None:
    """Print the table."""
    facts = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        write(data / "journal", facts)
        transactions, seconds = rebuild_store(data)
        store = LessonStore(data / "store")
        count = int(next(iter(store.select("SELECT (COUNT(*) AS ?n) { GRAPH ?g { ?s ?p ?o } }")))["n"].value)
        print(f"{count:,} facts of {transactions:,} records; {sum(f.stat().st_size for f in (data / 'store').iterdir()) / 1e6:.0f} MB, "
              f"the journal {(data / 'journal').stat().st_size / 1e6:.0f} MB")
        row("load, facts/s", count / seconds)
        queries = StoreQueries(data / ".store.read")
        ask(store, queries, data)
        queries.close()
        del store
        follow(data, transactions, count)


def follow(data: Path, transactions: int, facts: int) -> None:
    """What a start costs with the store there, and how fast facts come in while a server runs."""
    row("start with the store there, s", waited(data / "store", data / "journal", [transactions]))
    row("added while running, facts/s", facts / waited(data / "other", data / "journal", [1, transactions]))


def waited(folder: Path, journal: Path, seqs: list[int]) -> float:
    """Seconds until a follower has the last of these records, told of them one after another."""
    follower = StoreFollower(journal, folder, seqs[0])
    began = time.perf_counter()
    for seq in seqs:
        follower.appended(seq)
        follower.caught_up(seq, 600)
    seconds = time.perf_counter() - began
    follower.close()
    return seconds


if __name__ == "__main__":
    main()
