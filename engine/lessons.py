"""What happens to a lesson: its plan, its turn on the model, its record in the journal, its answer.

Runs on the owner thread, all of it. Lessons, and whatever else must not meet one (loading a checkpoint), go one after another.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from engine.errors import BadRequest, Busy, Conflict, EngineError
from engine.journal import Journal
from engine.lesson_run import LessonRun
from engine.live_model import LiveModel
from engine.plan import Plan
from engine.probe import Probe
from engine.rehearsal import Rehearsal
from engine.ticket import Ticket
from engine.versions import Versions
from models.sample import Sample
from rwkv_models.state import State

log = logging.getLogger("ouroboros.lessons")


@dataclass
class Job:
    """A lesson that waits or is being learned. Several tickets wait for one lesson where its key was sent again."""

    samples: list[Sample]
    plan: Plan
    facts: dict
    key: str | None = None
    dry_run: bool = False
    preview: bool = False
    tickets: list[Ticket] = field(default_factory=list)
    extra: dict = field(default_factory=dict)

    @property
    def cancelled(self) -> bool:
        """Nobody waits for it any more."""
        return all(ticket.cancelled.is_set() for ticket in self.tickets)


class Lessons:
    """The queue of lessons, the one in hand, and all that were learned. A kind of work of the owner thread."""

    def __init__(self, model: LiveModel, versions: Versions, journal: Journal, rehearsal: Rehearsal, probe: Probe,
                 after: Callable[[], None]):
        self.model = model
        self.versions = versions
        self.journal = journal
        self.rehearsal = rehearsal
        self.probe = probe
        self.earlier: list[Sample] = []
        self.state: State | None = None  # the training memory
        self.training = False
        self._after = after
        self._queue: deque[Job | Callable[[], None]] = deque()
        self._running: Iterator[None] | None = None
        self._by_key: dict[str, Job | dict] = {}

    def __bool__(self) -> bool:
        return self._running is not None or bool(self._queue)

    @property
    def waiting(self) -> int:
        """Lessons that are not begun."""
        return len(self._queue)

    # -- asking

    def add(self, ticket: Ticket, job: Job) -> None:
        """Queue a lesson, or join the one that its key names already."""
        if not any(sample.teaches for sample in job.samples):
            raise BadRequest("messages: no token of this lesson is trained; at least one message must be of a role that answers, "
                             'with a weight above 0, or train_on must be "all"', "messages")
        known = self._by_key.get(job.key) if job.key else None
        if known is not None:
            known_facts = known.facts if isinstance(known, Job) else known["facts"]
            if known_facts["source"] != job.facts["source"]:
                raise Conflict("idempotency_key: this key was used for another lesson", "idempotency_key")
            if isinstance(known, Job):
                known.tickets.append(ticket)
            else:
                ticket.finish({**known["result"], **job.extra})
            return
        job.tickets.append(ticket)
        if job.key and not job.dry_run:
            self._by_key[job.key] = job
        self._queue.append(job)

    def exclusive(self, function: Callable[[], None]) -> None:
        """Run a function between two lessons."""
        self._queue.append(function)

    # -- learning

    def step(self) -> None:
        """One micro-step of the lesson in hand, or the beginning of the next."""
        if self._running is None:
            work = self._queue.popleft()
            if not isinstance(work, Job):
                work()
                return
            self._running = self._learn(work)
        try:
            next(self._running)
        except StopIteration:
            self._running = None

    def _learn(self, job: Job) -> Iterator[None]:
        self.training = not job.dry_run
        run = LessonRun(self.model.trainer, job.samples, job.plan, self.rehearsal, self.earlier, self.state)
        try:
            result = yield from (self._dry(job) if job.dry_run else self._teach(job, run))
        except Exception as error:
            log.exception("lesson=%s failed", job.facts["id"])
            self._forget_key(job)
            told = error if isinstance(error, EngineError) else EngineError("the lesson failed and nothing was learned; see the server's log")
            if isinstance(error, (MemoryError, RuntimeError)) and "memory" in str(error).lower():
                told = Busy("there was not enough memory for this lesson and nothing was learned; a smaller ctx_len needs less", 30)
            for ticket in job.tickets:
                ticket.fail(told)
            return
        finally:
            self.training = False
        if result["learned"] and job.key:
            self._by_key[job.key] = {"facts": job.facts, "result": result}
        else:
            self._forget_key(job)
        for ticket in job.tickets:
            ticket.finish({**result, **job.extra})

    def _forget_key(self, job: Job) -> None:
        if self._by_key.get(job.key) is job:
            del self._by_key[job.key]

    def _teach(self, job: Job, run: LessonRun) -> Iterator[None]:
        began, stamp = time.time(), self.versions.stamp
        probe_before = self.probe.loss(stamp)
        taken = 0
        for event in run.steps():
            if run.taken != taken:
                taken = run.taken
                self.versions.moved()
            if event is not None:
                for ticket in job.tickets:
                    ticket.progress(event)
            if job.cancelled:
                run.cancel()
            yield
        if run.learned:
            self._write(job, run, began)
        if not run.learned:
            self.versions.restored(stamp)
            return self._result(job, run, 0.0)
        self.versions.moved()
        drift = self.probe.loss(self.versions.stamp) - probe_before
        self._after()
        return self._result(job, run, drift)

    def _write(self, job: Job, run: LessonRun, began: float) -> None:
        """Journal the lesson: only now does it count. Where the disk refuses, it is taken back."""
        record = {"kind": "lesson", "time": began, "version": self.versions.number + 1, **job.facts, "key": job.key,
                  "plan": job.plan.describe(), "steps": run.taken, "epochs": run.epochs,
                  "samples": [s.describe() for s in job.samples],
                  "loss_before": run.loss_before, "loss_after": run.loss_after, "digest": self.model.digest()}
        try:
            self.journal.append(record)
        except OSError as error:
            run.roll_back()
            run.reason = f"the journal cannot be written ({error.strerror}): nothing was learned"
            return
        self.versions.number += 1
        self.earlier.extend(s for s in job.samples if s.teaches)
        self.state = run.state

    def _result(self, job: Job, run: LessonRun, drift: float) -> dict:
        finite = lambda x: x if x == x else None  # noqa: E731 - NaN is no JSON
        return {"lesson": job.facts["id"], "version": self.versions.number, "loss_before": finite(run.loss_before),
                "loss_after": finite(run.loss_after), "epochs": run.epochs, "steps": run.taken, "tokens": run.tokens,
                "seconds": run.seconds, "drift": drift, "learned": run.learned, "reason": run.reason, "checks": None}

    def _dry(self, job: Job) -> Iterator[None]:
        run = LessonRun(self.model.trainer, job.samples, job.plan, self.rehearsal, (), self.state)
        loss = yield from run.measure()
        run.loss_before = run.loss_after = loss
        run.reason = "dry_run: nothing was learned"
        return self._result(job, run, 0.0) | ({"preview": [s.preview(self.model.tokenizer) for s in job.samples]} if job.preview else {})

    # -- replay

    def replay(self, record: dict) -> None:
        """Learn a lesson of the journal again, as it was learned; the same machine gives the same weights to the bit."""
        samples = [Sample.from_description(s) for s in record["samples"]]
        plan = Plan(**record["plan"])
        run = LessonRun(self.model.trainer, samples, plan, self.rehearsal, self.earlier, self.state)
        for _ in run.steps():
            pass
        if not run.learned:
            raise ValueError(f"journal record {record['seq']} cannot be learned again: {run.reason}")
        if record["digest"] != self.model.digest():
            log.warning("lesson=%s replayed=other-digest: another machine or library learned it; the lesson holds, its bits differ", record["id"])
        self.remember(record)
        self.state = run.state
        self.versions.moved()

    def remember(self, record: dict) -> None:
        """Take a lesson of the journal into what is rehearsed and into the known keys, without learning it."""
        samples = [Sample.from_description(s) for s in record["samples"]]
        self.earlier.extend(s for s in samples if s.teaches)
        self.versions.number = record["version"]
        if record.get("key"):
            names = ("version", "loss_before", "loss_after", "epochs", "steps")
            result = {"lesson": record["id"], **{n: record[n] for n in names}, "tokens": sum(len(s.tokens) - 1 for s in samples),
                      "seconds": 0.0, "drift": 0.0, "learned": True, "reason": None, "checks": None}
            self._by_key[record["key"]] = {"facts": {"id": record["id"], "source": record["source"]}, "result": result}


def lesson_facts(source: dict, **more) -> dict:
    """The beginning of a lesson's record: its id, and where it came from."""
    return {"id": f"lesson-{uuid.uuid4().hex[:12]}", "source": source, **more}


def samples_of(lessons: Sequence, template, train_on: str | None) -> list[Sample]:
    """Lessons as samples, BadRequest in one sentence where one cannot be."""
    try:
        return [lesson.sample(template, train_on) for lesson in lessons]
    except ValueError as error:
        raise BadRequest(f"lesson: {error}", "messages") from None
