"""What was taught already, so that a set can be told which of its lessons are there: the same, nearly so, or answered otherwise."""

from __future__ import annotations

import threading

from engine.datasets import LessonSet
from engine.jobs import lessons_of
from engine.journal import Journal
from models.duplicates import Duplicates


class Known:
    """The lessons of the journal as `models.duplicates` compares them. May be used from any thread."""

    def __init__(self, journal: Journal):
        self._journal = journal
        self._taught = Duplicates()
        self._seen = 0
        self._guard = threading.Lock()

    def duplicates(self, found: LessonSet) -> list[dict]:
        """What lessons of a set are to earlier ones: of it (by `line`, and `file` where it has several) or taught (by `lesson`)."""
        self._catch_up()
        seen, several = Duplicates(self._taught), len(found.files) > 1
        told = []
        for file, lessons in zip(found.files, found.lessons, strict=True):
            for lesson in lessons:
                place = {"line": lesson.line, **({"file": file.name} if several else {})}
                for finding in seen.add(tuple(place.items()), lesson):
                    of = {"lesson": finding.of} if isinstance(finding.of, str) else dict(finding.of)
                    told.append({**place, "kind": finding.kind, "of": of, "similarity": round(finding.similarity, 2)})
        return told

    def _catch_up(self) -> None:
        with self._guard:
            records = self._journal.records[self._seen :]
            self._seen += len(records)
            for record in records:
                if record["kind"] == "lesson" and "dataset" not in record["source"]:
                    for lesson in lessons_of(record["source"]):
                        self._taught.add(record["id"], lesson)
