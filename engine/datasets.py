"""Files of lessons: found under the data folder or sent, read, and remembered by name."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from engine.archive import Archive
from engine.errors import BadRequest, EngineError, NotFound
from engine.jobs import samples_of
from models.dataset import read
from models.lesson import Lesson
from models.problem import Problem
from models.template import Template

OWN = ("token", "journal", "journal.torn", "checkpoints", "sessions", "states", "adapters", "sets", "store", "spilled")
"""What the program itself writes under the data folder: no lesson is in it."""
SUFFIXES = (".org", ".jsonl", ".json", ".ndjson", ".txt", ".md")


@dataclass(frozen=True)
class SetFile:
    """One file of a set."""

    name: str
    content: bytes
    format: str = "auto"
    path: Path | None = None
    """Where it lies, if it is one of the person's files."""


@dataclass(frozen=True)
class LessonSet:
    """One file or several: the lessons that can be taught, in the order of the files, and what could not be read."""

    name: str
    files: tuple[SetFile, ...]
    format: str
    form: str
    lessons: tuple[tuple[Lesson, ...], ...]
    """By file."""
    tokens: int
    problems: tuple[dict, ...]

    @property
    def sha256(self) -> str:
        """Of its contents, in hex."""
        digests = [hashlib.sha256(file.content).hexdigest() for file in self.files]
        return digests[0] if len(digests) == 1 else hashlib.sha256(" ".join(digests).encode()).hexdigest()

    @property
    def count(self) -> int:
        """How many lessons it has."""
        return sum(map(len, self.lessons))

    def describe(self) -> dict:
        """What /load_data tells of it."""
        form = {"form": self.form} if self.form else {}
        return {"dataset": self.name, "format": self.format, **form, "lessons": self.count, "tokens": self.tokens,
                "problems": list(self.problems)}


class Datasets:
    """The sets that were read since the start. May be used from any thread."""

    def __init__(self, folder: Path, template: Template):
        self._folder = folder.resolve()
        self._template = template
        self._known: dict[str, LessonSet] = {}
        self.archive = Archive(folder / "sets")

    def read(self, body: dict) -> LessonSet:
        """The set that a body of /load_data names or holds."""
        where, form = "path" if "path" in body else "content", body.get("format", "auto")
        if where == "content":
            name, files = body["name"], [SetFile(body["name"], body["content"].encode(), form)]
        else:
            name, files = self._under(body["path"], form)
        found = self.parse(name, files, where)
        self._known[name] = found
        return found

    def parse(self, name: str, files: Sequence[SetFile], where: str = "content") -> LessonSet:
        """Read files as one set. A lesson that cannot be used becomes a problem, and the rest is taken."""
        lessons, problems, tokens, formats, forms = [], [], 0, {}, {}
        for file in files:
            try:
                dataset = read(file.content, file.name, file.format, self._template.roles)
            except ValueError as error:
                raise BadRequest(f"{where}: {error}", where) from None
            faults, good = list(dataset.problems), []
            for lesson in dataset.lessons:
                try:
                    sample, = samples_of([lesson], self._template, None, "content")
                    tokens += len(sample.tokens)
                    good.append(lesson)
                except BadRequest as error:
                    faults.append(Problem(lesson.line or 0, error.message))
            named = {} if len(files) == 1 else {"file": file.name}
            problems += [{"line": p.line, "message": p.message, **named} for p in sorted(faults, key=lambda p: p.line)]
            lessons.append(tuple(good))
            formats[dataset.format] = None
            forms |= {dataset.form: None} if dataset.form else {}
        return LessonSet(name, tuple(files), ", ".join(formats), ", ".join(forms), tuple(lessons), tokens, tuple(problems))

    def keep(self, found: LessonSet) -> list[dict]:
        """Keep the contents of a set, so that a run can go on with them; what finds them again, as JSON."""
        return [{"name": file.name, "sha256": self.archive.keep(file.content), "format": file.format,
                 "path": None if file.path is None else str(file.path.relative_to(self._folder))} for file in found.files]

    def kept(self, name: str, described: Sequence[dict]) -> LessonSet:
        """The set that `keep` described; EngineError where its contents are not there any more."""
        try:
            files = [SetFile(d["name"], self.archive.read(d["sha256"]), d["format"],
                             None if d["path"] is None else self._folder / d["path"]) for d in described]
        except ValueError as error:
            raise EngineError(str(error), "resume") from None
        return self.parse(name, files)

    def paths(self, described: Sequence[dict]) -> dict[str, Path]:
        """Where the files lie that `keep` described, by their names."""
        return {d["name"]: self._folder / d["path"] for d in described}

    def list(self) -> list[dict]:
        """The sets in brief."""
        return [{"dataset": s.name, "format": s.format, "lessons": s.count, "problems": len(s.problems)}
                for s in list(self._known.values())]

    def _under(self, given: str, form: str) -> tuple[str, list[SetFile]]:
        missing = NotFound(f"path: there is no file {given} under the data folder", "path")
        try:
            path = (self._folder / given).resolve()
            if not path.is_relative_to(self._folder) or path == self._folder or self._own(path):
                raise missing
            if path.is_dir():
                inside = [p for p in sorted(path.iterdir()) if p.suffix.lower() in SUFFIXES and p.is_file() and not p.is_symlink()]
                if not inside:
                    raise BadRequest(f"path: the folder {given} holds no set; a set is a file that ends in {', '.join(SUFFIXES)}", "path")
            elif path.is_file():
                inside = [path]
            else:
                raise missing
            return path.name, [SetFile(p.name, p.read_bytes(), form, path=p) for p in inside]
        except OSError:  # a name too long, a file that may not be read
            raise missing from None

    def _own(self, path: Path) -> bool:
        first = path.relative_to(self._folder).parts[0]
        return first.startswith(".") or first in OWN
