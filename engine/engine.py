"""The engine: what the server calls. It hands everything to the owner thread and returns tickets.

Every method may be called from any thread. Refusals are engine.errors; a ticket's reader gets those of later moments.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from engine.checkpoints import Checkpoint, Checkpoints, checked_name
from engine.conversations import Conversations
from engine.decoding import DecodeBatch
from engine.errors import BadRequest, Busy, EngineError, NotFound
from engine.general_texts import read_general
from engine.journal import Journal
from engine.lessons import Job, Lessons, lesson_facts, samples_of
from engine.live_model import LiveModel
from engine.options import InferOptions, TrainOptions
from engine.owner import Owner
from engine.plan import make_plan, require_rejected
from engine.probe import Probe
from engine.rehearsal import Rehearsal
from engine.session import Sessions, StateCache
from engine.ticket import Ticket
from engine.versions import Versions
from models.dataset import Dataset, read
from models.lesson import Lesson
from models.role import Roles
from rwkv_models.weights_file import WeightsError

log = logging.getLogger("ouroboros.engine")
OPEN_ANSWERS = 32
PREFILL_SLICE = 256
STATE_CACHE_BYTES = 512 * 2**20
PROBE_TEXTS = 16


class Engine:
    """One model, its owner thread, and everything that it wrote under one folder."""

    def __init__(self, config, data: Path):
        self.config = config
        self.data = data
        data.mkdir(parents=True, exist_ok=True)
        self.model = LiveModel(config)
        self.versions = Versions()
        self.store = Checkpoints(data / "checkpoints")
        self.journal = Journal(data / "journal")
        general = read_general(self.model.file.parent / "general.jsonl", self.model.template)
        train = config.train
        self.lessons = Lessons(
            self.model, self.versions, self.journal, Rehearsal(general[PROBE_TEXTS:], train.replay, train.general, train.general_tokens),
            Probe(self.model.network, general[:PROBE_TEXTS]), self._after_lesson)
        self.kept = Sessions(data / "sessions")
        self.conversations = Conversations(
            self.model, self.versions, self.kept, StateCache(STATE_CACHE_BYTES),
            DecodeBatch(self.model.network, OPEN_ANSWERS, PREFILL_SLICE), config.infer)
        self._checkpoint: Checkpoint | None = None
        self._saver = ThreadPoolExecutor(1, "saver")
        self._datasets: dict[str, Dataset] = {}
        self._tickets: dict[str, Ticket] = {}
        self._lock = threading.Lock()
        self._closing = False
        self._recover()
        self._digest = (self.versions.stamp, self.model.digest())
        self.owner = Owner([self.conversations, self.lessons])

    def start(self) -> None:
        """Begin to serve tickets."""
        self.owner.start()

    # -- how it is

    def health(self) -> dict:
        """The fields of /health."""
        return {"status": "ok", "model": self.model.name, "family": self.model.network.family, "parameters": self.model.parameters,
                "mode": self.config.train.mode, "version": self.versions.number, "training": self.lessons.training, "queue": len(self._tickets)}

    def weights(self) -> dict:
        """The fields of /weights."""
        ticket = self._ticket("weights")

        def tell() -> None:
            if self._digest[0] != self.versions.stamp:
                self._digest = (self.versions.stamp, self.model.digest())
            base = self._checkpoint.version if self._checkpoint else 0
            ticket.finish({"version": self.versions.number, "digest": self._digest[1],
                           "checkpoint": self._checkpoint.name if self._checkpoint else None,
                           "lessons_since_checkpoint": max(0, self.versions.number - base)})

        self._on_owner(ticket, tell)
        return ticket.result(timeout=60)

    # -- answers

    def infer(self, source: dict, options: InferOptions, session: str | None, given: set[str]) -> Ticket:
        """Answer messages (of a session, if named), or go on with a text or tokens."""
        ticket = self._ticket("answer")
        self._on_owner(ticket, lambda: self.conversations.infer(ticket, source, self.conversations.options(options, given), session))
        return ticket

    def regenerate(self, name: str, turn: int, options: InferOptions, given: set[str]) -> Ticket:
        """Answer a turn of a session again; later turns go."""
        ticket = self._ticket("answer")

        def begin() -> None:
            session = self.kept.get(name)
            messages = list(session.turn(turn).messages)
            self.conversations.ask(ticket, session, turn - 1, messages, self.conversations.options(options, given))

        self._on_owner(ticket, begin)
        return ticket

    # -- sessions

    def sessions(self) -> list[dict]:
        """All sessions in brief."""
        return [{"session": s.name, "turns": len(s.turns), "versions": [t.versions[-1] for t in s.turns]} for s in self.kept]

    def session(self, name: str) -> dict:
        """One session, whole."""
        session = self.kept.get(name)
        turns = list(session.turns)
        return {"session": name, "turns": [t.describe(i) for i, t in enumerate(turns, 1)],
                "messages": session.messages(len(turns), self.model.roles.answering.name)}

    def delete_session(self, name: str) -> dict:
        """Forget a session."""
        ticket = self._ticket("delete")

        def delete() -> None:
            self.kept.delete(name)
            ticket.finish({"session": name, "deleted": True})

        self._on_owner(ticket, delete)
        return ticket.result(timeout=60)

    def branch(self, name: str, turn: int, as_name: str) -> Ticket:
        """A new session that shares the first `turn` turns; their states are shared too."""
        ticket = self._ticket("branch")

        def branch() -> None:
            session = self.kept.get(name)
            if turn:
                session.turn(turn)
            self.kept.create(as_name, session.turns[:turn])
            ticket.finish({"session": as_name, "turns": turn, "from": name})

        self._on_owner(ticket, branch)
        return ticket

    def correct(self, name: str, turn: int, text: str, train: bool, options: TrainOptions, key: str | None, given: set[str]) -> Ticket:
        """Replace an answer by what it should have been and, with `train`, teach it."""
        ticket = self._ticket("lesson")

        def correct() -> None:
            session = self.kept.get(name)
            old = session.turn(turn)
            role = self.model.roles.answering.name
            if not text.strip():
                raise BadRequest("text: a correction needs words", "text")
            context = [m | {"no_loss": True} for m in (*session.messages(turn - 1, role), *old.messages)]
            rejected = {"rejected": old.answer} if old.answer.strip() else {}
            messages = [*context, {"role": role, "text": text, **rejected}]
            place = {"session": name, "turn": turn}
            if not train:
                self.conversations.corrected(session, turn, text)
                ticket.finish({**place, "corrected": True})
                return
            source = {"messages": messages}
            job = self._job(source, options, given, key, {"session": name, "turn": turn, "rejected": old.answer})
            job.extra = place
            self.lessons.add(ticket, job)
            self.conversations.corrected(session, turn, text)

        self._on_owner(ticket, correct)
        return ticket

    # -- lessons

    def train(self, source: dict, options: TrainOptions, key: str | None, given: set[str]) -> Ticket:
        """Learn a lesson, or several as one."""
        ticket = self._ticket("lesson")
        self._on_owner(ticket, lambda: self.lessons.add(ticket, self._job(source, options, given, key, {})))
        return ticket

    def _job(self, source: dict, options: TrainOptions, given: set[str], key: str | None, facts: dict, lessons=None) -> Job:
        if options.checks and "checks" in given:
            raise BadRequest("checks: this release asks no earlier lessons again; leave it out, or send false", "checks")
        if lessons is None:
            try:
                lessons = self._lessons_of(source)
            except ValueError as error:
                raise BadRequest(f"{next(iter(source))}: {error}", next(iter(source))) from None
        samples = samples_of(lessons, self.model.template, options.train_on)
        plan = make_plan(options, given, self.config.train, seed=self.journal.seq + 1)
        require_rejected(plan, given, samples)
        return Job(samples, plan, lesson_facts(source, **facts), key, options.dry_run, options.preview)

    def _lessons_of(self, source: dict) -> list[Lesson]:
        if "text" in source:
            return [Lesson(text=source["text"])]
        if "tokens" in source:
            return [Lesson(tokens=tuple(tokens)) for tokens in source["tokens"]]
        several = source.get("lessons") or [{"messages": source["messages"]}]
        return [Lesson(messages=tuple(self.model.messages(lesson["messages"]))) for lesson in several]

    # -- data

    def load_data(self, body: dict) -> Ticket:
        """Read a set of lessons; with `train`, learn them all as one lesson."""
        ticket = self._ticket("data")
        if "path" in body:
            path = (self.data / body["path"]).resolve()
            if not path.is_relative_to(self.data.resolve()) or not path.is_file() or self._own(path):
                raise NotFound(f"path: there is no file {body['path']} under the data folder", "path")
            name, content = path.name, path.read_bytes()
        else:
            name, content = body["name"], body["content"].encode()
        try:
            dataset = read(content, name, body.get("format", "auto"))
        except ValueError as error:
            raise BadRequest(f"{'path' if 'path' in body else 'content'}: {error}", "path" if "path" in body else "content") from None
        lessons = list(dataset.lessons)
        if body.get("shuffle"):
            random.Random(body.get("seed", 0)).shuffle(lessons)

        def take() -> None:
            problems = [{"line": p.line, "message": p.message} for p in dataset.problems]
            good, samples = [], []
            for lesson in lessons:
                try:
                    samples.append(lesson.sample(self.model.template))
                    good.append(lesson)
                except ValueError as error:
                    problems.append({"line": lesson.line or 0, "message": str(error)})
            self._datasets[dataset.name] = dataset
            facts = {"dataset": dataset.name, "lessons": len(good), "tokens": sum(len(s.tokens) for s in samples), "problems": problems}
            if not body.get("train"):
                ticket.finish(facts)
                return
            job = self._job({"dataset": dataset.name}, TrainOptions(), set(), None, {}, lessons=good)
            job.extra = facts
            self.lessons.add(ticket, job)

        self._on_owner(ticket, take)
        return ticket

    def _own(self, path: Path) -> bool:
        """Whether a file under the data folder is the program's own (token, journal, checkpoints, sessions): no lesson is in it."""
        first = path.relative_to(self.data.resolve()).parts[0]
        return first.startswith(".") or first in ("token", "journal", "checkpoints", "sessions")

    def datasets(self) -> list[dict]:
        """The sets that were read since the start."""
        return [{"dataset": d.name, "format": d.format, "lessons": len(d.lessons), "problems": len(d.problems)}
                for d in list(self._datasets.values())]

    # -- checkpoints

    def save(self, name: str) -> Ticket:
        """Write a checkpoint; answers go on meanwhile."""
        checked_name(name)
        ticket = self._ticket("save")
        self._on_owner(ticket, lambda: self.lessons.exclusive(lambda: self._save(name, ticket)))
        return ticket

    def _save(self, name: str, ticket: Ticket | None) -> None:
        """Copy the weights now, write them on the saver thread."""
        began, moments = time.perf_counter(), self.config.train.carry_moments
        weights, optimizer = self.model.weights(), self.model.optimizer_tensors(moments)
        facts = {"version": self.versions.number, "seq": self.journal.seq, "base": self._base()["digest"], "roles": self.model.roles.describe(),
                 "tokenizer": self.model.tokenizer.digest}

        def write() -> None:
            try:
                self._checkpoint = checkpoint = self.store.write(name, weights, optimizer, facts)
            except OSError as error:
                log.error("save=%s failed: %s", name, error)
                if ticket:
                    ticket.fail(EngineError(f"the checkpoint {name} cannot be written: {error.strerror}", code="disk"))
                return
            told = checkpoint.describe()
            log.info("save=%s version=%d bytes=%d", name, told["version"], told["bytes"])
            if ticket:
                ticket.finish({**told, "seconds": time.perf_counter() - began})

        self._saver.submit(write)

    def load(self, name: str) -> Ticket:
        """Put a checkpoint's weights in place of the present ones."""
        ticket = self._ticket("load")

        def load() -> None:
            try:
                checkpoint = self.store.find(name)
                self._load(checkpoint)
                self.journal.append({"kind": "load", "time": time.time(), "checkpoint": checkpoint.folder.name, "version": checkpoint.version})
                ticket.finish({"name": name, "version": checkpoint.version})
            except (WeightsError, ValueError) as error:
                ticket.fail(BadRequest(f"name: {error}; the running model was not touched", "name"))
            except EngineError as error:
                ticket.fail(error)

        self._on_owner(ticket, lambda: self.lessons.exclusive(load))
        return ticket

    def _load(self, checkpoint: Checkpoint) -> None:
        difference = self.model.roles.difference(Roles.from_description(checkpoint.manifest["roles"]))
        if difference:
            raise BadRequest(f"the checkpoint {checkpoint.name} was trained under other roles: {difference}", "name")
        if checkpoint.manifest["tokenizer"] != self.model.tokenizer.digest:
            raise BadRequest(f"the checkpoint {checkpoint.name} was trained with another tokenizer", "name")
        self.model.load(checkpoint.weights(), checkpoint.optimizer(), checkpoint.folder)
        self.versions.number = checkpoint.version
        self.versions.moved()
        self._checkpoint = checkpoint

    def checkpoints(self) -> list[dict]:
        """All checkpoints, newest first."""
        return [c.describe() for c in self.store.list()]

    def _after_lesson(self) -> None:
        every = self.config.save.every_lessons
        if every and self.versions.number % every == 0:
            self._save("auto", None)

    # -- starting again

    def _base(self) -> dict:
        return self.journal.records[0]

    def _recover(self) -> None:
        """The newest checkpoint that verifies, then every lesson of the journal that it does not contain."""
        digest = self.model.digest()
        if not self.journal.seq:
            self.journal.append({"kind": "base", "time": time.time(), "model": self.model.name, "digest": digest,
                                 "roles": self.model.roles.describe(), "tokenizer": self.model.tokenizer.digest})
        base = self._base()
        if base["digest"] != digest:
            raise ValueError(f"{self.data} holds what was taught to another model ({base['model']}); choose another folder with --data")
        difference = self.model.roles.difference(Roles.from_description(base["roles"]))
        if difference:
            raise ValueError(f"{self.data} was taught under other roles: {difference}")
        checkpoint = self.store.newest()
        start = 0
        if checkpoint is not None and checkpoint.seq <= self.journal.seq:
            self._load(checkpoint)
            start = checkpoint.seq
        lessons = 0
        for record in self.journal.records:
            if record["kind"] == "lesson":
                if record["seq"] > start:
                    self.lessons.replay(record)
                    lessons += 1
                else:
                    self.lessons.remember(record)
            elif record["kind"] == "load" and record["seq"] > start:
                self._load(next(c for c in self.store.list() if c.folder.name == record["checkpoint"]))
            if record["kind"] == "load":
                self.versions.number = record["version"]
        log.info("version=%d checkpoint=%s replayed=%d", self.versions.number, checkpoint.name if checkpoint else "none", lessons)

    # -- tickets

    def cancel(self, id: str) -> dict:
        """Ask a request to stop at its next token or micro-step."""
        with self._lock:
            ticket = self._tickets.get(id)
        if ticket is None:
            raise NotFound(f"id: no request {id} is running", "id")
        ticket.cancel()
        return {"id": id, "cancelled": True}

    def _ticket(self, kind: str) -> Ticket:
        with self._lock:
            if self._closing:
                raise Busy("the server is stopping", 5)
            if len(self._tickets) >= self.config.server.queue + OPEN_ANSWERS:
                raise Busy("the queue is full, try again")
            ticket = Ticket(kind, self._ended)
            self._tickets[ticket.id] = ticket
        return ticket

    def _ended(self, ticket: Ticket) -> None:
        with self._lock:
            self._tickets.pop(ticket.id, None)

    def _on_owner(self, ticket: Ticket, function: Callable[[], None]) -> None:
        """Run a function on the owner thread; its errors end the ticket."""

        def run() -> None:
            try:
                function()
            except EngineError as error:
                ticket.fail(error)
            except Exception as error:
                log.exception("ticket=%s failed", ticket.id)
                ticket.fail(error)

        self.owner.call(run)

    def close(self, grace: float = 8.0) -> None:
        """Take nothing new, wait up to `grace` seconds for what is open, cancel the rest, and end the thread."""
        with self._lock:
            self._closing = True
        deadline = time.monotonic() + grace
        idle = threading.Event()
        while self._tickets and time.monotonic() < deadline:
            idle.wait(0.05)
        for ticket in list(self._tickets.values()):
            ticket.cancel()
        deadline = time.monotonic() + 2
        while self._tickets and time.monotonic() < deadline:
            idle.wait(0.02)
        self.owner.stop()
        self._saver.shutdown()
        self.journal.close()
