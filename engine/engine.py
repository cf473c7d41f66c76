"""The engine: what the server calls. It hands everything to the owner thread and returns tickets.

Every method may be called from any thread. Refusals are engine.errors; a ticket's reader gets those of later moments.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import torch

from engine.breath import Breath
from engine.bundle import Bundle
from engine.checkpoint_acts import CheckpointActs
from engine.checkpoints import Checkpoints, checked_name
from engine.common_questions import CommonQuestions
from engine.compared import Compared
from engine.conversations import Conversations
from engine.data_lock import DataLock
from engine.datasets import Datasets
from engine.decoding import DecodeBatch
from engine.errors import BadRequest, EngineError
from engine.events import Events, Listening
from engine.general_texts import read_general
from engine.history import History
from engine.idle import Idle
from engine.jobs import Jobs
from engine.journal import Journal
from engine.known import Known
from engine.learner import Learner
from engine.lesson_acts import LessonActs
from engine.lessons import Lessons
from engine.live_model import LiveModel
from engine.memory import is_memory, memory_error
from engine.options import AnswerOptions, InferOptions, TrainOptions
from engine.owner import Owner
from engine.probe import Probe
from engine.recent import Recent
from engine.recovery import Past
from engine.rehearsal import Rehearsal
from engine.runs import Runs
from engine.saver import AUTO, Saver
from engine.session import Sessions
from engine.session_acts import SessionActs
from engine.spare import Spare
from engine.state_acts import StateActs
from engine.state_cache import StateCache
from engine.states import States
from engine.store_follower import StoreFollower
from engine.taught import Taught
from engine.ticket import Ticket
from engine.tickets import Tickets
from engine.trained import Trained
from engine.version_acts import VersionActs
from engine.versions import Versions
from models.role import Roles
from models.tokenizer import Tokenizer
from rwkv_models.crew import Crew

log = logging.getLogger("ouroboros.engine")
OPEN_ANSWERS = 32
PREFILL_SLICE = 256
PROBE_TEXTS = 16
BYTES_A_PARAMETER = 6  # of a checkpoint, at most: bf16 and its copy in fp32


class Engine:
    """One model, its owner thread, and everything that it wrote under one folder."""

    def __init__(self, config, data: Path, crew: Crew | None = None):
        """`crew`: the processes that train together, where there are several, seen from the one that leads them."""
        self.config = config
        self.data = data
        data.mkdir(parents=True, exist_ok=True)
        self.tickets = Tickets(config.server.queue + OPEN_ANSWERS)
        self.events = Events()
        self._lock = DataLock(data)
        self.owner = Owner()
        try:
            self.owner.run(lambda: self._build(config, data, crew))
        except BaseException:
            self.owner.stop()
            self._lock.release()
            raise

    def _build(self, config, data: Path, crew: Crew | None) -> None:
        self.model = LiveModel(config, crew)
        self.versions = Versions()
        self.journal = Journal(data / "journal")
        history = History()
        general = read_general(self.model.file.parent / "general.jsonl", self.model.template)
        train = config.train
        if not general and (train.general or train.kl):
            log.warning("general=%d kl=%g hold nothing: there is no general.jsonl beside %s", train.general, train.kl, self.model.file)
        rehearsal = Rehearsal(general[PROBE_TEXTS:], train.replay, train.general, train.general_tokens)
        self.kept = Sessions(data / "sessions")
        self.states = States(data / "states", self.model.network, self.journal, self.versions)
        self.trained = Trained(self.model, self.journal, data / "adapters", self._weights_changed)
        learner = Learner(self.model, rehearsal, self.trained, self.states)
        common = CommonQuestions(data / "near.json", self.model.template, self.journal)
        self.lessons = Lessons(learner, self.versions, self.journal, history, Probe(self.model.network, general[:PROBE_TEXTS]), common,
                               self.tickets.tally, self.events, config.checks, self._after_lesson)
        cache = StateCache(config.infer.state_memory_mb * 2**20, data / "spilled", config.infer.state_disk_mb * 2**20)
        self.conversations = Conversations(
            self.model, self.versions, self.kept, cache,
            DecodeBatch(self.model.network, OPEN_ANSWERS, PREFILL_SLICE, self.owner.call), config.infer, self.states, self.journal)
        self.state_acts = StateActs(self.states, self.conversations, self.kept, learner, self.versions, history)
        self.sets = Datasets(data, self.model.template)
        self.jobs = Jobs(self.model, self.journal, train)
        self.session_acts = SessionActs(self.conversations, self.kept, self.lessons, self.jobs, self.journal)
        self.lesson_acts = LessonActs(self.lessons, self.jobs, self.journal)
        self.known = Known(self.journal)
        self.runs = Runs(self.lessons, self.journal, self.jobs, self.sets, self.model.template, self.state_acts.reset_memory)
        store = Checkpoints(data / "checkpoints", int(config.save.shard_mb * 2**20))
        self.past = Past(learner, self.journal, history, store, Recent(config.save.recent_memory_mb * 2**20), self.lessons, self._apply,
                         self._weights_changed, train.carry_moments, config.model_dump(mode="json"))
        self.past.spare = self.spare = Spare(learner, self._second, alone=crew is None)
        self.saver = Saver(store, self.past.snapshot, lambda f: self.owner.call(lambda: self.lessons.exclusive(f)), config.save,
                           self.past.tell)
        self.past.saver = self.saver
        self.past.recover()
        self.version_acts = VersionActs(self.past, Compared(self.past, self.versions, self.lessons.probe), self.conversations)
        self.checkpoint_acts = CheckpointActs(self.past, self.saver, data / "exports")
        self.idle = Idle(self.lessons, learner, config, self.owner.call, lambda: bool(self.conversations) or len(self.tickets) > 0)
        self._digest = (self.versions.stamp, self.versions.digest)
        self.store = StoreFollower(self.journal.path, data / "store", self.journal.seq)
        self.journal.followers = [lambda record: self.store.appended(record["seq"]), self.events.record]
        self.taught = Taught(self.store, self.journal, self.model.roles)

    def _second(self) -> tuple[Learner, Conversations]:
        """Another model from the same file, that nobody has taught."""
        versions, first = Versions(), self.past.learner
        model = LiveModel(self.config)
        states = States(self.data / "states", model.network, self.journal, versions)
        learner = Learner(model, first.rehearsal, Trained(model, self.journal, self.data / "adapters", lambda: None), states)
        self.past.begin(learner)
        batch = DecodeBatch(model.network, OPEN_ANSWERS, PREFILL_SLICE, self.owner.call)
        cache = StateCache(0, self.data / "spilled-second", 0)
        return learner, Conversations(model, versions, self.kept, cache, batch, self.config.infer, states, self.journal)

    def start(self) -> None:
        """Begin to serve tickets, and go on with sets that were being taught when the program ended."""
        self.started = int(time.time())
        breath = Breath(self.lessons, self.conversations, self.model)
        self.owner.take_up([self.conversations, self.conversations.scoring, self.spare, breath])
        self.owner.run(self.runs.recover)

    # -- how it is

    def health(self) -> dict:
        """The fields of /health."""
        return {"status": "ok", "model": self.model.name, "family": self.model.network.family, "parameters": self.model.parameters,
                "mode": self.config.train.mode, "version": self.versions.number, "training": self.lessons.training,
                "queue": len(self.tickets)}

    def weights(self) -> dict:
        """The fields of /weights."""
        ticket = self._ticket("weights")

        def tell() -> None:
            if not self.lessons.training and self._digest[0] != self.versions.stamp:
                self._digest = (self.versions.stamp, self.model.digest())
            digest = self.versions.digest if self.lessons.training else self._digest[1]
            current, since = self.past.standing_on()
            ticket.finish({"version": self.versions.number, "digest": digest, "checkpoint": current.name if current else None,
                           "lessons_since_checkpoint": since})

        self._on_owner(ticket, tell)
        return ticket.result(timeout=60)

    def defaults(self) -> dict:
        """How it is answered and taught where a request does not say: what the config script has."""
        sections = {"infer": (InferOptions, self.config.infer), "train": (TrainOptions, self.config.train)}
        return {name: {option: getattr(section, option, field.get_default(call_default_factory=True))
                       for option, field in kind.model_fields.items()} for name, (kind, section) in sections.items()}

    def listen(self) -> Listening:
        """What happens from now on, as it happens."""
        return self.events.listen(model=self.name, version=self.version)

    # -- answers

    def infer(self, source: dict, options: InferOptions, session: str | None, given: set[str], as_of: str | None = None) -> Ticket:
        """Answer messages (of a session, if named), or go on with a text or tokens; `as_of` a moment: with the weights of then."""
        if as_of is not None:
            return self._infer_then(source, options, session, given, as_of)
        ticket = self._ticket("answer")
        self._on_owner(ticket, lambda: self.conversations.infer(ticket, source, self.conversations.options(options, given), session))
        return ticket

    def _infer_then(self, source: dict, options: InferOptions, session: str | None, given: set[str], as_of: str) -> Ticket:
        if session is not None:
            raise BadRequest("as_of: a session goes on with the present weights; send its messages without it", "as_of")
        seq, ticket = self.taught.moment(as_of), self._ticket("answer")
        self._steps_between_lessons(ticket, lambda: self.version_acts.answer(ticket, source, options, given, seq))
        return ticket

    def regenerate(self, name: str, turn: int, options: InferOptions, given: set[str]) -> Ticket:
        """Answer a turn of a session again; later turns go."""
        ticket = self._ticket("answer")
        self._on_owner(ticket, lambda: self.session_acts.regenerate(ticket, name, turn, self.conversations.options(options, given)))
        return ticket

    def edit(self, name: str, turn: int, messages: list[dict], options: InferOptions, given: set[str]) -> Ticket:
        """Ask something else in a turn of a session, and answer that; later turns go."""
        ticket = self._ticket("answer")
        self._on_owner(ticket, lambda: self.session_acts.edit(ticket, name, turn, messages, self.conversations.options(options, given)))
        return ticket

    def answer(self, kind: str, sources: list[dict], options: AnswerOptions, given: set[str], n: int = 1,
               score: int | None = None) -> Ticket:
        """`n` answers to each of several prompts, as one request: see Bundle for its events. `score`: also tell what the tokens of each
        prompt cost, with that many likeliest ones at each place, as the event {"index", "prompt"}."""
        bundle = self.tickets.open(kind, functools.partial(Bundle, size=n * len(sources)))

        def begin() -> None:
            chosen = self.conversations.options(options, given)
            for i, source in enumerate(sources):
                self.conversations.answer(bundle.parts[i * n : (i + 1) * n], source, chosen, score)

        self.owner.call(answering(bundle, begin))
        return bundle

    def figures(self) -> dict:
        """What was done since the start, and how much there is to do, as numbers."""
        tally = self.tickets.tally
        counted = ("tokens_read", "tokens_written", "lessons_learned", "lessons_refused", "training_seconds", "last_loss")
        return {**{name: getattr(tally, name) for name in counted}, "version": self.version, "open_answers": self.conversations.open,
                "queue_depth": len(self.tickets), "journal_bytes": self.journal.path.stat().st_size,
                "state_bytes": self.conversations.cache.bytes, "spilled_bytes": self.conversations.cache.spilled_bytes,
                "memory_bytes": psutil.Process().memory_info().rss, "device_memory_bytes": torch.cuda.memory_reserved()}

    @property
    def tokenizer(self) -> Tokenizer:
        """The vocabulary of the model."""
        return self.model.tokenizer

    @property
    def roles(self) -> Roles:
        """Who may speak in a conversation."""
        return self.model.roles

    @property
    def begin(self) -> tuple[int, ...]:
        """Token ids before the first of a prompt."""
        return self.model.template.begin

    @property
    def name(self) -> str:
        """What the model is called."""
        return self.model.name

    @property
    def version(self) -> int:
        """Of the weights that answer now."""
        return self.versions.number

    # -- sessions

    def sessions(self) -> list[dict]:
        """All sessions in brief."""
        return self.session_acts.list()

    def session(self, name: str) -> dict:
        """One session, whole."""
        return self.session_acts.describe(name)

    def delete_session(self, name: str) -> dict:
        """Forget a session."""
        return self._told("delete", lambda: self.session_acts.delete(name)).result(timeout=60)

    def branch(self, name: str, turn: int, as_name: str) -> Ticket:
        """A new session that shares the first `turn` turns."""
        return self._told("branch", lambda: self.session_acts.branch(name, turn, as_name))

    def rename_session(self, name: str, as_name: str) -> Ticket:
        """Another name for a session."""
        return self._told("rename", lambda: self.session_acts.rename(name, as_name))

    def correct(self, name: str, turn: int, text: str, train: bool, options: TrainOptions, key: str | None, given: set[str]) -> Ticket:
        """Replace an answer by what it should have been and, with `train`, teach it."""
        ticket = self._ticket("lesson")
        self._on_owner(ticket, lambda: self.session_acts.correct(ticket, name, turn, text, train, options, key, given))
        return ticket

    # -- lessons

    def train(self, source: dict, options: TrainOptions, key: str | None, given: set[str]) -> Ticket:
        """Learn a lesson, or several as one."""
        ticket = self._ticket("lesson")
        self._on_owner(ticket, lambda: self.lessons.add(ticket, self.jobs.of_source(source, options, given, key)))
        return ticket

    def retrain(self, lesson: str, options: TrainOptions, key: str | None, given: set[str]) -> Ticket:
        """Teach a lesson again that was taught before."""
        ticket = self._ticket("lesson")
        self._on_owner(ticket, lambda: self.lesson_acts.retrain(ticket, lesson, options, given, key))
        return ticket

    def retract(self, lesson: str) -> Ticket:
        """Rehearse a lesson no more."""
        ticket = self._ticket("retract")
        self._on_owner(ticket, lambda: self._between_lessons(ticket, lambda: ticket.finish(self.lesson_acts.retract(lesson))))
        return ticket

    def review(self, limit: int) -> Ticket:
        """Measure again what is known of every lesson."""
        ticket = self._ticket("review")
        self._steps_between_lessons(ticket, lambda: self.lesson_acts.review(ticket, limit))
        return ticket

    def lessons_taught(self, asked: dict) -> list[dict]:
        """The lessons that fit."""
        return self.taught.lessons(asked)

    def history_of(self, asked: dict) -> list[dict]:
        """What happened to a lesson, a session or a turn."""
        return self.taught.history(asked)

    def query(self, text: str, format: str) -> tuple[str, bytes]:  # noqa: A002
        """Ask the lesson store in SPARQL: media type and bytes of the answer."""
        return self.taught.query(text, format)

    def export(self, form: str, asked: dict) -> dict:
        """Lessons as a file of another program's form."""
        return self.taught.export(form, asked)

    # -- data

    def load_data(self, body: dict, options: TrainOptions, given: set[str]) -> Ticket:
        """Read a set of lessons; with `train`, teach it, or go on with a run that was broken off."""
        if "resume" in body:
            ticket = self._ticket("data")
            self._on_owner(ticket, lambda: self.runs.resume(ticket, body["resume"]))
            return ticket
        found = self.sets.read(body)  # on the caller's thread: a large file takes a while
        duplicates = {"duplicates": self.known.duplicates(found)}
        if not body.get("train"):
            ticket = self._ticket("data")
            ticket.finish(found.describe() | duplicates)
            return ticket
        run = self.runs.prepare(found, body, options, given)
        run.told |= duplicates
        ticket = self._ticket("data")
        self._on_owner(ticket, lambda: self.runs.begin(ticket, run))
        return ticket

    def datasets(self) -> dict:
        """The sets that were read since the start, and the runs over sets that were taught."""
        return {"datasets": self.sets.list(), "runs": self.runs.list()}

    # -- what is trained

    def trains(self) -> dict:
        """What is trained, and the adapters that are kept."""
        ticket = self._ticket("trains")
        self._on_owner(ticket, lambda: ticket.finish(self.trained.describe()))
        return ticket.result(timeout=60)

    def train_this(self, chosen: dict) -> Ticket:
        """Train something else from now on: all weights, parts, an adapter, the initial state."""
        ticket = self._ticket("trains")
        self._changing(ticket, lambda: self.trained.train(chosen))
        return ticket

    def adapter(self, action: str, name: str | None) -> Ticket:
        """Merge the adapter in use; import, export or remove one by name."""
        ticket = self._ticket("adapter")
        if action == "export":
            export = lambda: ticket.finish({"name": name, "path": str(self.trained.export(name).relative_to(self.data))})  # noqa: E731
            self._on_owner(ticket, lambda: self._between_lessons(ticket, export))
        else:
            self._changing(ticket, {"merge": self.trained.merge, "import": lambda: self.trained.take_in(name),
                                    "remove": lambda: self.trained.remove(name)}[action])
        return ticket

    def _changing(self, ticket: Ticket, write: Callable[[], dict]) -> None:
        """Between two lessons: write a record, then do what it says."""

        def change() -> None:
            record = write()
            self.past.history.note(record)
            self._apply(record)
            ticket.finish(self.trained.describe())

        self._on_owner(ticket, lambda: self._between_lessons(ticket, change))

    # -- states

    def state(self, body: dict) -> Ticket:
        """Save, load or reset the training memory (kind "train") or the beginning of chats ("infer")."""
        ticket = self._ticket("state")
        act = self.state_acts.save if body["action"] == "save" else self.state_acts.change
        self._on_owner(ticket, lambda: self._between_lessons(ticket, lambda: act(ticket, body)))
        return ticket

    def states_kept(self) -> dict:
        """The states on disk, and what the training memory and the beginning of chats are now."""
        return self.state_acts.describe()

    # -- checkpoints

    def save(self, name: str) -> Ticket:
        """Write a checkpoint; answers go on meanwhile."""
        if checked_name(name) == AUTO:
            raise BadRequest(f"name: {AUTO} is what checkpoints that are made by themselves are called, and the oldest of them go; choose "
                             "another name", "name")
        ticket = self._ticket("save")
        self._on_owner(ticket, lambda: self._between_lessons(ticket, lambda: self.saver.save(name, ticket)))
        return ticket

    def load(self, name: str, version: int | None = None) -> Ticket:
        """Put a checkpoint's weights in place of the present ones. Of several of that name: the newest, or that of a version."""
        ticket = self._ticket("load")
        self._on_owner(ticket, lambda: self._between_lessons(ticket, lambda: self.checkpoint_acts.load(ticket, name, version)))
        return ticket

    def rename_checkpoint(self, name: str, as_name: str, version: int | None) -> Ticket:
        """Another name for a checkpoint."""
        return self._with_checkpoints("rename", lambda ticket: self.checkpoint_acts.rename(ticket, name, as_name, version))

    def delete_checkpoint(self, name: str, version: int | None) -> Ticket:
        """Remove a checkpoint that the present weights do not stand on."""
        return self._with_checkpoints("delete", lambda ticket: self.checkpoint_acts.delete(ticket, name, version))

    def export_checkpoint(self, name: str, version: int | None) -> Ticket:
        """Write a checkpoint's weights as one file under data/exports; answers go on meanwhile."""
        return self._with_checkpoints("export", lambda ticket: self.checkpoint_acts.export(ticket, name, version))

    def _with_checkpoints(self, kind: str, act: Callable[[Ticket], None]) -> Ticket:
        """Between two lessons, and while no checkpoint is being written."""
        ticket = self._ticket(kind)
        alone = lambda: self.saver.alone(answering(ticket, lambda: act(ticket)))  # noqa: E731
        self._on_owner(ticket, lambda: self._between_lessons(ticket, alone))
        return ticket

    def checkpoints(self) -> list[dict]:
        """All checkpoints, newest first, and which of them the present weights stand on."""
        return self._told("checkpoints", lambda: {"checkpoints": self.checkpoint_acts.list()}).result(timeout=60)["checkpoints"]

    # -- versions

    def rollback(self, version: int) -> Ticket:
        """Go back to a version."""
        ticket = self._ticket("rollback")
        self._steps_between_lessons(ticket, lambda: self.version_acts.rollback(ticket, version))
        return ticket

    def undo(self, lesson: str) -> Ticket:
        """Take a lesson out of the weights, and keep those after it."""
        ticket = self._ticket("undo")
        self._steps_between_lessons(ticket, lambda: self.version_acts.undo(ticket, lesson))
        return ticket

    def diff(self, before: int, after: int) -> Ticket:
        """What two versions differ in."""
        ticket = self._ticket("diff")
        self._steps_between_lessons(ticket, lambda: self.version_acts.diff(ticket, before, after))
        return ticket

    def version_list(self) -> list[dict]:
        """Every version that there was, the newest first."""
        return self.version_acts.list()

    def _save_at_the_end(self) -> None:
        """Spare the next start the lessons since the last checkpoint, where that can be on the disk in time."""
        lessons, megabytes = self.past.standing_on()[1], self.model.parameters * BYTES_A_PARAMETER >> 20
        if lessons and megabytes > self.config.save.at_end_mb:
            log.info("no checkpoint at the end: the next start learns %d lessons again, as one of %d MB is above save.at_end_mb = %d",
                     lessons, megabytes, self.config.save.at_end_mb)
        elif lessons and self._meet_no_lesson(lambda: self.saver.save(AUTO)):
            self.saver.close()
            self._meet_no_lesson(lambda: None)  # what is written has been told by then

    def _meet_no_lesson(self, function: Callable[[], None], seconds: float = 1.0) -> bool:
        """Run a function between two lessons; False where none ended in that time."""
        done = threading.Event()
        self.owner.call(lambda: self.lessons.exclusive(lambda: (function(), done.set())[1]))
        return done.wait(seconds)

    def _weights_changed(self) -> None:
        self.versions.number = self.past.history.version()
        self.versions.moved()
        self.versions.digest = self.model.digest()
        self.conversations.batch.look_again()
        self.conversations.cache.keep_only(self.versions.stamp)

    def _apply(self, record: dict) -> None:
        """What a record about states or about what is trained does, now or when the program starts."""
        (self.state_acts if record["kind"] == "state" else self.trained).apply(record)

    def _after_lesson(self) -> None:
        self.conversations.cache.keep_only(self.versions.stamp)
        self.past.keep()
        self.idle.learned()

    # -- tickets

    def cancel(self, id: str) -> dict:
        """Ask a request to stop at its next token or micro-step."""
        if not self.runs.cancel(id):
            self.tickets.cancel(id)
        return {"id": id, "cancelled": True}

    def _ticket(self, kind: str) -> Ticket:
        return self.tickets.open(kind)

    def _told(self, kind: str, function: Callable[[], dict]) -> Ticket:
        """A ticket that ends with what a function on the owner thread returns."""
        ticket = self._ticket(kind)
        self._on_owner(ticket, lambda: ticket.finish(function()))
        return ticket

    def _on_owner(self, ticket: Ticket, function: Callable[[], None]) -> None:
        """Run a function on the owner thread; its errors end the ticket."""
        self.owner.call(answering(ticket, function))

    def _steps_between_lessons(self, ticket: Ticket, begin: Callable[[], Iterator[None]]) -> None:
        """Take steps one by one when no lesson is in hand; their errors end the ticket."""
        self.owner.call(lambda: self.lessons.exclusive(lambda: guarded(ticket, begin())))

    def _between_lessons(self, ticket: Ticket, function: Callable[[], None]) -> None:
        """On the owner thread: run a function when no lesson is in hand; its errors end the ticket."""
        self.lessons.exclusive(answering(ticket, function))

    def close(self, grace: float = 5.0, save: bool = False) -> None:
        """Take nothing new, wait up to `grace` seconds for what is open, cancel the rest, and end the thread.

        The journal has every lesson. `save`: with a checkpoint as well, if the model is not too large for one in time.
        """
        self.runs.stop()
        self.idle.close()
        self.tickets.close(grace)
        if save:
            self._save_at_the_end()
        self.events.close()
        self.saver.close()
        self.owner.run(self.spare.release)
        self.owner.run(self.past.recent.clear)
        self.owner.run(self.model.trainer.release)
        self.owner.stop()
        self.conversations.cache.close()
        self.journal.close()
        self.store.close()
        self._lock.release()


@contextlib.contextmanager
def told(ticket: Ticket) -> Iterator[None]:
    """Errors in here end the ticket: its reader is told them."""
    try:
        yield
    except EngineError as error:
        ticket.fail(error)
    except Exception as error:
        log.exception("ticket=%s failed", ticket.id)
        ticket.fail(memory_error("this and nothing was changed") if is_memory(error) else error)


def answering(ticket: Ticket, function: Callable[[], None]) -> Callable[[], None]:
    """The function with its errors told to the ticket's reader."""

    def run() -> None:
        with told(ticket):
            function()

    return run


def guarded(ticket: Ticket, steps: Iterator[None]) -> Iterator[None]:
    """The steps with their errors told to the ticket's reader."""
    with told(ticket):
        yield from steps
