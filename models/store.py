"""The lesson store: the facts of the journal in an embedded Oxigraph, one named graph a transaction, and questions about them.

Everything is asked as of a transaction: facts of later ones are passed over, so an answer stays one while more is written.
Any thread may ask; one writes.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path

from pyoxigraph import Literal, NamedNode, Quad, QuerySolution, Store

from models.facts import BASE, PREFIXES, TYPE, literal, node, quads, term, tx, value_of
from models.ledger import Change

Entry = tuple[dict, int, Change]
"""A record, its checksum in the journal, and what the ledger says of it."""
EPOCH = 10**8
"""A plain number below it is a version, from it on a time."""
TX = len(f"{BASE}tx:")


class NotKnown(LookupError):
    """There is no entity of that name, in one sentence."""


class LessonStore:
    """A folder of facts. OSError or RuntimeError where it cannot be opened, read or written: which, the library decides."""

    def __init__(self, path: Path):
        self.path = path
        self._store = Store(path)
        self.seq = self._last()
        self.taught = sorted(_seq(q) for q in self._store.quads_for_pattern(None, TYPE, term("Lesson"), None))
        """The transactions that taught a lesson."""

    @staticmethod
    def build(path: Path, entries: Iterable[Entry]) -> None:
        """Fill a new folder. Until this returns, what is in it may be less than whole."""
        store = Store(path)
        store.bulk_extend(quad for entry in entries for quad in quads(*entry))
        store.flush()

    def add(self, entries: list[Entry]) -> None:
        """Add the next transactions, all of them or none."""
        batch = [quad for entry in entries for quad in quads(*entry)]
        self._store.extend(batch)
        for record, _, change in entries:
            if record.get("kind") == "lesson" and change.understood:
                insort(self.taught, change.seq)
        self.seq = entries[-1][2].seq

    def close(self) -> None:
        """Let go of the folder; whoever still asks gets OSError."""
        self._store = _Closed()

    def snapshot(self, path: Path) -> None:
        """A copy of this moment in a new folder, for another process: hard links, in milliseconds."""
        self._store.backup(path)

    def select(self, query: str) -> Iterator[QuerySolution]:
        """The rows of a SELECT of the program's own, not bounded in time; `StoreQueries` is for those of others."""
        return self._store.query(query, prefixes=PREFIXES, use_default_graph_as_union=True)

    # -- transactions

    def _last(self) -> int:
        """The last transaction. They have no gaps and are added in order, so the search doubles, then halves."""
        known = lambda seq: self._store.contains_named_graph(tx(seq))  # noqa: E731
        high = 1
        while known(high):
            high *= 2
        low = high // 2
        return low + bisect_left(range(low, high), True, key=lambda seq: not known(seq)) - 1 if low else 0

    @property
    def format(self) -> str | None:
        """Of the vocabulary that it was written in."""
        return self.value(tx(1), "format")

    def mark(self, seq: int) -> int:
        """The checksum of a record, as `Journal.mark` has it."""
        return int(self.value(tx(seq), "mark"), 16)

    def time(self, seq: int) -> float:
        """When a transaction was added, epoch seconds."""
        return self.value(tx(seq), "time")

    def moment(self, as_of: str | float | None) -> int:
        """The last transaction of a moment: None or "" is now, `tx:120` a transaction, 17 or `version:17` the last time that the
        weights had this version, 1764000000.5 (from 10^8 on) or `2026-11-24T15:00:00Z` a time. ValueError where it is none."""
        text = "" if as_of is None else str(as_of)
        if text == "":
            return self.seq
        if re.fullmatch(r"tx:\d{1,15}", text):
            return min(int(text[3:]), self.seq)
        if re.fullmatch(r"version:\d{1,15}", text):
            return self._of_version(int(text[8:]))
        if re.fullmatch(r"\d{1,15}(\.\d*)?(e\+?\d)?", text):
            number = float(text)
            return self._of_version(int(number)) if number < EPOCH and number == int(number) else self._of_time(number)
        try:
            time = datetime.fromisoformat(text)
        except ValueError:
            time = None
        if time is None or time.tzinfo is None:
            raise ValueError("as_of: a version (17), a time (1764000000.5 or 2026-11-24T15:00:00Z) or a transaction (tx:120), "
                             f"got {text[:80]}")
        return self._of_time(time.timestamp())

    def _of_time(self, seconds: float) -> int:
        # Rounded like what is stored, so that the time of a record is a moment at which it is there.
        return bisect_right(range(1, self.seq + 1), round(seconds, 6), key=lambda seq: round(self.time(seq), 6))

    def _of_version(self, version: int) -> int:
        made = [_seq(q) for q in self._store.quads_for_pattern(None, term("weights"), literal(version), None)]
        if not made:
            raise ValueError(f"as_of: the weights never had version {version}")
        after = [_seq(q) for q in self._store.quads_for_pattern(None, term("weightsBefore"), tx(max(made)), None)]
        return min(after) - 1 if after else self.seq

    # -- facts

    def facts(self, subject: NamedNode | None, name: str | None, object_: NamedNode | Literal | None, at: int,
              seq: int | None = None) -> Iterator[tuple[Quad, int]]:
        """Facts as of a transaction, each with the one that added it; of `seq` alone, where given."""
        predicate = None if name is None else TYPE if name == "a" else term(name)
        for quad in self._store.quads_for_pattern(subject, predicate, object_, None if seq is None else tx(seq)):
            added = _seq(quad)
            if added <= at:
                yield quad, added

    def value(self, subject: NamedNode, name: str, at: int | None = None) -> object:
        """The value of a property as of a transaction (the last, if not given); None where it has none."""
        found = list(self.facts(subject, name, None, self.seq + 1 if at is None else at))
        return value_of(max(found, key=lambda f: f[1])[0].object) if found else None

    def latest(self, subject: NamedNode, at: int) -> dict[str, tuple[object, int]]:
        """All properties of an entity, each with its value as of a transaction and the one that added it."""
        found: dict[str, tuple[object, int]] = {}
        for quad, added in self.facts(subject, None, None, at):
            name = quad.predicate.value.removeprefix(BASE)
            if name not in found or added >= found[name][1]:
                found[name] = value_of(quad.object), added
        return found

    def sessions(self, name: str, at: int) -> list[NamedNode]:
        """The sessions of this name, one after another: those that had it to their end, and the one that has it."""
        found = sorted((seq, quad.subject.value) for quad, seq in self.facts(None, "name", literal(name), at))
        sessions = dict.fromkeys(NamedNode(it) for _, it in found if it.startswith(f"{BASE}session:"))
        return [it for it in sessions if self.value(it, "name", at) == name]

    def messages(self, owner: NamedNode, at: int) -> list[dict]:
        """The messages of a lesson or an answer, in order; `sample` says which of several conversations they belong to."""
        found = [self.latest(quad.object, at) for quad, _ in self.facts(owner, "message", None, at)]
        return [{name: m[key][0] for name, key in MESSAGE.items() if key in m} for m in sorted(found, key=lambda m: m["index"][0])]

    def lesson_at(self, seq: int) -> NamedNode:
        """The lesson that a transaction taught."""
        return next(quad.subject for quad, _ in self.facts(None, "a", term("Lesson"), seq, seq))

    def lesson(self, id: str) -> NamedNode:
        """A lesson by its id; NotKnown where there is none."""
        it = node("lesson", id)
        if not any(self.facts(it, "a", term("Lesson"), self.seq)):
            raise NotKnown(f"there is no lesson {id[:80]}")
        return it


class _Closed:
    """In the place of a store that was closed."""

    def __getattr__(self, name: str):
        raise OSError("the store was closed")


MESSAGE = {"role": "role", "text": "text", "weight": "weight", "no_loss": "noLoss", "rejected": "rejected", "sample": "sample"}


def _seq(quad: Quad) -> int:
    return int(quad.graph_name.value[TX:])
