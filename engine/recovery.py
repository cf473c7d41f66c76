"""The weights of other moments: how a start finds the present again, and how one goes back, or looks back.

Base checkpoint + journal = the model. Every moment is a path of records; it is reached from the nearest copy of the weights on
that path (in memory, or a checkpoint on disk, or the base model) by learning again what follows it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from engine import model_parts
from engine.checkpoints import PARTS, Checkpoint, Checkpoints
from engine.errors import Conflict, NotFound
from engine.history import History, lessons_of
from engine.journal import Journal
from engine.learner import Learner, NotLearned, Snapshot
from engine.lessons import Lessons
from engine.recent import Recent
from engine.saver import Saver
from engine.spare import Spare
from models.course import Link, contains, depth, path
from models.role import Roles
from rwkv_models.trained import Trains

log = logging.getLogger("ouroboros.recovery")


@dataclass(frozen=True)
class Source:
    """A copy of the weights at a link that was found to fit; `put` puts it in place, and cannot fail."""

    link: Link
    put: Callable[[], None]
    origin: Path


class Past:
    """Belongs to the owner thread, but for `wanted`."""

    def __init__(self, learner: Learner, journal: Journal, history: History, store: Checkpoints, recent: Recent, lessons: Lessons,
                 apply: Callable[[dict], None], changed: Callable[[], None], carry_moments: bool, settings: dict):
        self.learner = learner
        self.journal = journal
        self.history = history
        self.store = store
        store.belongs = self._belongs
        self.recent = recent
        self.lessons = lessons
        self.carry_moments = carry_moments
        self.spare: Spare | None = None
        self.saver: Saver | None = None
        self._apply = apply  # a state record of the journal
        self._changed = changed  # the weights answer otherwise than before
        self._settings = settings  # of the config script, told by each checkpoint
        self._unusable: set[str] = set()  # checkpoints that were passed over, by the digests of their manifests

    # -- copies

    def snapshot(self) -> Snapshot:
        """A copy of everything that a checkpoint holds."""
        taken, seq = self.learner.take(self.carry_moments), self.journal.seq
        return Snapshot(taken.parts, {"version": self.history.version(seq), "seq": seq, "mark": self.journal.mark(seq), **taken.facts,
                                      "config": self._settings})

    def keep(self) -> None:
        """The weights are those of a version: keep them in memory, where there is room, and on the disk, when that is due."""
        copies = 3 if self.carry_moments else 1
        about = copies * sum(p.numel() * p.element_size() for p in self.learner.model.network.parameters())
        self.recent.keep(self.history.end(), about, lambda: self.learner.take(self.carry_moments))
        self.saver.due(self.standing_on()[1])

    def tell(self, checkpoint: Checkpoint) -> None:
        """Note in the journal that a checkpoint was written."""
        self.journal.append({"kind": "checkpoint", "time": time.time(), "name": checkpoint.name, "folder": checkpoint.folder.name,
                             "of": checkpoint.seq, "version": checkpoint.version,
                             **{name: checkpoint.describe()[name] for name in ("bytes", "sha256")}})

    def nearest(self, end: Link, learner: Learner, after: Link | None = None) -> Source | None:
        """The copy for a learner that lies nearest before a link, or on it: the fewest lessons are to be learned again from there. None
        where none lies after `after`, on the same way. Checkpoints that cannot be used are named in the log and passed over."""
        recent = self.recent.nearest(end)
        if recent is not None and recent[0].depth <= depth(after):
            recent = None
        least = depth(after) if recent is None else recent[0].depth
        known = [(link, c) for c in self.store.list() if (link := self._link(c)) is not None and contains(end, link)]
        for link, checkpoint in sorted(known, key=lambda each: each[0].depth, reverse=True):
            if link.depth <= least:
                break
            problem = checkpoint.verify()
            if problem is None:
                try:
                    return Source(link, self._putting(checkpoint, link, learner), checkpoint.folder)
                except ValueError as error:
                    problem = error
            log.warning("checkpoint=%s passed over: %s", checkpoint.folder.name, problem)
            self._unusable.add(checkpoint.manifest["digest"])
        return recent and Source(recent[0], learner.putting(recent[1], lessons_of(recent[0]), Path("memory")), Path("memory"))

    def _putting(self, checkpoint: Checkpoint, link: Link, learner: Learner) -> Callable[[], None]:
        """What makes a learner a checkpoint. BadRequest where that was made under other roles or with another tokenizer, ValueError
        where it cannot be read or be used."""
        try:
            snapshot = Snapshot({part: checkpoint.part(part) for part in PARTS}, checkpoint.manifest)
            return learner.putting(snapshot, lessons_of(link), checkpoint.folder)
        except (KeyError, TypeError, AttributeError, RuntimeError) as error:
            raise ValueError(f"the checkpoint {checkpoint.name} cannot be used: {str(error).splitlines()[0]}") from None

    def standing_on(self) -> tuple[Checkpoint | None, int]:
        """The newest checkpoint on the way to the present weights that was not found damaged, and how many lessons came after it."""
        end = self.history.end()
        known = [(c, self._link(c)) for c in self.store.list() if c.manifest["digest"] not in self._unusable]
        on_the_way = [(c, link) for c, link in known if link is not None and contains(end, link)]
        if not on_the_way:
            return None, len(lessons_of(end))
        checkpoint, link = max(on_the_way, key=lambda each: (each[1].depth, each[0].seq))
        return checkpoint, sum(each.item["kind"] == "lesson" for each in path(end, link))

    def _link(self, checkpoint: Checkpoint) -> Link | None:
        """What the checkpoint is a copy of; None where it was made in the course of another journal: cut or put back from a copy, a
        journal goes other ways."""
        return self.history.end(checkpoint.seq) if self._belongs(checkpoint) else None

    def _belongs(self, checkpoint: Checkpoint) -> bool:
        """Whether it was made in the course of this journal. From any thread."""
        return 1 <= checkpoint.seq <= self.journal.seq and checkpoint.manifest.get("mark") == self.journal.mark(checkpoint.seq)

    # -- learning again

    def relearn(self, learner: Learner, start: Link | None, end: Link) -> Iterator[None]:
        """Do again what lies between two links, with the lessons rehearsed that were rehearsed then."""
        retracted = [record for record in self.journal.records if record["kind"] == "retract"]
        for link in path(end, start):
            for record in retracted:
                if record["seq"] < link.at:
                    learner.earlier.retract(record["lesson"])
            try:
                yield from learner.again(link.item)
            except NotLearned as error:
                if link.at == link.item["seq"]:
                    raise
                log.warning("%s, now that a lesson ahead of it is gone", error)
        last, copied = end.item, start is end
        if not copied and last["kind"] == "lesson" and end.at == last["seq"] and last["digest"] != learner.model.digest():
            log.warning("lesson=%s relearned=other-digest: another machine or library learned it; the lessons hold, their bits differ",
                        last["id"])

    # -- the start

    def recover(self) -> None:
        """The nearest checkpoint that verifies, then every lesson of the journal that it does not contain.

        ValueError in one sentence where the folder is another model's.
        """
        model = self.learner.model
        digest, wish = model.digest(own=True), model.trains
        if not self.journal.seq:
            if left := self.store.list():
                raise ValueError(f"{self.journal.path} is empty, and {left[0].folder} was made after lessons that it had: put it back from "
                                 "a copy, or choose another folder with --data")
            self.journal.append({"kind": "base", "time": time.time(), "model": model.name, "digest": digest, "trains": asdict(wish),
                                 "roles": model.roles.describe(), "tokenizer": model.tokenizer.digest})
        base = self.journal.records[0]
        if base["digest"] != digest:
            folder = self.journal.path.parent
            raise ValueError(f"{folder} holds what was taught to another model ({base['model']}); choose another folder with --data, and "
                             f"teach it what `python -m engine.export_lessons {folder} FILE.jsonl` writes")
        difference = model.roles.difference(Roles.from_description(base["roles"]))
        if difference:
            raise ValueError(f"{self.journal.path.parent} was taught under other roles: {difference}")
        beginning = None  # of chats: only the last counts
        for record in self.journal.records:
            self.history.note(record)
            if record["kind"] == "lesson":
                self.lessons.remember(record)
            elif record["kind"] == "state" and record["of"] == "infer":
                beginning = record
        if beginning is not None:
            self._apply(beginning)
        self.begin(self.learner)
        end = self.history.end()
        source = self.nearest(end, self.learner)
        if source is not None:
            source.put()
        start = None if source is None else source.link
        for _ in self.relearn(self.learner, start, end):
            pass
        for record in self.journal.records:
            if record["kind"] == "retract":
                self.learner.earlier.retract(record["lesson"])
        self._follow_config(wish)
        self._changed()
        log.info("version=%d checkpoint=%s replayed=%d", self.history.version(), source.origin.name if source else "none",
                 sum(link.item["kind"] == "lesson" for link in path(end, start)))

    def begin(self, learner: Learner) -> None:
        """A learner that was just made trains what was trained when the journal began."""
        trains = _trains(self.journal.records[0], learner.model.trains)
        if trains != learner.model.trains:
            learner.model.switch(trains)

    def _follow_config(self, wish: Trains) -> None:
        """Where the config script asks for something else to be trained than it did at the last start, that is trained now."""
        asked = [r for r in self.journal.records if r["kind"] == "base" or (r["kind"] == "trains" and r["by_config"])]
        if _trains(asked[-1], wish) != wish:
            record = self.learner.trained.train(asdict(wish), by_config=True)
            self.history.note(record)
            self._apply(record)

    # -- going back

    def load(self, name: str, version: int | None = None) -> Checkpoint:
        """Go back to a checkpoint by name: found to fit, then written in the journal, then done."""
        checkpoint = self.store.find(name, version)
        put = self._putting(checkpoint, self._link(checkpoint), self.learner)
        self._go({"kind": "load", "checkpoint": checkpoint.folder.name, "version": checkpoint.version}, put, _nothing)
        return checkpoint

    def rollback(self, version: int) -> Generator[None, None, dict]:
        """The weights of a version again, to the bit, and what the next lesson depends on. Yields between steps."""
        seq = self.history.moment(version)
        if seq is None:
            raise NotFound(f"version: the weights never had version {version}", "version")
        end, had = self.history.end(seq), lessons_of(self.history.end())
        if end is not self.history.end():
            put, back = yield from self._prepared(end)
            self._go({"kind": "rollback", "to": seq, "version": version}, put, back)
        ids = {record["id"] for record in lessons_of(end)}
        return {"version": version, "left": [record["id"] for record in had if record["id"] not in ids]}

    def undo(self, lesson: str) -> Generator[None, None, dict]:
        """Take one lesson out of the weights: those after it are learned again without it. Yields between steps."""
        if not any(record["id"] == lesson for record in self.history.lessons()):
            raise Conflict(f"lesson: {lesson} is not in the weights", "lesson")
        end = self.history.undone(lesson, self.journal.seq + 2**32)  # later than every record: all that was retracted by now is
        put, back = yield from self._prepared(end)
        version = self.history.last + 1
        self._go({"kind": "undo", "lesson": lesson, "version": version}, put, back)
        return {"lesson": lesson, "version": version, "relearned": sum(link.at != link.item["seq"] for link in path(self.history.end()))}

    def _prepared(self, end: Link) -> Generator[None, None, tuple[Callable[[], None], Callable[[], None]]]:
        """The weights of a link, ready: what puts them in place, and what takes them back if that cannot be written down."""
        source = self.nearest(end, self.learner)
        if source is not None and source.link is end:
            return source.put, _nothing
        lessons = lessons_of(end)
        if self.spare.has_room():
            other = yield from self.spare.become(end, self)
            put = self.learner.putting(other.take(self.carry_moments), lessons, Path("memory"))
            self.spare.release()
            return put, _nothing
        if source is None:
            raise Conflict("version: no checkpoint lies on the way to it, and there is no memory for a second model", "version",
                           code="memory")
        # In place, and without a pause: nobody may be answered with weights that are on their way.
        had = self.learner.earlier.retracted.copy()
        back = self.learner.putting(self.learner.take(moments=True), self.history.lessons(), Path("memory"))

        def undo() -> None:
            self.learner.earlier.retracted |= had
            back()
            self._changed()

        try:
            self.learner.earlier.retracted.clear()
            source.put()
            for _ in self.relearn(self.learner, source.link, end):
                pass
        except BaseException:
            undo()
            raise
        for id in had:
            self.learner.earlier.retract(id)
        return _nothing, undo

    def _go(self, record: dict, put: Callable[[], None], back: Callable[[], None]) -> None:
        """Write down that the weights are others now, and make them so."""
        try:
            record = self.journal.append({**record, "time": time.time()})
        except BaseException:
            back()
            raise
        self.history.note(record)
        put()
        self._changed()
        self.keep()


def _nothing() -> None:
    """What is in place, or was not touched, needs nothing."""


def _trains(record: dict, otherwise: Trains) -> Trains:
    """What a record says is trained."""
    return model_parts.trains_of(record["trains"]) if "trains" in record else otherwise
