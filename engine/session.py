"""Sessions: conversations with a name. Their messages are kept on disk; their states (`StateCache`) can be made again.

Turns are counted from 1. A turn is what the person added and what the model answered.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from pathlib import Path

import orjson

from engine.atomic import remove_unfinished, sync, write_file
from engine.checkpoints import checked_name
from engine.disk import disk_error
from engine.errors import BadRequest, Conflict, NotFound

log = logging.getLogger("ouroboros.sessions")


@dataclass(frozen=True)
class Turn:
    """One exchange. `tokens` are all that the model read and wrote in it, so that its state can be made again exactly."""

    messages: tuple[dict, ...]
    answer: str
    tokens: tuple[int, ...]
    versions: tuple[int, int]
    finish_reason: str
    opening: int = 0
    """How many of the tokens stand before its messages: those that the conversation began with."""

    def describe(self, number: int) -> dict:
        """What GET /sessions/<name> tells of it."""
        return {"turn": number, "messages": list(self.messages), "answer": self.answer, "versions": list(self.versions),
                "finish_reason": self.finish_reason}


@dataclass
class Session:
    """A conversation; `busy` while an answer is being written into it."""

    name: str
    turns: list[Turn] = field(default_factory=list)
    busy: bool = False
    start: int = 0
    """The record of the journal whose state the first turn begins from; 0 is the empty state."""

    def turn(self, number: int) -> Turn:
        """Turn `number`, from 1."""
        if not 1 <= number <= len(self.turns):
            raise BadRequest(f"turn: the session {self.name} has turns 1 to {len(self.turns)}, got {number}", "turn")
        return self.turns[number - 1]

    def tokens(self, turns: int) -> list[int]:
        """All tokens of its first `turns` turns."""
        return [t for turn in self.turns[:turns] for t in turn.tokens]

    def messages(self, turns: int, answering_role: str) -> list[dict]:
        """Its first `turns` turns as messages."""
        return [m for turn in self.turns[:turns] for m in (*turn.messages, {"role": answering_role, "text": turn.answer})]


class Sessions:
    """All sessions, each a JSON file `NAME.json` in one folder, replaced whole after each turn."""

    def __init__(self, folder: Path):
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        remove_unfinished(folder)
        self._by_name: dict[str, Session] = {}
        for path in sorted(folder.glob("*.json")):
            try:
                data = orjson.loads(path.read_bytes())
                start = data.get("start", 0)
                usual = 0 if start else 1  # where a file does not say it: the template's [0]
                turns = [Turn(tuple(t["messages"]), t["answer"], tuple(t["tokens"]), tuple(t["versions"]), t["finish_reason"],
                              t.get("opening", 0 if number else usual)) for number, t in enumerate(data["turns"])]
                self._by_name[path.stem] = Session(path.stem, turns, start=start)
            except (OSError, ValueError, KeyError, TypeError) as error:
                log.warning("session=%s ignored: its file is not readable (%s)", path, error)

    def __iter__(self):
        return iter(list(self._by_name.values()))

    def get(self, name: str) -> Session:
        """The session of that name."""
        if name not in self._by_name:
            raise NotFound(f"there is no session {name}", "session")
        return self._by_name[name]

    def find(self, name: str) -> Session:
        """The session of that name, or a new one, which is known from `begin` or `store` on."""
        return self._by_name.get(checked_name(name, "session")) or Session(name)

    def create(self, name: str, turns: list[Turn], start: int) -> Session:
        """A new session with these turns and that start; its name must be free."""
        if checked_name(name, "as") in self._by_name:
            raise Conflict(f"as: there is a session {name} already", "as")
        session = Session(name, start=start)
        self.store(session, turns)
        return session

    def begin(self, session: Session) -> None:
        """An answer is being written into it."""
        session.busy = True
        self._by_name[session.name] = session

    def end(self, session: Session) -> None:
        """The answer is there, or will not come; a session that never had one is none."""
        session.busy = False
        if not session.turns:
            self._by_name.pop(session.name, None)

    def store(self, session: Session, turns: list[Turn]) -> None:
        """Give a session these turns: on the disk first, then in memory. EngineError where the disk refuses."""
        rows = [{"messages": t.messages, "answer": t.answer, "tokens": t.tokens, "versions": t.versions,
                 "finish_reason": t.finish_reason, "opening": t.opening} for t in turns]
        data = orjson.dumps({"start": session.start, "turns": rows})
        try:
            write_file(self.folder / f"{session.name}.json", data)
        except OSError as error:
            raise disk_error(f"the session {session.name}", error, self.folder, len(data)) from None
        session.turns[:] = turns
        self._by_name[session.name] = session

    def rename(self, name: str, new: str) -> None:
        """Another name for a session, which must be free. EngineError where the disk refuses."""
        session = self.get(name)
        if checked_name(new, "as") in self._by_name:
            raise Conflict(f"as: there is a session {new} already", "as")
        if session.busy:
            raise Conflict(f"session: {name} is writing an answer, rename it when it is there", "session")
        try:
            (self.folder / f"{name}.json").rename(self.folder / f"{new}.json")
            sync(self.folder)
        except OSError as error:
            raise disk_error(f"the session {name}", error, self.folder, 0) from None
        self._by_name = {new if each == name else each: kept for each, kept in self._by_name.items()}
        session.name = new

    def delete(self, name: str) -> None:
        """Forget a session."""
        if self.get(name).busy:
            raise Conflict(f"session: {name} is writing an answer, delete it when it is there", "session")
        (self.folder / f"{name}.json").unlink(missing_ok=True)
        del self._by_name[name]
