"""One set of lessons that is being taught, and what it came to."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field

from engine.ticket import Ticket
from models.lesson import Lesson
from models.loss_words import loss_words
from models.sample import Sample


@dataclass
class Run:
    """It goes on when nobody watches, and ends when it is done or is cancelled, by its own id or by that of a request that watches."""

    record: dict
    """Of its beginning, in the journal."""
    lessons: list[Lesson]
    """In the order in which they are taught, all passes."""
    benchmark: list[Sample]
    """What is measured before and after, and never taught."""
    told: dict
    """The set in brief; in the end, what the run came to."""
    position: int = 0
    results: list[dict] = field(default_factory=list)
    """What became of each lesson."""
    watchers: list[Ticket] = field(default_factory=list)
    cancelled: threading.Event = field(default_factory=threading.Event)
    state: str = "running"
    """running, done, cancelled or failed; the last two can be resumed."""
    probe_before: float = 0.0
    benchmark_before: float | None = None
    began: float = field(default_factory=time.perf_counter)

    @property
    def id(self) -> str:
        """run-…"""
        return self.record["run"]

    @property
    def learned(self) -> list[dict]:
        """The results of the lessons that were learned."""
        return [result for result in self.results if result["learned"]]

    def describe(self) -> dict:
        """What GET /load_data tells of it."""
        return {"run": self.id, "dataset": self.record["dataset"], "state": self.state, "lessons": len(self.lessons),
                "done": self.position, "learned": len(self.learned), "time": self.record["time"]}

    def take(self, result: dict) -> dict:
        """Note what became of the lesson in hand; returns it as progress. Steps are lessons."""
        line = self.lessons[self.position].line
        self.results.append(result | {"line": line, "index": self.position, "time": time.time()})
        self.position += 1
        seconds, total = time.perf_counter() - self.began, len(self.lessons)
        return {"step": self.position, "steps": total, "epoch": 1 + (self.position - 1) * self.record["passes"] // total,
                "loss": result.get("loss_after"), "lr": None, "tokens_per_s": sum(r.get("tokens", 0) for r in self.results) / seconds,
                "eta_s": seconds / len(self.results) * (total - self.position), "run": self.id, "line": line,
                "lesson": result.get("lesson"), "learned": result["learned"], "reason": result["reason"]}

    def sum_up(self, version: int) -> dict:
        """The fields of /train over all lessons. Losses are means over lessons: before the first time, after the last."""
        first, last = {}, {}
        for result in self.learned:
            first.setdefault(result["line"], result["loss_before"])
            last[result["line"]] = result["loss_after"]
        refused = [{"line": r["line"], "reason": r["reason"]} for r in self.results if not r["learned"]]
        reason = "cancelled: the lessons before stay learned" if self.state == "cancelled" else refused[0]["reason"] if refused else None
        total = {name: sum(r[name] for r in self.learned) for name in ("epochs", "steps", "tokens")}
        return {"lesson": self.learned[-1]["lesson"] if self.learned else None, "version": version, "loss_before": _mean(first.values()),
                "loss_after": _mean(last.values()), **total, "seconds": time.perf_counter() - self.began, "drift": None,
                "learned": bool(self.learned) and not refused and self.state == "done", "learned_lessons": len(self.learned),
                "refused": refused, "reason": reason, "checks": None, "words": loss_words(_mean(first.values()), _mean(last.values()))}


def _mean(values) -> float | None:
    return sum(values) / len(values) if values else None
