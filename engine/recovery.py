"""The weights of other moments: what a checkpoint takes of now, how one is put back, and how a start finds the present again."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import asdict

from engine import model_parts, trained
from engine.checkpoints import Checkpoint, Checkpoints
from engine.errors import BadRequest
from engine.history import History
from engine.journal import Journal
from engine.lessons import Lessons
from engine.live_model import LiveModel
from engine.saver import Snapshot
from engine.versions import Versions
from models.role import Roles
from rwkv_models.state import State
from rwkv_models.trained import Trains

log = logging.getLogger("ouroboros.recovery")


class Past:
    """Base checkpoint + journal = the model. Belongs to the owner thread, but for `wanted`."""

    def __init__(self, model: LiveModel, versions: Versions, journal: Journal, history: History, store: Checkpoints, lessons: Lessons,
                 trained_by: trained.Trained, apply: Callable[[dict], None], carry_moments: bool):
        self.model = model
        self.versions = versions
        self.journal = journal
        self.history = history
        self.store = store
        self.lessons = lessons
        self._apply = apply  # a state record of the journal
        self.carry_moments = carry_moments
        self.trained = trained_by

    def snapshot(self) -> Snapshot:
        """A copy of everything that a checkpoint holds, in host memory."""
        memory = self.lessons.memory
        parts = model_parts.take(self.model, self.carry_moments)
        parts["memory"] = {} if memory is None else {name: t.to("cpu", copy=True) for name, t in memory.named().items()}
        facts = {"version": self.versions.number, "seq": self.journal.seq, "mark": self.journal.mark(self.journal.seq),
                 "memory_version": self.lessons.memory_version, **model_parts.describe(self.model),
                 "roles": self.model.roles.describe(), "tokenizer": self.model.tokenizer.digest}
        return Snapshot(parts, facts)

    def tell(self, checkpoint: Checkpoint) -> None:
        """Note in the journal that a checkpoint was written."""
        self.journal.append({"kind": "checkpoint", "time": time.time(), "name": checkpoint.name, "folder": checkpoint.folder.name,
                             "of": checkpoint.seq, "version": checkpoint.version,
                             **{name: checkpoint.describe()[name] for name in ("bytes", "sha256")}})

    def wanted(self) -> set[str]:
        """Folders of checkpoints that the journal names: a replay needs them."""
        return {record["checkpoint"] for record in list(self.journal.records) if record["kind"] == "load"}

    def load(self, name: str) -> Checkpoint:
        """Go back to a checkpoint by name: found to fit, then written in the journal, then done."""
        checkpoint = self.store.find(name)
        if not self._belongs(checkpoint):
            raise BadRequest(f"name: the checkpoint {name} was made after another course of lessons than this journal's", "name")
        put = self._fitting(checkpoint)
        record = self.journal.append({"kind": "load", "time": time.time(), "checkpoint": checkpoint.folder.name,
                                      "version": checkpoint.version})
        self.history.note(record)
        put()
        self.versions.digest = self.model.digest()
        return checkpoint

    def recover(self) -> Checkpoint | None:
        """The newest checkpoint that verifies, then every lesson of the journal that it does not contain.

        Returns the checkpoint that the weights stand on. ValueError in one sentence where the folder is another model's.
        """
        digest, wish = self.model.digest(own=True), self.model.trains
        if not self.journal.seq:
            self.journal.append({"kind": "base", "time": time.time(), "model": self.model.name, "digest": digest,
                                 "trains": asdict(wish),
                                 "roles": self.model.roles.describe(), "tokenizer": self.model.tokenizer.digest})
        base = self.journal.records[0]
        if base["digest"] != digest:
            raise ValueError(f"{self.journal.path.parent} holds what was taught to another model ({base['model']}); "
                             "choose another folder with --data")
        difference = self.model.roles.difference(Roles.from_description(base["roles"]))
        if difference:
            raise ValueError(f"{self.journal.path.parent} was taught under other roles: {difference}")
        trains = _trains(base, wish)
        if trains != wish:
            self.model.switch(trains)
        current, put = self._newest()
        start, replayed = 0 if current is None else current.seq, 0
        for record in self.journal.records:
            if record["seq"] > start and put is not None:
                put = put()
            self.history.note(record)
            if record["kind"] == "lesson":
                self.lessons.remember(record)
            elif record["kind"] == "retract":
                self.lessons.earlier.retract(record["lesson"])
            if record["seq"] > start and record["kind"] == "load":
                current = self._named(record["checkpoint"])
                self._fitting(current)()
            elif record["seq"] > start and record["kind"] == "lesson":
                self.lessons.replay(record)
                replayed += 1
            elif record["seq"] > start and record["kind"] in trained.KINDS:
                self._apply(record)
            if record["kind"] == "state" and (record["seq"] > start or record["of"] == "infer"):
                self._apply(record)
        if put is not None:
            put()
        self._follow_config(wish)
        self.versions.digest = self.model.digest()
        log.info("version=%d checkpoint=%s replayed=%d", self.versions.number, current.name if current else "none", replayed)
        return current

    def _follow_config(self, wish: Trains) -> None:
        """Where the config script asks for something else to be trained than it did at the last start, that is trained now."""
        asked = [r for r in self.journal.records if r["kind"] == "base" or (r["kind"] == "trains" and r["by_config"])]
        if _trains(asked[-1], wish) != wish:
            record = self.trained.train(asdict(wish), by_config=True)
            self.history.note(record)
            self._apply(record)

    def _newest(self) -> tuple[Checkpoint, Callable[[], None]] | tuple[None, None]:
        """The newest checkpoint of this journal that can be used, and what makes it the present; each that cannot is named in the log."""
        for checkpoint in self.store.list():
            problem = checkpoint.verify() if self._belongs(checkpoint) else "it was made after another course of lessons"
            if problem is None:
                try:
                    return checkpoint, self._fitting(checkpoint)
                except ValueError as error:
                    problem = error
            log.warning("checkpoint=%s passed over: %s", checkpoint.folder.name, problem)
        return None, None

    def _belongs(self, checkpoint: Checkpoint) -> bool:
        """Whether it was made in the course of this very journal: cut or put back from a copy, a journal goes other ways."""
        seq = checkpoint.seq
        return 1 <= seq <= self.journal.seq and checkpoint.manifest.get("mark") == self.journal.mark(seq)

    def _named(self, folder: str) -> Checkpoint:
        checkpoint = next((c for c in self.store.list() if c.folder.name == folder), None)
        problem = f"{self.store.folder / folder} is missing" if checkpoint is None else checkpoint.verify()
        if problem:
            raise ValueError(f"the journal goes back to the checkpoint {folder}, which cannot be used: {problem}; put it back from a copy")
        return checkpoint

    def _fitting(self, checkpoint: Checkpoint) -> Callable[[], None]:
        """Find out whether it fits this program; the returned function makes it the present, and cannot fail.

        BadRequest where it was made under other roles or with another tokenizer, ValueError where it cannot be read or be used.
        """
        try:
            return self._putting(checkpoint)
        except (KeyError, TypeError, AttributeError, RuntimeError) as error:
            raise ValueError(f"the checkpoint {checkpoint.name} cannot be used: {str(error).splitlines()[0]}") from None

    def _putting(self, checkpoint: Checkpoint) -> Callable[[], None]:
        difference = self.model.roles.difference(Roles.from_description(checkpoint.manifest["roles"]))
        if difference:
            raise BadRequest(f"the checkpoint {checkpoint.name} was trained under other roles: {difference}", "name")
        if checkpoint.manifest["tokenizer"] != self.model.tokenizer.digest:
            raise BadRequest(f"the checkpoint {checkpoint.name} was trained with another tokenizer", "name")
        kept, device = checkpoint.part("memory"), self.model.device
        memory = State.from_named({name: t.to(device) for name, t in kept.items()}) if kept else None
        if memory is not None and not memory.fits(self.model.network.zero_state(1)):
            raise ValueError(f"the training memory of the checkpoint {checkpoint.name} is of a network of another shape")
        parts = {part: checkpoint.part(part) for part in ("model", "adapters", "optimizer")}
        put_weights = model_parts.putting(self.model, parts, checkpoint.manifest, checkpoint.folder)

        def put() -> None:
            put_weights()
            self.versions.number = checkpoint.version
            self.versions.moved()
            self.lessons.go_back(checkpoint.seq, memory, checkpoint.manifest["memory_version"])

        return put


def _trains(record: dict, otherwise: Trains) -> Trains:
    """What a record says is trained."""
    return model_parts.trains_of(record["trains"]) if "trains" in record else otherwise
