"""What a record of the journal means where it stands: which answer it replaces, which lessons it takes out of the weights.

A record names its session, turn or checkpoint; what was there before, only the records ahead of it tell. The ledger goes over all
of them once, in order, and keeps the little that is needed. The same records always give the same changes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import NamedTuple
from urllib.parse import quote

from models.course import Course, Link, apart, path, without


class Shown(NamedTuple):
    """An answer or a correction that a turn shows or showed, by its name in the store and the digest of its text."""

    name: str
    digest: bytes


@dataclass
class Talk:
    """One session: a name that was left and taken again is another session."""

    key: str
    turns: dict[int, list[Shown]] = field(default_factory=dict)

    def turn(self, number: int) -> str:
        """The key of a turn."""
        return f"{self.key}:{number}"


@dataclass
class Change:
    """What one record changes. Names are those of the store: `answer:ID`, `correction:SEQ`; keys come without their kind."""

    seq: int
    time: float
    """When it was added, epoch seconds: never earlier than the record before (a lesson's is when it was learned, not when it began)."""
    understood: bool = True
    session: str | None = None
    session_name: str | None = None
    new_session: bool = False
    turn: str | None = None
    number: int | None = None
    turns: int | None = None
    """How many turns the session has from now on."""
    shows: str | None = None
    """What the turn shows from now on."""
    replaces: str | None = None
    """What it showed until now."""
    corrects: str | None = None
    confirms: str | None = None
    """The correction that a lesson brought and this record only repeats."""
    origin: Talk | None = None
    shared: list[tuple[int, str]] = field(default_factory=list)
    stands_on: str | None = None
    leaves: list[str] = field(default_factory=list)
    returns: list[str] = field(default_factory=list)
    weights: int | None = None
    """The version of the weights from now on; None where they stay."""
    weights_before: int | None = None
    """The record that made the weights until now."""
    head: str | None = None
    """The last lesson that a checkpoint contains."""
    without: list[str] = field(default_factory=list)
    """Lessons that its lessons were learned on, and that it does not contain: they were undone."""


class Ledger:
    """The records so far."""

    def __init__(self):
        self.seq = 0
        self._time = 0.0
        self._course = Course()  # of the lessons in the weights, by their ids
        self._stands_on: dict[str, str | None] = {}  # each lesson on the one that it was learned on
        self._undone: set[str] = set()
        self._weights_seq: int | None = None
        self._talks: dict[str, Talk] = {}
        self._left: dict[str, int] = {}  # how many sessions had a name and have it no more
        self._brought: dict[str, tuple[str, str]] = {}  # the correction that a lesson brought, and its turn

    def take(self, record: dict) -> Change:
        """Take in the next record. One of an unknown kind, or without what its kind has, changes nothing but the time."""
        self.seq += 1
        when = record.get("time")
        if isinstance(when, (int, float)):
            self._time = max(self._time, when)
        change = Change(self.seq, self._time)
        head = self._course.end()
        try:
            kind = record["kind"]
            if kind in KINDS:
                head = getattr(self, f"_{kind}")(record, change, head)
            else:
                change.understood = kind in PLAIN
        except (KeyError, TypeError, ValueError, AttributeError, IndexError):
            change = Change(self.seq, self._time, understood=False)
        self._course.note(self.seq, head)
        return change

    # -- the weights

    def _base(self, record: dict, change: Change, head: Link | None) -> Link | None:
        self._weigh(change, 0)
        change.understood = False  # nothing else of it has words of its own
        return head

    def _rehearsal(self, record: dict, change: Change, head: Link | None) -> Link | None:
        self._weigh(change, record["version"])
        change.understood = False
        return head

    def _lesson(self, record: dict, change: Change, head: Link | None) -> Link | None:
        lesson = record["id"]
        if lesson in self._stands_on:
            raise ValueError("taught twice")
        if record.get("session"):
            self._taught_in(record, change)
        change.stands_on = head and head.item
        self._stands_on[lesson] = change.stands_on
        self._weigh(change, record["version"])
        return Link.on(head, lesson, self.seq)

    def _load(self, record: dict, change: Change, head: Link | None) -> Link | None:
        return self._return(self._at(record["checkpoint"]), record, change, head)

    def _rollback(self, record: dict, change: Change, head: Link | None) -> Link | None:
        if not 0 <= record["to"] < self.seq:
            raise ValueError("a return to a record that is not there")
        return self._return(self._course.end(record["to"]), record, change, head)

    def _undo(self, record: dict, change: Change, head: Link | None) -> Link | None:
        lesson = record["lesson"]
        change.leaves = [lesson]
        self._undone.add(lesson)
        self._weigh(change, record["version"])
        return without(head, lambda other: other == lesson, self.seq)

    def _return(self, target: Link | None, record: dict, change: Change, head: Link | None) -> Link | None:
        """The weights are those of an earlier record. A lesson on both branches was learned anew on one of them, and stays."""
        left, returned = ([link.item for link in links] for links in apart(head, target))
        change.leaves = [lesson for lesson in left if lesson not in returned]
        change.returns = [lesson for lesson in returned if lesson not in left]
        self._contains(target, change)
        self._weigh(change, record["version"])
        return target

    def _checkpoint(self, record: dict, change: Change, head: Link | None) -> Link | None:
        self._contains(self._at(record["folder"]), change)
        return head

    def _contains(self, at: Link | None, change: Change) -> None:
        """The head of a checkpoint, and what a walk from there along the lessons that others were learned on finds too much."""
        change.head = at and at.item
        if self._undone:
            there, walked = {link.item for link in path(at)}, change.head
            while walked is not None:
                if walked in self._undone and walked not in there:
                    change.without.append(walked)
                walked = self._stands_on[walked]

    def _at(self, folder: str) -> Link | None:
        """The last lesson of a checkpoint `NAME@SEQ`."""
        seq = int(folder.rpartition("@")[2])
        if not 0 <= seq < self.seq:
            raise ValueError(f"{folder} is of a record that is not there")
        return self._course.end(seq)

    def _weigh(self, change: Change, version: int) -> None:
        change.weights, change.weights_before = version, self._weights_seq
        self._weights_seq = self.seq

    # -- conversations

    def _turn(self, record: dict, change: Change, head: Link | None) -> Link | None:
        talk, number = self._place(record, change)
        shown = Shown(f"answer:{quote(str(record['id']), safe='')}", _digest(record["answer"]))
        for later in [n for n in talk.turns if n > number]:
            del talk.turns[later]
        self._show(talk, number, shown, change)
        return head

    def _correction(self, record: dict, change: Change, head: Link | None) -> Link | None:
        talk, number = self._place(record, change)
        known = self._brought.get(record.get("lesson"))
        if known is not None and known[1] == change.turn:
            change.confirms = known[0]
            return head
        shown = Shown(f"correction:{self.seq}", _digest(record["text"]))
        change.corrects = _last_of(talk.turns.get(number, ()), _digest(record.get("was") or ""))
        self._show(talk, number, shown, change)
        return head

    def _taught_in(self, record: dict, change: Change) -> None:
        """A lesson of a turn. One that names a rejected answer corrects it: the turn shows the lesson's answer from now on, unless
        it shows something else than what was rejected by then."""
        talk, number = self._place(record, change)
        if record.get("rejected") is None:
            return
        shown = talk.turns.get(number, [])
        rejected = _digest(record["rejected"])
        change.corrects = _last_of(shown, rejected)
        if not shown or shown[-1].digest == rejected:
            correction = Shown(f"correction:{self.seq}", _digest(record["source"]["messages"][-1]["text"]))
            self._show(talk, number, correction, change)
            self._brought[record["id"]] = correction.name, change.turn

    def _branch(self, record: dict, change: Change, head: Link | None) -> Link | None:
        origin, number = self._talk(record["from"]), record["turn"]
        talk = self._talk(record["session"], change)
        talk.turns = {n: [shown[-1]] for n, shown in sorted(origin.turns.items()) if n <= number}
        change.origin, change.turns = origin, number
        change.shared = [(n, shown[0].name) for n, shown in talk.turns.items()]
        return head

    def _rename(self, record: dict, change: Change, head: Link | None) -> Link | None:
        old, new = record["from"], record["session"]
        talk = self._talk(old, change)
        self._leave(old)
        self._talks[new], change.session_name = talk, new
        return head

    def _forget(self, record: dict, change: Change, head: Link | None) -> Link | None:
        self._talk(record["session"], change)
        self._leave(record["session"])
        return head

    def _leave(self, name: str) -> None:
        """The next session of that name is another one."""
        del self._talks[name]
        self._left[name] = self._left.get(name, 0) + 1

    def _place(self, record: dict, change: Change) -> tuple[Talk, int]:
        number = record["turn"]
        if not isinstance(number, int):
            raise ValueError("a turn is a number")
        talk = self._talk(record["session"], change)
        change.turn, change.number = talk.turn(number), number
        return talk, number

    def _talk(self, name: str, change: Change | None = None) -> Talk:
        known = self._talks.get(name)
        if known is None:
            again = self._left.get(name, 0)
            key = quote(name, safe="")
            known = Talk(f"{key}:{again + 1}" if again else key)
            if change is not None:
                self._talks[name] = known
                change.new_session = True
        if change is not None:
            change.session, change.session_name = known.key, name
        return known

    @staticmethod
    def _show(talk: Talk, number: int, shown: Shown, change: Change) -> None:
        before = talk.turns.setdefault(number, [])
        change.replaces = before[-1].name if before else None
        before.append(shown)
        change.shows, change.turns = shown.name, max(talk.turns)


# Kinds whose meaning depends on the records before, and those that say it all themselves.
KINDS = frozenset(("base", "lesson", "rehearsal", "load", "rollback", "undo", "checkpoint", "turn", "correction", "branch",
                   "rename", "forget"))
PLAIN = frozenset(("retract", "review", "run", "run_end"))


def _digest(text: str) -> bytes:
    return blake2b(text.encode(), digest_size=8).digest()


def _last_of(shown: Iterable[Shown], digest: bytes) -> str | None:
    """The last shown one with this text."""
    return next((s.name for s in reversed(list(shown)) if s.digest == digest), None)
