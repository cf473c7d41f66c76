"""What was taught, asked of the lesson store. May be used from any thread."""

from __future__ import annotations

from engine.errors import BadRequest
from engine.jobs import lessons_of
from engine.journal import Journal
from engine.store_follower import StoreFollower
from models.export import export
from models.loss_words import loss_words
from models.role import Roles
from models.store_history import history
from models.store_lessons import lessons

PATIENCE = 10.0
"""Seconds to wait for the store to have what is in the journal; after that, an answer is of what it has."""


class Taught:
    """Lessons in the order of time, their histories, queries in SPARQL, and files made of them."""

    def __init__(self, store: StoreFollower, journal: Journal, roles: Roles):
        self._store = store
        self._journal = journal
        self._roles = roles

    def lessons(self, asked: dict) -> list[dict]:
        """The lessons that fit (models.store_lessons.lessons), each with its loss in words."""
        rows = self._read(lambda store: lessons(store, **asked))
        return [row | {"words": loss_words(row["loss_before"], row["loss_now"])} for row in rows]

    def history(self, asked: dict) -> list[dict]:
        """All that happened to a lesson, a session, or a turn of one (models.store_history.history)."""
        return self._read(lambda store: history(store, **asked))

    def moment(self, as_of: str) -> int:
        """The record of the journal that a moment is just after. BadRequest where the model was not here yet."""
        seq = self._read(lambda store: store.moment(as_of))
        if not seq:
            raise BadRequest(f"as_of: {as_of[:80]} is before all that was taught here; version 0 is the model as it came", "as_of")
        return seq

    def query(self, text: str, format: str) -> tuple[str, bytes]:  # noqa: A002
        """The answer to a SPARQL query: its media type and its bytes."""
        self._wait()
        return self._store.query(text, format)

    def export(self, form: str, asked: dict) -> dict:
        """The lessons that fit, as a file of that form; and what of them the form cannot carry, by lesson."""
        ids = {row["lesson"] for row in self._read(lambda store: lessons(store, **asked, limit=10**9))}
        found = [(r["id"], lesson) for r in self._journal.records if r["kind"] == "lesson" and r["id"] in ids
                 for lesson in lessons_of(r["source"])]
        try:
            made = export([lesson for _, lesson in found], form, self._roles)
        except ValueError as error:
            raise BadRequest(str(error), "form") from None
        return {"form": form, "suffix": made.suffix, "lessons": made.lessons, "content": made.content.decode(),
                "losses": [{"lesson": found[loss.lesson - 1][0], "message": loss.message} for loss in made.losses]}

    def _read(self, ask):
        self._wait()
        return self._store.read(ask)

    def _wait(self) -> None:
        """For what was acknowledged before this question was asked."""
        self._store.caught_up(self._journal.seq, PATIENCE)
