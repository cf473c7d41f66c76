"""What requests about sessions do. On the owner thread, all of it; what is said and replaced is told in the journal."""

from __future__ import annotations

import time

from engine.conversations import Conversations
from engine.errors import BadRequest, Conflict
from engine.jobs import Jobs
from engine.journal import Journal
from engine.lessons import Lessons
from engine.options import InferOptions, TrainOptions
from engine.session import Sessions, Turn
from engine.ticket import Ticket


class SessionActs:
    """Sessions branched, renamed, edited, answered again, corrected, forgotten."""

    def __init__(self, conversations: Conversations, sessions: Sessions, lessons: Lessons, jobs: Jobs, journal: Journal):
        self._conversations = conversations
        self._sessions = sessions
        self._lessons = lessons
        self._jobs = jobs
        self._journal = journal
        self._role = conversations.model.roles.answering.name

    def list(self) -> list[dict]:
        """All sessions in brief."""
        return [{"session": s.name, "turns": len(s.turns), "versions": [list(t.versions) for t in s.turns]} for s in self._sessions]

    def describe(self, name: str) -> dict:
        """One session, whole."""
        session = self._sessions.get(name)
        turns = list(session.turns)
        return {"session": name, "turns": [t.describe(i) for i, t in enumerate(turns, 1)],
                "messages": session.messages(len(turns), self._role)}

    def rename(self, name: str, new: str) -> dict:
        """The same session under another name."""
        self._sessions.rename(name, new)
        try:
            self._journal.append({"kind": "rename", "time": time.time(), "session": new, "from": name})
        except BaseException:
            self._sessions.rename(new, name)
            raise
        return {"session": new, "from": name}

    def delete(self, name: str) -> dict:
        """Forget a session; what was said in it stays a fact."""
        self._sessions.delete(name)
        self._journal.append({"kind": "forget", "time": time.time(), "session": name})
        return {"session": name, "deleted": True}

    def branch(self, name: str, turn: int, as_name: str) -> dict:
        """A new session that shares the first `turn` turns; their states are shared too."""
        session = self._sessions.get(name)
        if turn:
            session.turn(turn)
        self._sessions.create(as_name, session.turns[:turn], session.start)
        self._journal.append({"kind": "branch", "time": time.time(), "session": as_name, "from": name, "turn": turn})
        return {"session": as_name, "turns": turn, "from": name}

    def regenerate(self, ticket: Ticket, name: str, turn: int, options: InferOptions) -> None:
        """Answer a turn again; later turns go when it is there."""
        self.edit(ticket, name, turn, list(self._sessions.get(name).turn(turn).messages), options)

    def edit(self, ticket: Ticket, name: str, turn: int, messages: list[dict], options: InferOptions) -> None:
        """Answer other messages in the place of a turn's; it and later turns go when the answer is there."""
        session = self._sessions.get(name)
        session.turn(turn)
        self._conversations.ask(ticket, session, turn - 1, messages, options)

    def correct(self, ticket: Ticket, name: str, turn: int, text: str, train: bool, options: TrainOptions, key: str | None,
                given: set[str]) -> None:
        """Replace an answer by what it should have been and, with `train`, teach it."""
        session = self._sessions.get(name)
        old = session.turn(turn)
        if not text.strip():
            raise BadRequest("text: a correction needs words", "text")
        if session.busy:
            raise Conflict(f"session: {name} is writing an answer, correct it when it is there", "session")
        place = {"session": name, "turn": turn}
        if not train:
            self._put(name, turn, old, text)
            ticket.finish({**place, "corrected": True})
            return
        context = [m | {"no_loss": True} for m in (*session.messages(turn - 1, self._role), *old.messages) if m["text"].strip()]
        rejected = {"rejected": old.answer} if old.answer.strip() else {}
        messages = [*context, {"role": self._role, "text": text, **rejected}]
        source = {"messages": messages} | self._conversations.context(session)
        said, again = self._lessons.said(key), False
        if said is not None and [said.get("session"), said.get("turn")] == [name, turn] and said["source"]["messages"][-1]["text"] == text:
            source, again = said["source"], True  # sent again, and the turn may read by now as that lesson made it
        job = self._jobs.of_source(source, options, given, key, session=name, turn=turn, rejected=old.answer)

        def put() -> dict:
            """Only when it is learned, and only if the turn is still the one that was corrected."""
            same = not session.busy and turn <= len(session.turns) and session.turns[turn - 1] is old
            if same:
                self._put(name, turn, old, text, lesson=job.facts["id"])
            return {"corrected": same}

        job.extra, job.on_learned = place | {"corrected": again and old.answer == text}, put
        self._lessons.add(ticket, job)

    def _put(self, name: str, turn: int, old: Turn, text: str, **more) -> None:
        told = {"session": name, "turn": turn, "text": text, "was": old.answer, **more}
        self._journal.append({"kind": "correction", "time": time.time(), **told})
        self._conversations.corrected(self._sessions.get(name), turn, text)
