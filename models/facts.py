"""A record of the journal as facts: RDF quads, all in the named graph of the record's transaction. docs/store.md is the vocabulary.

A fact is never changed: what changes is stated again in a later graph, and the latest that is not later than a moment held then.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from urllib.parse import quote

import orjson
from pyoxigraph import Literal, NamedNode, Quad

from models.ledger import Change

BASE = "urn:ouroboros:"
FORMAT = "1"
"""Of the vocabulary. A store of another format is made again from the journal."""
XSD = "http://www.w3.org/2001/XMLSchema#"
RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
DATE_TIME = NamedNode(f"{XSD}dateTime")
TYPE = NamedNode(f"{RDF}type")
ENTITIES = ("tx", "lesson", "message", "session", "turn", "answer", "correction", "run", "checkpoint")
PREFIXES = {"o": BASE, "xsd": XSD, "rdf": RDF, **{kind: f"{BASE}{kind}:" for kind in ENTITIES}}
_terms: dict[str, NamedNode] = {}


def term(name: str) -> NamedNode:
    """A class or property of the vocabulary."""
    if name not in _terms:
        _terms[name] = NamedNode(BASE + name)
    return _terms[name]


def node(kind: str, key: object) -> NamedNode:
    """An entity by its kind and key; what an IRI may not hold is escaped."""
    return NamedNode(f"{BASE}{kind}:{quote(str(key), safe=':')}")


def named(name: str) -> NamedNode:
    """An entity by the name that the ledger gives it."""
    return NamedNode(BASE + name)


def tx(seq: int) -> NamedNode:
    """The transaction that a record is, which is also the graph of its facts."""
    return NamedNode(f"{BASE}tx:{seq}")


def checkpoint(folder: str) -> NamedNode:
    """A checkpoint by its folder `NAME@SEQ`."""
    return node("checkpoint", folder.replace("@", ":"))


def literal(value: object) -> Literal:
    """A value as RDF has it; what is neither text, number nor truth as JSON."""
    return Literal(value if isinstance(value, (str, bool, int, float)) else orjson.dumps(value).decode())


def moment(seconds: float) -> Literal:
    """Epoch seconds as xsd:dateTime, to the microsecond."""
    return Literal(datetime.fromtimestamp(seconds, UTC).isoformat(), datatype=DATE_TIME)


def value_of(object_: NamedNode | Literal) -> object:
    """What `literal` and `moment` were given; of a node its name: `lesson:…`, `answer:…`."""
    if isinstance(object_, NamedNode):
        return object_.value.removeprefix(BASE)
    kind = object_.datatype.value.rpartition("#")[2]
    if kind == "string":
        return object_.value
    if kind == "dateTime":
        return datetime.fromisoformat(object_.value).timestamp()
    return object_.value == "true" if kind == "boolean" else int(object_.value) if kind == "integer" else float(object_.value)


def quads(record: dict, mark: int, change: Change) -> list[Quad]:
    """The facts of a record. `mark`: its checksum in the journal; `change`: what the ledger says of it."""
    graph = tx(change.seq)
    facts = list(_transaction(record, mark, change))
    try:
        if change.understood:
            facts += list(KINDS[record["kind"]](record, change))
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
        change.understood = False
    if not change.understood:
        facts.append((graph, "record", orjson.dumps(record).decode()))
    return [Quad(s, TYPE if p == "a" else term(p), term(o) if p == "a" else _object(o), graph) for s, p, o in facts if o is not None]


def _object(value: object) -> NamedNode | Literal:
    return value if isinstance(value, (NamedNode, Literal)) else literal(value)


def _transaction(record: dict, mark: int, change: Change) -> Iterator[tuple]:
    me = tx(change.seq)
    yield me, "a", "Transaction"
    yield me, "seq", change.seq
    yield me, "time", moment(change.time)
    yield me, "kind", str(record.get("kind"))
    yield me, "mark", f"{mark:08x}"
    if change.seq == 1:
        yield me, "format", FORMAT
    if change.weights is not None:
        yield me, "weights", change.weights
        if change.weights_before is not None:
            yield me, "weightsBefore", tx(change.weights_before)


# -- conversations


def _place(change: Change) -> Iterator[tuple]:
    """The session and the turn that a record is about."""
    if change.session is None:
        return
    session = NamedNode(f"{BASE}session:{change.session}")
    if change.new_session:
        yield session, "a", "Session"
        yield session, "name", change.session_name
    yield session, "turns", change.turns
    if change.turn is not None:
        turn = NamedNode(f"{BASE}turn:{change.turn}")
        yield turn, "a", "Turn"
        yield turn, "session", session
        yield turn, "number", change.number
        if change.shows:
            yield turn, "shows", named(change.shows)


def _about(me: NamedNode, change: Change) -> Iterator[tuple]:
    """What stands in a session."""
    if change.session is not None:
        yield me, "session", NamedNode(f"{BASE}session:{change.session}")
        yield me, "turn", NamedNode(f"{BASE}turn:{change.turn}")


def _messages(me: NamedNode, seq: int, messages: list[dict], first: int = 1, sample: int | None = None) -> Iterator[tuple]:
    for index, message in enumerate(messages, first):
        it = NamedNode(f"{BASE}message:{seq}:{index}")
        yield me, "message", it
        yield it, "a", "Message"
        yield it, "index", index
        yield it, "sample", sample
        yield it, "role", message["role"]
        yield it, "text", message["text"]
        yield it, "weight", message.get("weight")
        yield it, "noLoss", message.get("no_loss")
        yield it, "rejected", message.get("rejected")


def _turn(record: dict, change: Change) -> Iterator[tuple]:
    me = named(change.shows)
    first, last = record["versions"]
    yield from _place(change)
    yield me, "a", "Answer"
    yield from _about(me, change)
    yield from _messages(me, change.seq, record["messages"])
    yield me, "text", record["answer"]
    yield me, "firstVersion", first
    yield me, "lastVersion", last
    yield me, "finishReason", record.get("finish_reason")
    yield from _supersedes(me, change)


def _supersedes(me: NamedNode, change: Change) -> Iterator[tuple]:
    if change.replaces is not None:
        yield me, "supersedes", named(change.replaces)


def _correction(record: dict, change: Change) -> Iterator[tuple]:
    lesson = record.get("lesson")
    yield from _place(change)
    if change.confirms is not None:
        yield tx(change.seq), "confirms", named(change.confirms)
        return
    yield from _corrected(named(change.shows), record["text"], record.get("was"), change)
    yield named(change.shows), "lesson", lesson and node("lesson", lesson)


def _corrected(me: NamedNode, text: str, was: str | None, change: Change) -> Iterator[tuple]:
    yield me, "a", "Correction"
    yield from _about(me, change)
    yield me, "text", text
    yield me, "was", was
    yield me, "corrects", change.corrects and named(change.corrects)
    yield from _supersedes(me, change)


def _branch(record: dict, change: Change) -> Iterator[tuple]:
    session = NamedNode(f"{BASE}session:{change.session}")
    yield from _place(change)
    yield session, "branchOf", NamedNode(f"{BASE}session:{change.origin.key}")
    for number, shown in change.shared:
        turn = NamedNode(f"{BASE}turn:{change.session}:{number}")
        yield turn, "a", "Turn"
        yield turn, "session", session
        yield turn, "number", number
        yield turn, "sharedFrom", NamedNode(f"{BASE}turn:{change.origin.turn(number)}")
        yield turn, "shows", named(shown)


def _rename(record: dict, change: Change) -> Iterator[tuple]:
    session = NamedNode(f"{BASE}session:{change.session}")
    yield from _place(change)
    if not change.new_session:
        yield session, "name", change.session_name


def _forget(record: dict, change: Change) -> Iterator[tuple]:
    yield from _place(change)
    yield NamedNode(f"{BASE}session:{change.session}"), "forgotten", True


# -- lessons


def _lesson(record: dict, change: Change) -> Iterator[tuple]:
    me, plan, file = node("lesson", record["id"]), record.get("plan") or {}, record.get("file") or {}
    after = record.get("loss_after")
    yield me, "a", "Lesson"
    yield from _place(change)
    if change.session is not None:
        yield from _about(me, change)
    yield from _source(me, record, change.seq)
    yield me, "began", moment(record.get("began", record["time"]))
    yield me, "version", record["version"]
    yield me, "rejected", record.get("rejected")
    yield me, "corrects", change.corrects and named(change.corrects)
    yield me, "retrains", record.get("retrains") and node("lesson", record["retrains"])
    yield me, "run", record.get("run") and node("run", record["run"])
    yield me, "index", record.get("index")
    yield me, "file", file.get("name")
    yield me, "line", file.get("line")
    for name in ("mode", "objective", "lr"):
        yield me, name, plan.get(name)
    yield me, "steps", record.get("steps")
    yield me, "epochs", record.get("epochs")
    yield me, "trainedTokens", sum(len(s["tokens"]) - 1 for s in record.get("samples") or ())
    yield me, "lossBefore", record.get("loss_before")
    yield me, "lossAfter", after
    yield me, "loss", after
    yield me, "drift", record.get("drift")
    yield me, "digest", record.get("digest")
    yield me, "standsOn", change.stands_on and node("lesson", change.stands_on)
    yield me, "inWeights", True
    if change.shows:
        correction = named(change.shows)
        yield from _corrected(correction, record["source"]["messages"][-1]["text"], record["rejected"], change)
        yield correction, "lesson", me


def _source(me: NamedNode, record: dict, seq: int) -> Iterator[tuple]:
    """What was taught, in the words that it was given in."""
    source = record["source"]
    if "messages" in source:
        yield from _messages(me, seq, source["messages"])
    elif "lessons" in source:
        first = 1
        for sample, lesson in enumerate(source["lessons"], 1):
            yield from _messages(me, seq, lesson["messages"], first, sample)
            first += len(lesson["messages"])
    for name in ("text", "tokens", "dataset"):
        yield me, name, source.get(name)


def _retract(record: dict, change: Change) -> Iterator[tuple]:
    yield node("lesson", record["lesson"]), "retracted", True


def _review(record: dict, change: Change) -> Iterator[tuple]:
    yield tx(change.seq), "version", record.get("version")
    for lesson, loss in record["losses"].items():
        yield node("lesson", lesson), "loss", loss


def _load(record: dict, change: Change) -> Iterator[tuple]:
    yield from _stored(record["checkpoint"], record["version"], change)
    yield tx(change.seq), "loads", checkpoint(record["checkpoint"])
    yield from _moved(change)


def _rollback(record: dict, change: Change) -> Iterator[tuple]:
    yield tx(change.seq), "returnsTo", tx(record["to"])
    yield from _moved(change)


def _undo(record: dict, change: Change) -> Iterator[tuple]:
    yield tx(change.seq), "undoes", node("lesson", record["lesson"])
    yield from _moved(change)


def _moved(change: Change) -> Iterator[tuple]:
    """Which lessons left the weights, and which came back."""
    for lesson in change.leaves:
        yield node("lesson", lesson), "inWeights", False
    for lesson in change.returns:
        yield node("lesson", lesson), "inWeights", True


# -- checkpoints and runs


def _stored(folder: str, version: int, change: Change) -> Iterator[tuple]:
    me = checkpoint(folder)
    name, _, of = folder.rpartition("@")
    yield me, "a", "Checkpoint"
    yield me, "name", name
    yield me, "folder", folder
    yield me, "of", tx(int(of))
    yield me, "version", version
    yield me, "head", change.head and node("lesson", change.head)
    for lesson in change.without:
        yield me, "without", node("lesson", lesson)


def _checkpoint(record: dict, change: Change) -> Iterator[tuple]:
    yield from _stored(record["folder"], record["version"], change)
    yield checkpoint(record["folder"]), "bytes", record.get("bytes")
    yield checkpoint(record["folder"]), "sha256", record.get("sha256")


def _run(record: dict, change: Change) -> Iterator[tuple]:
    me = node("run", record["run"])
    yield me, "a", "Run"
    for name in ("dataset", "sha256", "format", "lessons", "passes", "shuffle", "seed"):
        yield me, name, record.get(name)


def _run_end(record: dict, change: Change) -> Iterator[tuple]:
    me = node("run", record["run"])
    yield me, "ended", record["reason"]
    yield me, "learned", record.get("learned")


KINDS = {"turn": _turn, "correction": _correction, "branch": _branch, "rename": _rename, "forget": _forget, "lesson": _lesson,
         "retract": _retract, "review": _review, "load": _load, "rollback": _rollback, "undo": _undo, "checkpoint": _checkpoint,
         "run": _run, "run_end": _run_end}
