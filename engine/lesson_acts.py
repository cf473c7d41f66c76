"""What requests about lessons that were taught do: again, retracted, measured again. On the owner thread, all of it."""

from __future__ import annotations

import time
from collections.abc import Iterator

from engine.errors import NotFound
from engine.jobs import Jobs
from engine.journal import Journal
from engine.lessons import Lessons
from engine.measure import losses
from engine.options import TrainOptions
from engine.ticket import Ticket
from models.sample import Sample


class LessonActs:
    """The lessons of the journal, by their ids."""

    def __init__(self, lessons: Lessons, jobs: Jobs, journal: Journal):
        self._lessons = lessons
        self._jobs = jobs
        self._journal = journal

    def retrain(self, ticket: Ticket, id: str, options: TrainOptions, given: set[str], key: str | None) -> None:
        """Teach a lesson again, as a new one."""
        self._lessons.add(ticket, self._jobs.again(self._find(id), options, given, key))

    def retract(self, id: str) -> dict:
        """Rehearse a lesson no more. That it was taught stays a fact, and what it did to the weights stays in them."""
        self._find(id)
        if id not in self._lessons.learner.earlier.retracted:
            self._journal.append({"kind": "retract", "time": time.time(), "lesson": id})
            self._lessons.learner.earlier.retract(id)
        return {"lesson": id, "retracted": True}

    def review(self, ticket: Ticket, limit: int) -> Iterator[None]:
        """Measure what the weights know of every lesson in them now; the worst remembered come first."""
        records = [r for r in self._lessons.history.lessons() if r["id"] not in self._lessons.learner.earlier.retracted]
        samples = [(r["id"], Sample.from_description(s)) for r in records for s in r["samples"]]
        samples = [(id, sample) for id, sample in samples if sample.teaches]
        version = self._lessons.versions.number
        measuring, done = losses(self._lessons.model.network, [sample for _, sample in samples]), 0
        while True:
            try:
                next(measuring)
            except StopIteration as end:
                found: list[float] = end.value
                break
            done += 1
            ticket.progress({"step": done})
            if ticket.cancelled.is_set():
                ticket.finish({"version": version, "reviewed": 0, "lessons": []})
                return
            yield
        by_lesson: dict[str, list[float]] = {}
        for (id, _), loss in zip(samples, found, strict=True):
            by_lesson.setdefault(id, []).append(loss)
        now = {id: sum(each) / len(each) for id, each in by_lesson.items()}
        self._journal.append({"kind": "review", "time": time.time(), "version": version, "losses": now})
        after = {r["id"]: r["loss_after"] for r in records}
        worst = sorted(now, key=now.get, reverse=True)[:limit]
        ticket.finish({"version": version, "reviewed": len(now),
                       "lessons": [{"lesson": id, "loss_after": after[id], "loss_now": now[id]} for id in worst]})

    def _find(self, id: str) -> dict:
        found = next((r for r in self._journal.records if r["kind"] == "lesson" and r["id"] == id), None)
        if found is None:
            raise NotFound(f"there is no lesson {id}", "lesson")
        return found
