"""What happens to a lesson: its plan, its turn on the model, its record in the journal, its answer.

Runs on the owner thread, all of it. Lessons, and whatever else must not meet one (loading a checkpoint), go one after another.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from typing import TypeVar

from engine.checks import Checks
from engine.common_questions import CommonQuestions
from engine.errors import BadRequest, Conflict, DiskFull, EngineError
from engine.events import Events
from engine.greedy import Greedy
from engine.history import History
from engine.journal import Journal
from engine.learner import Learner
from engine.lesson_run import LessonRun
from engine.memory import is_memory, memory_error
from engine.near_questions import Question
from engine.neighbours import Neighbour, Neighbours
from engine.plan import Plan
from engine.probe import Probe
from engine.tally import Tally
from engine.ticket import Ticket
from engine.versions import Versions
from models.loss_words import loss_words
from models.sample import Sample

log = logging.getLogger("ouroboros.lessons")
Result = TypeVar("Result")


@dataclass
class Job:
    """A lesson that waits or is being learned. Several tickets wait for one lesson where its key was sent again."""

    samples: list[Sample]
    plan: Plan
    facts: dict
    key: str | None = None
    dry_run: bool = False
    preview: bool = False
    checks: bool = False
    tickets: list[Ticket] = field(default_factory=list)
    extra: dict = field(default_factory=dict)
    on_learned: Callable[[], dict] | None = None
    """What else happens, on the owner thread, when it is learned; adds to the answer."""
    probed: bool = True
    """Whether the drift on the probe texts is measured."""

    @property
    def cancelled(self) -> bool:
        """Nobody waits for it any more."""
        return all(ticket.cancelled.is_set() for ticket in self.tickets)


class Lessons:
    """The queue of lessons, the one in hand, and all that were learned. A kind of work of the owner thread."""

    def __init__(self, learner: Learner, versions: Versions, journal: Journal, history: History, probe: Probe, common: CommonQuestions,
                 tally: Tally, events: Events, bounds, after: Callable[[], None]):
        """`bounds`: the section [checks]."""
        self.learner = learner
        self.model = learner.model
        self.versions = versions
        self.journal = journal
        self.history = history
        self.probe = probe
        self.common = common
        self.bounds = bounds
        self.training = False
        self.tally = tally
        self._after = after
        self._events = events
        self._queue: deque[Job | Callable[[], Iterator[None] | None]] = deque()
        self._running: Iterator[None] | None = None
        self._by_key: dict[str, Job | dict] = {}

    def __bool__(self) -> bool:
        return self._running is not None or bool(self._queue)

    @property
    def waiting(self) -> int:
        """How many lessons, and other things that must not meet one, wait for the one in hand."""
        return len(self._queue)

    # -- asking

    def add(self, ticket: Ticket, job: Job) -> None:
        """Queue a lesson, or join the one that its key names already."""
        if not any(sample.teaches for sample in job.samples):
            raise BadRequest("messages: no token of this lesson is trained; at least one message must be of a role that answers, "
                             'with a weight above 0, or train_on must be "all"', "messages")
        known = self._by_key.get(job.key) if job.key else None
        if isinstance(known, Job) and known.cancelled:
            known = None  # nobody waits for that one any more: it is given up, and this one learned
        if known is not None:
            known_facts = known.facts if isinstance(known, Job) else known["facts"]
            if known_facts["source"] != job.facts["source"]:
                raise Conflict("idempotency_key: this key was used for another lesson", "idempotency_key")
            if isinstance(known, Job):
                known.tickets.append(ticket)
            else:
                ticket.finish({**job.extra, **known["result"]})
            return
        job.tickets.append(ticket)
        if job.key and not job.dry_run:
            self._by_key[job.key] = job
        self._queue.append(job)

    def said(self, key: str | None) -> dict | None:
        """The facts of the lesson that a key names, learned or waiting."""
        known = self._by_key.get(key) if key else None
        return known.facts if isinstance(known, Job) else known and known["facts"]

    def exclusive(self, function: Callable[[], Iterator[None] | None]) -> None:
        """Run a function between two lessons; if it returns an iterator, that too, a step at a time. It answers for its own errors."""
        self._queue.append(function)

    # -- learning

    def step(self) -> None:
        """One micro-step of the lesson in hand, or the beginning of the next."""
        if self._running is None:
            work = self._queue.popleft()
            self._running = self._learn(work) if isinstance(work, Job) else work()
            if self._running is None:
                return
        try:
            next(self._running)
        except StopIteration:
            self._running = None

    def fail(self, error: Exception) -> None:
        """A step raised outside of any lesson's care: the lesson in hand is over."""
        self._running = None

    def _learn(self, job: Job) -> Iterator[None]:
        self.training = not job.dry_run
        run = self.learner.run(job.samples, job.plan)
        try:
            result = yield from (self._dry(job) if job.dry_run else self._teach(job, run))
        except Exception as error:
            log.exception("lesson=%s failed", job.facts["id"])
            self._forget_key(job)
            unknown = EngineError("the lesson failed and nothing was learned; see the server's log")
            told = error if isinstance(error, EngineError) else unknown
            if isinstance(error, DiskFull):
                told = DiskFull(f"{error.message}; nothing was learned")
            elif is_memory(error):
                told = memory_error("this lesson and nothing was learned; a smaller ctx_len needs less")
            for ticket in job.tickets:
                ticket.fail(told)
            self._events.tell("refused", lesson=job.facts["id"], version=self.versions.number, reason=told.message)
            return
        finally:
            self.training = False
        if not job.dry_run:
            self.tally.lesson(result)
        if result["learned"] and job.key:
            self._by_key[job.key] = {"facts": job.facts, "result": {**result, **job.extra}}
        else:
            self._forget_key(job)
        if not result["learned"] and not job.dry_run:
            self._events.tell("refused", lesson=job.facts["id"], version=self.versions.number, reason=result["reason"])
        for ticket in job.tickets:
            ticket.finish({**result, **job.extra})

    def _forget_key(self, job: Job) -> None:
        if self._by_key.get(job.key) is job:
            del self._by_key[job.key]

    def _teach(self, job: Job, run: LessonRun) -> Iterator[None]:
        began, stamp = time.time(), self.versions.stamp
        probe_before = self.probe.loss(stamp) if job.probed else 0.0
        yield
        greedy = Greedy(self.model.network, self.model.template)
        neighbours = Neighbours(greedy, self.model.template)
        checks = Checks(greedy, neighbours, self.bounds) if job.checks else None
        try:
            held = yield from self._held(job, greedy, neighbours)
            run.held = [neighbour.sample for neighbour in held]
            if checks is not None:
                checks = yield from self._beside(job, checks.before(job.facts["source"], held, lambda: job.cancelled))
            yield from self._steps(job, run)
            if run.learned:
                digest = yield from self.model.digesting()
                drift = self._drift(job, probe_before)
                self._write(job, run, began, digest, drift)
        except BaseException:
            self.versions.restored(stamp)
            raise
        if not run.learned:
            self.versions.restored(stamp)
            return self._result(job, run, 0.0)
        self.versions.digest = digest
        yield
        self._afterwards(job)
        told = None
        if checks is not None:
            told = yield from self._beside(job, checks.after(self.learner.earlier, job.facts["id"], job.plan.seed))
        return self._result(job, run, drift) | {"checks": told}

    def _held(self, job: Job, greedy: Greedy, neighbours: Neighbours) -> Generator[None, None, list[Neighbour]]:
        """Near questions for a lesson: some made of its own, and as many of the common ones; none that was taught, whatever its answer."""
        if not job.plan.near:
            return []
        taught, plan, source = self.learner.earlier.asks, job.plan, job.facts["source"]
        own = yield from neighbours.of(source, plan.near)
        own = [neighbour for neighbour in own if neighbour.prompt not in taught]
        texts = [self.model.tokenizer.decode(prompt) for prompt in taught]
        asked = Question.of(source, self.model.roles)
        return own + (yield from self.common.beside(asked, texts, plan.near, plan.seed, greedy))

    def _beside(self, job: Job, steps: Generator[None, None, Result]) -> Generator[None, None, Result | None]:
        """Steps that are no part of the lesson: what goes wrong in them does not harm it."""
        try:
            return (yield from steps)
        except Exception:
            log.exception("lesson=%s could not be checked", job.facts["id"])
            return None

    def _steps(self, job: Job, run: LessonRun) -> Iterator[None]:
        taken = 0
        for event in run.steps():
            if run.taken != taken:
                taken = run.taken
                self.versions.moved()
            if event is not None:
                self._events.tell("step", lesson=job.facts["id"], **event)
                for ticket in job.tickets:
                    ticket.progress(event)
            yield
            if job.cancelled:  # after all else had its turn, so that it takes no step more
                run.cancel()

    def _drift(self, job: Job, probe_before: float) -> float | None:
        """How far the lesson moved the loss on the probe texts; None where that is not measured, or could not be."""
        try:
            return self.probe.loss(self.versions.stamp) - probe_before if job.probed else None
        except Exception:
            log.exception("lesson=%s could not be probed", job.facts["id"])
            return None

    def _write(self, job: Job, run: LessonRun, began: float, digest: str, drift: float | None) -> None:
        """Journal the lesson: only now does it count. Where that fails, or nobody waits for it any more, it is taken back.

        EngineError where the disk refuses.
        """
        record = {"kind": "lesson", "time": time.time(), "began": began, "version": self.history.last + 1, **job.facts, "key": job.key,
                  "plan": job.plan.describe(), "steps": run.taken, "epochs": run.epochs,
                  "samples": [s.describe() for s in job.samples],
                  **({"held": [s.describe() for s in run.held]} if run.held else {}),
                  "loss_before": run.loss_before, "loss_after": run.loss_after, "drift": drift, "digest": digest}
        if job.cancelled:
            run.roll_back()
            run.reason = "cancelled: nothing was learned"
            return
        try:
            record = self.journal.append(record)
        except BaseException:
            run.roll_back()
            raise
        self.history.note(record)
        self.versions.number = record["version"]
        self.versions.moved()
        self.learner.learned(record["id"], job.samples, job.plan, run, record["version"])
        if drift is not None:
            self.probe.stays(self.versions.stamp)

    def rehearsed(self, run: LessonRun, plan: Plan, digest: str) -> None:
        """Journal what was rehearsed in idle time. EngineError where the disk refuses; the caller takes it back then."""
        record = self.journal.append({
            "kind": "rehearsal", "time": time.time(), "version": self.history.last + 1, "plan": plan.describe(), "steps": run.taken,
            "lessons": self.learner.earlier.ids(run.samples), "loss_before": run.loss_before, "loss_after": run.loss_after,
            "digest": digest})
        self.history.note(record)
        self.versions.number = record["version"]
        self.versions.moved()
        self.versions.digest = digest
        self._after()

    def _afterwards(self, job: Job) -> None:
        """The lesson is learned, whatever happens here."""
        try:
            self._after()
            if job.on_learned is not None:
                job.extra = job.extra | job.on_learned()
        except Exception:
            log.exception("lesson=%s is learned; something after it failed", job.facts["id"])

    def _result(self, job: Job, run: LessonRun, drift: float | None) -> dict:
        finite = lambda x: x if x == x else None  # noqa: E731 - NaN is no JSON
        return {"lesson": job.facts["id"], "version": self.versions.number, "loss_before": finite(run.loss_before),
                "loss_after": finite(run.loss_after), "epochs": run.epochs, "steps": run.taken, "tokens": run.tokens,
                "seconds": run.seconds, "drift": drift, "learned": run.learned, "reason": run.reason, "checks": None,
                "words": loss_words(run.loss_before, run.loss_after)}

    def _dry(self, job: Job) -> Iterator[None]:
        run = self.learner.run(job.samples, job.plan)
        run.reason = "dry_run: nothing was learned"
        measuring = run.measure()
        while not job.cancelled:
            try:
                yield next(measuring)
            except StopIteration as end:
                run.loss_before = run.loss_after = end.value
                preview = {"preview": [s.preview(self.model.tokenizer) for s in job.samples]} if job.preview else {}
                return self._result(job, run, 0.0) | preview
        run.reason = "cancelled: nothing was learned"
        return self._result(job, run, 0.0)

    # -- the journal's

    def remember(self, record: dict) -> None:
        """Take the idempotency key of a lesson of the journal into the known ones."""
        if record.get("key"):
            self._by_key[record["key"]] = {
                "facts": {name: record.get(name) for name in ("id", "source", "session", "turn")}, "result": result_of(record)}


def result_of(record: dict) -> dict:
    """What a lesson of the journal came to, as /train told it; its seconds are not kept, nor what was checked. None for a drift that
    was not measured, or not kept: older journals have none."""
    names = ("version", "loss_before", "loss_after", "epochs", "steps")
    return {"lesson": record["id"], **{name: record[name] for name in names},
            "tokens": sum(len(s["tokens"]) - 1 for s in record["samples"]), "seconds": 0.0, "drift": record.get("drift"), "learned": True,
            "reason": None, "checks": None, "words": loss_words(record["loss_before"], record["loss_after"])}
