"""Lists of lessons from the lesson store: filtered, in order, a page at a time."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from itertools import groupby, islice

from pyoxigraph import NamedNode

from models.facts import BASE, literal, node, term, value_of
from models.store import LessonStore

STATES = ("taught", "retracted", "left")
ORDERS = ("newest", "worst")
# Of a lesson's description, and the property that each is.
FIELDS = {"version": "version", "rejected": "rejected", "index": "index", "dataset": "dataset", "file": "file", "line": "line",
          "loss_before": "lossBefore", "loss_after": "lossAfter", "loss_now": "loss", "drift": "drift",
          "steps": "steps", "epochs": "epochs",
          "mode": "mode", "objective": "objective", "lr": "lr"}


def lessons(store: LessonStore, as_of: str | float | None = None, session: str | None = None, role: str | None = None,
            text: str | None = None, state: str | None = None, order: str = "newest", limit: int = 50,
            before: int | None = None) -> list[dict]:
    """What was taught, as it was known at a moment (`LessonStore.moment`), described as by `describe`.

    session    taught in it, by a correction
    role       with a message of this role
    text       with all of these words somewhere in its messages, in any case
    state      taught: in the weights; left: on a branch that was left; retracted
    order      newest first, or worst first: by the loss that was measured last
    before     the `seq` of the last row of the page before this one
    ValueError in one sentence where a value is not allowed."""
    if state is not None and state not in STATES:
        raise ValueError(f"state: one of {', '.join(STATES)}, got {state[:80]}")
    if order not in ORDERS:
        raise ValueError(f"order: one of {', '.join(ORDERS)}, got {order[:80]}")
    if limit < 1:
        raise ValueError(f"limit: at least 1, got {limit}")
    at = store.moment(as_of)
    words = (text or "").lower().split()
    found = (
        row for seq in _candidates(store, session, state, order, before, at)
        if (not words or _has_words(store, seq, words)) and (role is None or any(store.facts(None, "role", literal(role), at, seq)))
        for row in [describe(store, store.lesson_at(seq), at)] if state is None or row["state"] == state)
    return list(islice(found, limit))


def describe(store: LessonStore, lesson: NamedNode, at: int) -> dict:
    """One lesson as of a transaction. Times in epoch seconds, losses in nats per trained token; null where there is none.

    lesson, seq, time, version, session, turn, rejected, corrects (the answer or correction that it put right), retrains, run,
    index, dataset, file, line, loss_before, loss_after, loss_now, drift, retracted (when), in_weights, state, mode, objective, lr, steps,
    epochs, trained_tokens, and what was taught: `messages`, `lessons`, `text`, or `tokens` (how many)."""
    known = store.latest(lesson, at)
    get = lambda name: known.get(name, (None, 0))[0]  # noqa: E731
    retracted = known.get("retracted")
    state = "retracted" if retracted else "taught" if get("inWeights") else "left"
    turn = get("turn")
    session = get("session")
    row = {"lesson": _key(lesson), "seq": known["began"][1], "time": get("began"),
           "session": store.value(NamedNode(BASE + session), "name", at) if session else None,
           "turn": int(turn.rpartition(":")[2]) if turn else None,
           "corrects": get("corrects"), "retrains": _bare(get("retrains")), "run": _bare(get("run")),
           **{name: get(key) for name, key in FIELDS.items()},
           "trained_tokens": get("trainedTokens"), "retracted": store.time(retracted[1]) if retracted else None,
           "in_weights": get("inWeights"), "state": state}
    if row["dataset"] is None and row["run"] is not None:
        row["dataset"] = store.value(node("run", row["run"]), "dataset", at)
    return row | _taught(store, lesson, known, at)


def _taught(store: LessonStore, lesson: NamedNode, known: dict, at: int) -> dict:
    if "message" in known:
        messages = store.messages(lesson, at)
        if "sample" not in messages[0]:
            return {"messages": messages}
        parts = groupby(messages, key=lambda m: m.pop("sample"))
        return {"lessons": [{"messages": list(part)} for _, part in parts]}
    if "text" in known:
        return {"text": known["text"][0]}
    return {"tokens": known["trainedTokens"][0]}


def _candidates(store: LessonStore, session: str | None, state: str | None, order: str, before: int | None, at: int) -> Iterable[int]:
    """Transactions that taught, in the order asked for, those after `before`; some may not be of that state after all."""
    chosen = _chosen(store, session, state, at)
    if order == "worst":
        return _worst(store, chosen, before, at)
    taught = store.taught if chosen is None else sorted(chosen)
    end = bisect_right(taught, at) if before is None else bisect_left(taught, min(before, at + 1))
    return (taught[i] for i in range(end - 1, -1, -1))


def _chosen(store: LessonStore, session: str | None, state: str | None, at: int) -> set[int] | None:
    """Those that an index finds; None for all."""
    chosen = None
    if session is not None:
        facts = (fact for it in store.sessions(session, at) for fact in store.facts(None, "session", it, at))
        chosen = {seq for quad, seq in facts if quad.subject.value.startswith(f"{BASE}lesson:")}
    if state in ("retracted", "left"):
        name, value = ("retracted", True) if state == "retracted" else ("inWeights", False)
        subjects = {quad.subject for quad, _ in store.facts(None, name, literal(value), at)}
        seqs = {seq for it in subjects for _, seq in store.facts(it, "a", term("Lesson"), at)}
        chosen = seqs if chosen is None else chosen & seqs
    return chosen


def _worst(store: LessonStore, chosen: set[int] | None, before: int | None, at: int) -> Iterator[int]:
    taught: dict[str, int] = {}
    losses: dict[str, tuple[int, float]] = {}
    for quad, seq in store.facts(None, "loss", None, at):
        lesson = quad.subject.value
        taught[lesson] = min(taught.get(lesson, seq), seq)
        losses[lesson] = max(losses.get(lesson, (0, 0.0)), (seq, value_of(quad.object)))
    known = chosen if chosen is not None else set(store.taught)  # what was reviewed without having been taught is no lesson
    rows = sorted(((loss, taught[lesson]) for lesson, (_, loss) in losses.items() if taught[lesson] in known), reverse=True)
    ranked = [seq for _, seq in rows]
    start = ranked.index(before) + 1 if before in ranked else 0
    return iter(ranked[start:])


def _has_words(store: LessonStore, seq: int, words: list[str]) -> bool:
    texts = "\n".join(quad.object.value for quad, _ in store.facts(None, "text", None, seq, seq)).lower()
    return all(word in texts for word in words)


def _key(it: NamedNode) -> str:
    return _bare(value_of(it))


def _bare(name: str | None) -> str | None:
    """The key of a name of the store: `lesson:lesson-12` is lesson-12."""
    return name.partition(":")[2] if name else None
