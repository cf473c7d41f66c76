"""Weights, and all else that the next lesson depends on: what was taught before it and may be rehearsed, and the training memory.

The program answers and learns with one; a second one is made to see what the weights were, or would be, without touching the first.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from engine import model_parts
from engine.earlier import Earlier, samples_of
from engine.errors import BadRequest
from engine.lesson_run import LessonRun
from engine.live_model import LiveModel
from engine.plan import Plan
from engine.rehearsal import Rehearsal
from engine.states import States
from engine.trained import KINDS, Trained
from models.role import Roles
from models.sample import Sample
from rwkv_models.state import State

log = logging.getLogger("ouroboros.learner")


@dataclass(frozen=True)
class Snapshot:
    """All of a learner at one moment, in host memory: its parts as named tensors, and what must be said of them."""

    parts: dict[str, dict[str, Tensor]]
    facts: dict

    @property
    def bytes(self) -> int:
        """What the tensors take."""
        return sum(tensor.nbytes for part in self.parts.values() for tensor in part.values())


class Learner:
    """Learns lessons of the journal again, is copied, and put back. Belongs to the owner thread."""

    def __init__(self, model: LiveModel, rehearsal: Rehearsal, trained: Trained, states: States):
        self.model = model
        self.rehearsal = rehearsal
        self.trained = trained
        self.states = states
        self.earlier = Earlier()
        self.memory: State | None = None
        """The training memory."""
        self.memory_version = 0
        """Of the weights that made it."""

    def run(self, samples: list[Sample], plan: Plan, held: Sequence[Sample] = ()) -> LessonRun:
        """A lesson to be learned now, with the old answers to near questions that it holds."""
        earlier = self.earlier
        return LessonRun(self.model.trainer, samples, plan, self.rehearsal, earlier.samples, self.memory, held,
                         earlier.held_beside(samples))

    def rehearsing(self, plan: Plan) -> LessonRun | None:
        """Earlier lessons to be learned on together, as many as the plan accumulates, drawn by its seed; None where there are none."""
        earlier = self.earlier
        drawn = random.Random(f"{plan.seed}:idle").sample(earlier.samples, min(plan.accumulate, len(earlier.samples)))
        return LessonRun(self.model.trainer, drawn, plan, self.rehearsal, (), None, (), earlier.held) if drawn else None

    def learned(self, lesson: str, samples: list[Sample], plan: Plan, run: LessonRun, version: int) -> None:
        """A lesson was learned: the next one may rehearse it, and begins from the memory that it left."""
        self.earlier.add(lesson, samples, run.held)
        if plan.keep_state:
            self.memory, self.memory_version = run.state, version

    def again(self, record: dict) -> Iterator[None]:
        """Do again what a record of the journal did to the weights, step by step.

        A lesson on the lessons that it was learned on, learned as it was learned: the same machine gives the same weights to the bit.
        """
        if record["kind"] in KINDS:
            self.trained.apply(record)
        elif record["kind"] == "state":
            self.remember(record)
        elif record["kind"] == "rehearsal":
            yield from self._rehearse_again(record)
        elif record["kind"] == "lesson":
            (samples, held), plan = samples_of(record), Plan(**record["plan"])
            run = self.run(samples, plan, held)
            for _ in run.steps():
                yield
            if not run.learned:
                raise NotLearned(f"journal record {record['seq']} cannot be learned again: {run.reason}")
            self.learned(record["id"], samples, plan, run, record["version"])

    def _rehearse_again(self, record: dict) -> Iterator[None]:
        """The same lessons, unless one was taken out of the weights since."""
        run = self.rehearsing(Plan(**record["plan"]))
        if run is None:
            return
        for _ in run.steps():
            yield
        if not run.learned:
            raise NotLearned(f"journal record {record['seq']} cannot be rehearsed again: {run.reason}")

    def remember(self, record: dict) -> None:
        """The training memory that a state record speaks of."""
        self.memory, self.memory_version = self.states.compose(record), record.get("version", 0)

    # -- copied and put back

    def take(self, moments: bool) -> Snapshot:
        """A copy of everything; with `moments` also Adam's."""
        parts = model_parts.take(self.model, moments)
        parts["memory"] = {} if self.memory is None else {name: t.to("cpu", copy=True) for name, t in self.memory.named().items()}
        facts = {"memory_version": self.memory_version, **model_parts.describe(self.model),
                 "roles": self.model.roles.describe(), "tokenizer": self.model.tokenizer.digest}
        return Snapshot(parts, facts)

    def putting(self, snapshot: Snapshot, lessons: list[dict], origin: Path) -> Callable[[], None]:
        """Find out whether a copy fits this program (BadRequest or WeightsError tell in one sentence); what is returned puts it in
        place and cannot fail. `lessons` are the records of those in it."""
        facts, device, name = snapshot.facts, self.model.device, origin.name.partition("@")[0]
        difference = self.model.roles.difference(Roles.from_description(facts["roles"]))
        if difference:
            raise BadRequest(f"the checkpoint {name} was trained under other roles: {difference}", "name")
        if facts["tokenizer"] != self.model.tokenizer.digest:
            raise BadRequest(f"the checkpoint {name} was trained with another tokenizer", "name")
        kept = snapshot.parts["memory"]
        memory = State.from_named({name: t.to(device) for name, t in kept.items()}) if kept else None
        if memory is not None and not memory.fits(self.model.network.zero_state(1)):
            raise ValueError(f"the training memory of the checkpoint {name} is of a network of another shape")
        put_weights = model_parts.putting(self.model, snapshot.parts, facts, origin)

        def put() -> None:
            put_weights()
            self.earlier.become(lessons)
            self.memory, self.memory_version = memory, facts["memory_version"]

        return put


class NotLearned(ValueError):
    """A lesson of the journal that its weights refuse."""
