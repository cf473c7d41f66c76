"""What happened to one session, one turn or one lesson, from the lesson store, in order."""

from __future__ import annotations

from pyoxigraph import NamedNode

from models.facts import BASE, node, term, tx, value_of
from models.store import LessonStore, NotKnown
from models.store_lessons import describe

EVENTS = {"turn": "answered", "correction": "corrected", "lesson": "taught", "retract": "retracted", "review": "reviewed",
          "load": "loaded", "rollback": "went back", "undo": "undone", "branch": "branched", "rename": "renamed",
          "forget": "forgotten"}

OF_A_MOMENT = ("seq", "time", "loss_now", "state", "in_weights")  # of a lesson's description, and not of its teaching


def history(store: LessonStore, session: str | None = None, turn: int | None = None, lesson: str | None = None,
            as_of: str | float | None = None) -> list[dict]:
    """All that was said, answered, corrected, taught, retracted, reviewed, left and taken back, as of a moment, the first first.

    Of a session, of one turn of it, or of a lesson (with the turn that it corrected, and the lessons that repeat it). Each is
    {"tx", "time" (epoch seconds), "event"} with, as they apply: session, turn, messages, answer, versions, text, was, corrects,
    supersedes, lesson, version, loss_before, loss_after, losses {lesson: loss}, checkpoint, left [lessons], returned [lessons],
    from. NotKnown in one sentence where the session, turn or lesson is not known."""
    at = store.moment(as_of)
    subjects = _lesson(store, lesson, at) if lesson is not None else _session(store, session, turn, at)
    touched: dict[int, set[NamedNode]] = {}
    for subject, until in subjects.items():
        for quad, seq in store.facts(subject, None, None, until):
            touched.setdefault(seq, set()).add(quad.subject)
    return [_event(store, seq, touched[seq]) for seq in sorted(touched)]


# -- what belongs to it: entities, each with the last transaction that counts


def _session(store: LessonStore, name: str, turn: int | None, at: int) -> dict[NamedNode, int]:
    sessions = store.sessions(name, at)
    if not sessions:
        raise NotKnown(f"there is no session {name[:80]}")
    found = {} if turn is not None else dict.fromkeys(sessions, at)
    for session in sessions:
        members = {quad.subject for quad, _ in store.facts(None, "session", session, at)}
        turns = {it for it in members if _kind(it) == "turn"}
        if turn is not None:
            turns &= {node("turn", f"{value_of(session).partition(':')[2]}:{turn}")}
        for it in turns:
            found |= _turn(store, it, at, at)
        if turn is None:
            found |= {it: at for it in members if _kind(it) == "lesson"}
    if not found:
        raise NotKnown(f"the session {name[:80]} has no turn {turn}")
    return found


def _turn(store: LessonStore, turn: NamedNode, until: int, at: int) -> dict[NamedNode, int]:
    """A turn and the lessons that correct it; of a branch also the turn that it shares, as that was until then."""
    found = {turn: until}
    for quad, _ in store.facts(None, "turn", turn, until):
        if _kind(quad.subject) == "lesson":
            found |= _versions(store, quad.subject, at)
    for quad, seq in store.facts(turn, "sharedFrom", None, until):
        found = _turn(store, quad.object, seq, at) | found
    return found


def _versions(store: LessonStore, lesson: NamedNode, at: int) -> dict[NamedNode, int]:
    """A lesson, those that it repeats and those that repeat it."""
    found, ahead = {}, [lesson]
    while ahead:
        it = ahead.pop()
        if it not in found:
            found[it] = at
            ahead += [quad.object for quad, _ in store.facts(it, "retrains", None, at)]
            ahead += [quad.subject for quad, _ in store.facts(None, "retrains", it, at)]
    return found


def _lesson(store: LessonStore, id: str, at: int) -> dict[NamedNode, int]:
    found = _versions(store, store.lesson(id), at)
    for it in list(found):
        for quad, _ in store.facts(it, "turn", None, at):
            found |= _turn(store, quad.object, at, at)
    return found


# -- what happened


def _event(store: LessonStore, seq: int, touched: set[NamedNode]) -> dict:
    kind = store.value(tx(seq), "kind", seq)
    event = {"tx": seq, "time": store.time(seq), "event": EVENTS.get(kind, kind)}
    lessons = sorted(_bare(it) for it in touched if _kind(it) == "lesson")
    if kind == "lesson":
        row = describe(store, store.lesson_at(seq), seq)
        return event | {name: value for name, value in row.items() if value is not None and name not in OF_A_MOMENT}
    if kind == "review":
        return event | {"losses": {id: store.value(node("lesson", id), "loss", seq) for id in lessons}}
    if kind in ("load", "rollback", "undo"):
        weighs = {id: store.value(node("lesson", id), "inWeights", seq) for id in lessons}
        left, returned = ([id for id, now in weighs.items() if now is wish] for wish in (False, True))
        event |= {"version": store.value(tx(seq), "weights", seq), "left": left, "returned": returned}
        return event | ({"checkpoint": store.value(store_loaded(store, seq), "folder", seq)} if kind == "load" else {})
    if kind == "retract":
        return event | {"lesson": lessons[0]}
    if kind == "rename":
        session = next(it for it in touched if _kind(it) == "session")
        return event | {"session": store.value(session, "name", seq), "from": store.value(session, "name", seq - 1)}
    return event | _talk(store, seq, touched)


def _talk(store: LessonStore, seq: int, touched: set[NamedNode]) -> dict:
    """What a record about a conversation says."""
    place = {}
    for quad, _ in store.facts(None, "turns", None, seq, seq):
        place["session"] = store.value(quad.subject, "name", seq)
        origin = store.value(quad.subject, "branchOf", seq)
        if any(store.facts(quad.subject, "branchOf", None, seq, seq)):
            return place | {"from": store.value(NamedNode(BASE + origin), "name", seq), "turn": value_of(quad.object)}
    for made in ("Answer", "Correction"):
        for quad, _ in store.facts(None, "a", term(made), seq, seq):
            return place | _said(store, quad.subject, seq)
    for quad, _ in store.facts(tx(seq), "confirms", None, seq, seq):
        return place | _said(store, quad.object, seq)
    return place


def _said(store: LessonStore, it: NamedNode, seq: int) -> dict:
    known = {name: value for name, (value, _) in store.latest(it, seq).items()}
    names = {"text": "answer" if _kind(it) == "answer" else "text", "was": "was", "corrects": "corrects", "supersedes": "supersedes",
             "finishReason": "finish_reason"}
    said = {"turn": int(known["turn"].rpartition(":")[2])}
    said |= {key: known[name] for name, key in names.items() if name in known}
    if "lesson" in known:
        said["lesson"] = known["lesson"].partition(":")[2]
    if "firstVersion" in known:
        said |= {"messages": store.messages(it, seq), "versions": [known["firstVersion"], known["lastVersion"]]}
    return said


def store_loaded(store: LessonStore, seq: int) -> NamedNode:
    """The checkpoint that a transaction put in place of the weights."""
    return next(quad.object for quad, _ in store.facts(tx(seq), "loads", None, seq, seq))


def _kind(it: NamedNode) -> str:
    return value_of(it).partition(":")[0]


def _bare(it: NamedNode) -> str:
    return value_of(it).partition(":")[2]
