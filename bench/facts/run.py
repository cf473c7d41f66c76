"""One run of `teaching`: a stream of lessons, what was asked before, between and after, and what came of it."""

from __future__ import annotations

import json
import re
import statistics
import sys
import uuid
from collections.abc import Sequence
from pathlib import Path

from bench.facts import Fact
from bench.facts.server import Server, Started, append, messages, normal

LATER = 5
"""Facts that are taught before one of those that change is changed."""
EVERY = 10
"""Lessons between two points of the curve."""


def stream(facts: Sequence[Fact]) -> list[dict]:
    """The lessons in order: {"fact", "question", "answer", "retracts"}; a change comes LATER facts after its fact, or at the end."""
    lessons, waiting = [], []
    for i, fact in enumerate(facts):
        lessons += [{"fact": fact.id, "question": one.question, "answer": one.answer, "retracts": None} for one in (*fact.before, fact)]
        if fact.later is not None:
            waiting.append((i + LATER, fact))
        lessons += [_change(one) for due, one in waiting if due <= i]
        waiting = [(due, one) for due, one in waiting if due > i]
    return lessons + [_change(one) for _, one in waiting]


def _change(fact: Fact) -> dict:
    retracts = fact.id if fact.later.retract else None
    return {"fact": fact.id, "question": fact.question, "answer": fact.later.answer, "retracts": retracts}


def has(answer: str, words: Sequence[str]) -> bool:
    """Whether a text has one of the words, as whole ones, in any case."""
    return any(re.search(rf"(?<!\w){re.escape(word)}(?!\w)", answer, re.IGNORECASE) for word in words)


def unknown(answer: str) -> bool:
    """Whether an answer says that it does not know."""
    return normal(answer).startswith("i do not know")


class Run:
    """Goes on where it was broken off: `folder` has the stream, what was asked before it, and a line for each lesson taught."""

    def __init__(self, server: Server, folder: Path, lessons: list[dict], facts: Sequence[Fact], texts: list[dict], options: dict,
                 idle: bool = False):
        """`idle`: the server rehearses when nobody asks, which is waited for before the last questions."""
        self.server = server
        self.facts = facts
        self.texts = texts
        self.options = options
        self.idle = idle
        self.folder = folder
        stream_file = folder / "stream.jsonl"
        if not stream_file.exists():
            key = uuid.uuid4().hex  # of this run: a lesson that was taught is not taught again
            for number, lesson in enumerate(lessons):
                append(stream_file, {**lesson, "key": f"{key}-{number}"})
        self.lessons = [json.loads(line) for line in stream_file.read_text(encoding="utf-8").splitlines()]
        self.near = [question for fact in facts for question in fact.neighbours]

    def measured(self) -> dict:
        """Teach what is left of the stream, and ask."""
        before = self._before()
        done = self._teach()
        rehearsals = self.server.rest() if self.idle else 0
        after = {"neighbours": self._asked(self.near), "bits": self.server.bits(self.texts)}
        last = {fact.id: fact.last for fact in self.facts}
        kept = [normal(answer) == normal(last[fact.id][0])
                for fact, answer in zip(self.facts, self._asked([fact.question for fact in self.facts]), strict=True)]
        reworded = [(question, last[fact.id][1]) for fact in self.facts for question in fact.paraphrases]
        paraphrases = [has(answer, [key]) for answer, (_, key) in zip(self._asked([q for q, _ in reworded]), reworded, strict=True)]
        uses = [use for fact in self.facts for use in fact.uses]
        chats = [[message.model_dump() for message in use.messages] for use in uses]
        used = [has(answer, use.has) for answer, use in zip(self.server.answers(chats), uses, strict=True)]
        same = [normal(a) == normal(b) for a, b in zip(before["neighbours"], after["neighbours"], strict=True)]
        drift = {source: 100 * (after["bits"][source] / old - 1) for source, old in before["bits"].items()}
        seconds = sorted(row["seconds"] for row in done)
        return {
            "lessons": len(done), "at_once": _percent([row["right"] for row in done]), "kept": _percent(kept),
            "paraphrases": _percent(paraphrases), "uses": _percent(used), "neighbours": _percent(same),
            "drift": statistics.mean(drift.values()), "drift_by_source": drift, "seconds": statistics.median(seconds),
            "p95": seconds[min(len(seconds) - 1, round(0.95 * len(seconds)))], "steps": sum(row["steps"] for row in done),
            "rehearsals": rehearsals, "moved": self.server.moved(), "curve": [row["curve"] for row in done if row["curve"]],
            "uses_by_form": _by([use.form for use in uses], used), "kept_by_kind": _by([fact.kind for fact in self.facts], kept),
            "neighbours_by_kind": _by([fact.kind for fact in self.facts for _ in fact.neighbours], same),
            "neighbours_by_answer": _by(["unknown" if unknown(answer) else "known" for answer in before["neighbours"]], same),
            "still_unknown": _percent([unknown(b) for a, b in zip(before["neighbours"], after["neighbours"], strict=True) if unknown(a)])}

    def _before(self) -> dict:
        file = self.folder / "before.json"
        if not file.exists():
            if isinstance(self.server, Started):
                self.server.save_begin()
            asked = {"neighbours": self._asked(self.near), "bits": self.server.bits(self.texts)}
            file.write_text(json.dumps(asked), encoding="utf-8")
        return json.loads(file.read_text(encoding="utf-8"))

    def _teach(self) -> list[dict]:
        """What each lesson came to, those of an earlier start included."""
        file = self.folder / "taught.jsonl"
        done = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()] if file.exists() else []
        for number in range(len(done), len(self.lessons)):
            lesson = self.lessons[number]
            if lesson["retracts"]:
                first = next(row for row in done if row["fact"] == lesson["retracts"])
                self.server.retract(first["lesson"])
            told, seconds = self.server.teach(lesson["question"], lesson["answer"], lesson["key"], self.options)
            (answer,) = self._asked([lesson["question"]])
            row = {"fact": lesson["fact"], "lesson": told["lesson"], "right": normal(answer) == normal(lesson["answer"]),
                   "steps": told["steps"], "seconds": seconds, "curve": self._curve(number + 1)}
            append(file, row)
            done.append(row)
            at_once, each = _percent([r["right"] for r in done]), statistics.median(r["seconds"] for r in done)
            print(f"\r{self.folder.name}: {number + 1} of {len(self.lessons)} lessons, {at_once:.0f} % at once, {each:.2f} s each ",
                  end="", file=sys.stderr, flush=True)
        print(file=sys.stderr)
        return done

    def _curve(self, taught: int) -> list[float] | None:
        """[Lessons so far, percent of what they taught that is known]; None between two points."""
        if taught % EVERY:
            return None
        now = {lesson["question"]: lesson["answer"] for lesson in self.lessons[:taught]}
        return [taught, _percent([normal(a) == normal(b) for a, b in zip(self._asked(list(now)), now.values(), strict=True)])]

    def _asked(self, questions: Sequence[str]) -> list[str]:
        return self.server.answers([messages(question) for question in questions])


def _by(groups: Sequence[str], right: Sequence[bool]) -> dict[str, float]:
    return {group: _percent([ok for ok, its in zip(right, groups, strict=True) if its == group]) for group in sorted(set(groups))}


def _percent(right: Sequence[bool]) -> float:
    return 100 * sum(right) / max(1, len(right))
