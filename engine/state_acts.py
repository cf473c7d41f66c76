"""What a request to /state does, and what a state record of the journal does at the start. On the owner thread, between two lessons."""

from __future__ import annotations

from engine.conversations import Conversations
from engine.errors import Conflict, EngineError
from engine.history import History
from engine.learner import Learner
from engine.session import Sessions
from engine.states import States
from engine.ticket import Ticket
from engine.versions import Versions
from rwkv_models.state import State


class StateActs:
    """The training memory (kind "train") and the beginning of chats ("infer"): saved, loaded, reset."""

    def __init__(self, states: States, conversations: Conversations, sessions: Sessions, learner: Learner, versions: Versions,
                 history: History):
        self.states = states
        self.conversations = conversations
        self.sessions = sessions
        self.learner = learner
        self.versions = versions
        self.history = history

    def change(self, ticket: Ticket, body: dict) -> None:
        """Load or reset, by way of the journal."""
        record = self.states.record(**body)
        self.history.note(record)
        self.apply(record)
        ticket.finish({"kind": body["kind"], "action": body["action"], "name": body.get("name"), "version": record.get("version")})

    def reset_memory(self) -> None:
        """Forget the training memory, where there is one."""
        if self.learner.memory is not None:
            record = self.states.record("train", "reset")
            self.history.note(record)
            self.apply(record)

    def apply(self, record: dict) -> None:
        """Do what a record says."""
        if record["of"] == "train":
            self.learner.remember(record)
        else:
            self.conversations.start = self.states.start(record)

    def save(self, ticket: Ticket, body: dict) -> None:
        """Keep the training memory, or the state after the last turn of a session, which may have to be read first."""
        name = body["name"]
        if body["kind"] == "train":
            if self.learner.memory is None:
                raise Conflict("kind: there is no training memory: teach a lesson with keep_state first", "kind")
            self._keep(ticket, name, self.learner.memory, "train", self.learner.memory_version, None)
            return
        session = self.sessions.get(body["session"]) if "session" in body else self.conversations.latest
        if session is None or not session.turns:
            raise Conflict("session: no session was answered since the start, name one", "session")
        tokens = None if session.start else tuple(session.tokens(len(session.turns)))

        def keep(state: State | None) -> None:
            try:
                if state is None:
                    raise EngineError("the state could not be made; see the server's log")
                self._keep(ticket, name, state, "infer", self.versions.number, tokens)
            except EngineError as error:
                ticket.fail(error)

        self.conversations.read(Ticket("reading"), session, keep)

    def describe(self) -> dict:
        """The states on disk, and what the training memory and the beginning of chats are now."""
        start, memory = self.conversations.start, self.learner.memory
        return {"states": [file.describe() for file in self.states.files.list()],
                "train": None if memory is None else {"version": self.learner.memory_version},
                "infer": None if start is None else start.describe()}

    def _keep(self, ticket: Ticket, name: str, state: State, kind: str, version: int, tokens: tuple[int, ...] | None) -> None:
        file = self.states.files.keep(name, state, kind, version, tokens)
        ticket.finish({"kind": kind, "action": "save", **file.describe()})
