"""Sets of lessons that are being taught: a lesson at a time, each in the journal, to be taken up again where they were broken off.

Belongs to the owner thread, but for `cancel` and `stop`. Lessons of other people come in between those of a run.
"""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Callable, Iterator

from engine.datasets import Datasets, LessonSet
from engine.errors import BadRequest, EngineError, NotFound
from engine.jobs import Jobs
from engine.journal import Journal
from engine.lessons import Lessons, result_of
from engine.measure import losses
from engine.options import TrainOptions
from engine.order import in_order
from engine.run import Run
from engine.ticket import Ticket
from engine.write_back import write_back_run
from models.book import book
from models.choice import choose
from models.lesson import Lesson

log = logging.getLogger("ouroboros.runs")


class _Watch:
    """What a lesson of a run tells; takes the place of a caller's ticket."""

    def __init__(self, run: Run, on_end: Callable[[Run, dict], None]):
        self._run = run
        self._on_end = on_end
        self.cancelled = run.cancelled

    def progress(self, event: dict) -> None:
        """A step of the lesson; the run is told in lessons."""

    def finish(self, result: dict) -> None:
        """The lesson was learned or refused."""
        self._on_end(self._run, result)

    def fail(self, error: BaseException) -> None:
        """The lesson could not be tried."""
        reason = error.message if isinstance(error, EngineError) else str(error)
        self._on_end(self._run, {"learned": False, "reason": reason, "failed": True})


class Runs:
    """All sets that are taught or were, since the journal began."""

    def __init__(self, lessons: Lessons, journal: Journal, jobs: Jobs, sets: Datasets, template, reset_memory: Callable[[], None]):
        self.lessons = lessons
        self.journal = journal
        self.jobs = jobs
        self.sets = sets
        self._template = template
        self._reset_memory = reset_memory
        self._runs: dict[str, Run] = {}
        self._by_key: dict[str, str] = {}
        self._stopping = False

    # -- asking

    def prepare(self, found: LessonSet, body: dict, options: TrainOptions, given: set[str]) -> Run:
        """The run that a request asks for; BadRequest where something does not fit together. May be called on any thread."""
        plan = self.jobs.plan(options, given)  # written down, as a later start may find another config script
        chosen = {"mode": plan.mode, "ctx_len": plan.ctx_len, "window": plan.window} | {name: getattr(options, name) for name in given}
        record = {"kind": "run", "run": f"run-{uuid.uuid4().hex[:12]}", "dataset": found.name, "sha256": found.sha256,
                  "format": found.format, "passes": body["passes"], "shuffle": body["shuffle"], "seed": body.get("seed", 0),
                  "shares": body.get("shares"), "write_back": body.get("write_back", False),
                  "options": chosen, "key": body.get("idempotency_key")}
        run = self._run(record, found)
        if not run.lessons:
            field = "path" if "path" in body else "content"
            raise BadRequest(f"{field}: {found.name} has no lesson that can be taught", field)
        if record["write_back"] and not all(file.path is not None and file.path.suffix.lower() == ".org" for file in found.files):
            raise BadRequest("write_back: only org files under the data folder are written to", "write_back")
        record |= {"lessons": len(run.lessons), "files": self.sets.keep(found)}
        return run

    def begin(self, ticket: Ticket, run: Run) -> None:
        """Teach what was prepared; or watch the run that the request's key began already."""
        known = self._by_key.get(run.record["key"])
        if known is not None:
            self._watch(ticket, self._runs[known])
            return
        run.record = self.journal.append({"time": time.time(), **run.record})
        run.watchers.append(ticket)
        self._take_in(run)
        self._open(run)

    def resume(self, ticket: Ticket, id: str) -> None:
        """Go on with a run that was cancelled or failed; watch one that runs."""
        run = self._find(id)
        if run.state in ("cancelled", "failed"):
            self.journal.append({**{k: v for k, v in run.record.items() if k != "seq"}, "time": time.time(), "resumed": True})
            run.state, run.cancelled = "running", threading.Event()
            run.watchers.append(ticket)
            self._open(run)
        else:
            self._watch(ticket, run)

    def cancel(self, id: str) -> bool:
        """End a run, by its id or that of a request that watches it; False where there is none of either."""
        for run in list(self._runs.values()):
            if run.state == "running" and (run.id == id or any(ticket.id == id for ticket in list(run.watchers))):
                run.cancelled.set()
                return True
        return False

    def stop(self) -> None:
        """Begin no further lesson: the program ends, and goes on with the runs at its next start."""
        self._stopping = True

    def list(self) -> list[dict]:
        """All runs in brief, the newest first."""
        return [run.describe() for run in reversed(list(self._runs.values()))]

    # -- the start

    def recover(self) -> None:
        """Know all runs of the journal again, and go on with those that have no end there."""
        learned = [record for record in self.journal.records if record["kind"] == "lesson" and "run" in record]
        for record in self.journal.records:
            if record["kind"] == "run" and not record.get("resumed"):
                try:
                    run = self._run(record, self.sets.kept(record["dataset"], record["files"]))
                except EngineError as error:
                    log.warning("run=%s cannot go on: %s", record["run"], error.message)
                    run = Run(record, [], [], {"dataset": record["dataset"]}, state="failed")
                self._take_in(run)
                for lesson in (r for r in learned if r["run"] == run.id):
                    run.position = lesson["index"] + 1
                    run.results.append(
                        result_of(lesson) | {"line": lesson["file"]["line"], "index": lesson["index"], "time": lesson["time"]})
            elif record["kind"] == "run":
                self._runs[record["run"]].state = "running"
            elif record["kind"] == "run_end":
                run = self._runs[record["run"]]
                run.state, run.position = record["reason"], record["position"]
                run.told |= record["result"]
        for run in self._runs.values():
            if run.state == "running":
                log.info("run=%s dataset=%s goes on at lesson %d of %d", run.id, run.record["dataset"], run.position + 1, len(run.lessons))
                self._open(run)

    # -- teaching

    def _run(self, record: dict, found: LessonSet) -> Run:
        choices = [choose(lessons) for lessons in found.lessons]
        told = found.describe() | {"run": record["run"], "set_aside": sum(len(choice.set_aside) for choice in choices)}
        taught = {file.name: [piece for lesson in choice.taught for piece in self._pieces(lesson, record["options"], told["problems"])]
                  for file, choice in zip(found.files, choices, strict=True)}
        measured = [lesson.sample(self._template) for choice in choices for lesson in choice.measured]
        return Run(record, in_order(taught, record), measured, told)

    def _pieces(self, lesson: Lesson, options: dict, problems: list[dict]) -> list[Lesson]:
        """The lesson; a text that plain training would see in several windows, as so many lessons; none that cannot be taught so."""
        try:
            job = self.jobs.of_lesson(lesson, TrainOptions(**options), set(options))
        except BadRequest as error:
            problems.append({"line": lesson.line, "message": f"the lesson is not taught: {error.message}", "file": lesson.source})
            return []
        most = job.plan.ctx_len + 1
        if lesson.text is None or job.plan.mode != "plain" or len(job.samples[0].tokens) <= most:
            return [lesson]
        return book(lesson, self._template, most, max(1, job.plan.window))

    def _take_in(self, run: Run) -> None:
        self._runs[run.id] = run
        if run.record["key"]:
            self._by_key[run.record["key"]] = run.id

    def _open(self, run: Run) -> None:

        def measure_first() -> Iterator[None]:
            try:
                run.began = time.perf_counter()
                run.probe_before = self.lessons.probe.loss(self.lessons.versions.stamp)
                yield
                run.benchmark_before = yield from self._benchmark(run)
                self._next(run)
            except Exception as error:
                self._broke(run, error)

        self.lessons.exclusive(measure_first)

    def _benchmark(self, run: Run) -> Iterator[None]:
        if not run.benchmark:
            return None
        found = yield from losses(self.lessons.model.network, run.benchmark)
        return sum(found) / len(found)

    def _next(self, run: Run) -> None:
        """Queue the next lesson, or what comes after the last."""
        self._let_go(run)
        if self._stopping:
            return
        if run.cancelled.is_set() or run.position == len(run.lessons):
            self.lessons.exclusive(lambda: self._close(run))
            return
        lesson = run.lessons[run.position]
        options = TrainOptions(**run.record["options"])
        file = {"name": lesson.source, "line": lesson.line}
        try:
            job = self.jobs.of_lesson(lesson, options, set(run.record["options"]), run=run.id, index=run.position, file=file)
            job.probed = False
            job.checks &= "checks" in run.record["options"] or "checks" in lesson.options
            if lesson.resets:
                self.lessons.exclusive(self._reset_memory)
            self.lessons.add(_Watch(run, self._learned), job)
        except EngineError as error:
            self._learned(run, {"learned": False, "reason": error.message})

    def _learned(self, run: Run, result: dict) -> None:
        if run.cancelled.is_set() and not result["learned"]:
            self._next(run)
            return
        if result.get("failed"):
            self._broke(run, EngineError(result["reason"]))
            return
        event = run.take(result)
        for ticket in run.watchers:
            ticket.progress(event)
        self._next(run)

    def _close(self, run: Run) -> Iterator[None]:
        """The end: what it came to, in the journal and to whoever watches."""
        try:
            run.state = "done" if run.position == len(run.lessons) else "cancelled"
            run.told |= run.sum_up(self.lessons.versions.number)
            if run.results:
                run.told["drift"] = self.lessons.probe.loss(self.lessons.versions.stamp) - run.probe_before
                yield
            if run.benchmark:
                run.told["benchmark"] = {"lessons": len(run.benchmark), "before": run.benchmark_before,
                                         "after": (yield from self._benchmark(run))}
            if run.record["write_back"]:
                run.told["write_back"] = write_back_run(run, self.sets.paths(run.record["files"]), self._template.roles)
            self._write_end(run)
            for ticket in run.watchers:
                ticket.finish(run.told)
            run.watchers.clear()
        except Exception as error:
            self._broke(run, error)

    def _broke(self, run: Run, error: Exception) -> None:
        """It cannot go on now; it can be resumed."""
        if not isinstance(error, EngineError):
            log.exception("run=%s failed", run.id)
            error = EngineError("the run failed; see the server's log")
        run.state = "failed"
        run.told |= run.sum_up(self.lessons.versions.number) | {"reason": error.message}
        try:
            self._write_end(run)
        except EngineError as refused:
            log.error("run=%s its end cannot be written: %s", run.id, refused)
        for ticket in run.watchers:
            ticket.fail(error)
        run.watchers.clear()

    def _write_end(self, run: Run) -> None:
        self.journal.append({"kind": "run_end", "time": time.time(), "run": run.id, "reason": run.state, "position": run.position,
                             "learned": len(run.learned), "result": run.told})

    # -- watching

    def _watch(self, ticket: Ticket, run: Run) -> None:
        if run.state == "running":
            run.watchers.append(ticket)
        else:
            ticket.finish(run.told)

    def _let_go(self, run: Run) -> None:
        """Of those who hung up: the run goes on without them."""
        for ticket in [t for t in run.watchers if t.cancelled.is_set()]:
            run.watchers.remove(ticket)
            ticket.finish(run.describe())

    def _find(self, id: str) -> Run:
        if id not in self._runs:
            raise NotFound(f"resume: there is no run {id}", "resume")
        return self._runs[id]
