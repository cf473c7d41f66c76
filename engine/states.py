"""States by name: the training memory and the beginning of chats, saved, loaded, mixed, faded and reset.

The training memory is where the next lesson with `keep_state` begins. The start is where a new conversation begins. Both are
moved by records of the journal, so that they are after a restart what they were. A file holds one state and the version of
the weights that made it, and is never changed: records hold its SHA-256. The newest of a name counts.
"""

from __future__ import annotations

import logging
import re
import time
from dataclasses import dataclass
from pathlib import Path

import orjson
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from engine.atomic import remove_unfinished, write_file
from engine.checkpoints import checked_name, sha256_of
from engine.disk import disk_error
from engine.errors import Conflict, EngineError, NotFound
from rwkv_models.state import State
from rwkv_models.weights_file import WeightsError, read_tensors

log = logging.getLogger("ouroboros.states")
FILE = re.compile(r"(?P<name>.+)@(?P<number>\d+)\.safetensors")


@dataclass(frozen=True)
class Start:
    """Where conversations begin: after `tokens` (read again under the weights of the day), or else in `state` as it is.

    `seq` is the record of the journal that made it so.
    """

    seq: int
    version: int
    state: State | None
    tokens: tuple[int, ...] | None

    def describe(self) -> dict:
        """What GET /state tells of it."""
        return {"version": self.version, "tokens": None if self.tokens is None else len(self.tokens)}


@dataclass(frozen=True)
class StateFile:
    """One kept state."""

    path: Path
    name: str
    number: int
    facts: dict

    def describe(self) -> dict:
        """What GET /state tells of it."""
        tokens = self.facts["tokens"]
        return {"name": self.name, "kind": self.facts["kind"], "version": self.facts["version"], "time": self.facts["time"],
                "tokens": None if tokens is None else len(tokens), "bytes": self.path.stat().st_size}

    def named(self) -> dict:
        """How a record of the journal names it."""
        return {"file": self.path.name, "sha256": sha256_of(self.path)}


class StateFolder:
    """The files of kept states, `NAME@NUMBER.safetensors`."""

    def __init__(self, folder: Path):
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        remove_unfinished(folder)

    def list(self) -> list[StateFile]:
        """All of them, the newest first."""
        found = [file for path in self._paths() if (file := self._read(path)) is not None]
        return sorted(found, key=lambda f: f.number, reverse=True)

    def _paths(self) -> list[Path]:
        return [path for path in self.folder.glob("*@*.safetensors") if FILE.fullmatch(path.name)]

    def find(self, name: str, field: str = "name") -> StateFile:
        """The newest of that name."""
        checked_name(name, field)
        for file in self.list():
            if file.name == name:
                return file
        raise NotFound(f"{field}: there is no state {name}", field)

    def keep(self, name: str, state: State, kind: str, version: int, tokens: tuple[int, ...] | None) -> StateFile:
        """Write a state; EngineError where the disk refuses."""
        number = 1 + max((int(FILE.fullmatch(path.name)["number"]) for path in self._paths()), default=0)
        facts = {"kind": kind, "version": version, "time": time.time(), "tokens": tokens}
        path = self.folder / f"{checked_name(name)}@{number}.safetensors"
        tensors = {key: t.detach().cpu().contiguous() for key, t in state.named().items()}
        data = save(tensors, metadata={"facts": orjson.dumps(facts).decode()})
        try:
            write_file(path, data)
        except OSError as error:
            raise disk_error(f"the state {name}", error, self.folder, len(data)) from None
        return StateFile(path, name, number, facts)

    def load(self, named: dict, like: State) -> State:
        """The state that a record of the journal names, on the device of `like`, whose shapes it must have."""
        path = self._checked(named)
        try:
            state = State.from_named(read_tensors(path)).map(lambda t: t.to(like.wkv[0].device))
        except (WeightsError, ValueError) as error:
            raise EngineError(f"the state {path} cannot be used: {error}", "name") from None
        if not state.fits(like):
            raise Conflict(f"name: the state {path.name} is of a network of another shape", "name")
        return state

    def tokens(self, named: dict) -> tuple[int, ...] | None:
        """What was read up to the state that a record of the journal names; None where that is not known."""
        file = self._read(self._checked(named))
        return None if file is None or file.facts["tokens"] is None else tuple(file.facts["tokens"])

    def _checked(self, named: dict) -> Path:
        """The file that a record names; EngineError where it is missing or another by now. Records of before have no SHA-256."""
        path = self.folder / named["file"]
        if not path.is_file() or sha256_of(path) != named.get("sha256", sha256_of(path)):
            raise EngineError(f"the state {path} is not the one any more that the journal takes in; put it back from a copy", "name")
        return path

    def _read(self, path: Path) -> StateFile | None:
        """What a file says of itself; None where it is damaged, which the log tells."""
        try:
            with safe_open(path, framework="pt") as file:
                facts = orjson.loads(file.metadata()["facts"])
        except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
            log.warning("state=%s passed over: %s", path, error)
            return None
        match = FILE.fullmatch(path.name)
        return StateFile(path, match["name"], int(match["number"]), facts)


class States:
    """What /state does. Belongs to the owner thread."""

    def __init__(self, folder: Path, network, journal, versions):
        self.files = StateFolder(folder)
        self._network = network
        self._journal = journal
        self._versions = versions

    def record(self, kind: str, action: str, name: str | None = None, blend: str | None = None, share: float = 0.5,
               decay: float = 1.0) -> dict:
        """Write in the journal that a state is loaded or reset, after everything about it was found to be in order."""
        record = {"kind": "state", "time": time.time(), "of": kind, "action": action}
        if action == "load":
            file, other = self.files.find(name), None if blend is None else self.files.find(blend, "blend")
            record |= {**file.named(), "version": file.facts["version"], "decay": decay,
                       "blend": None if other is None else {**other.named(), "share": share}}
            self.compose(record)
        return self._journal.append(record)

    def compose(self, record: dict) -> State | None:
        """The state that a record speaks of; None after a reset."""
        if record["action"] == "reset":
            return None
        like = self._network.zero_state(1)
        state, blend = self.files.load(record, like), record["blend"]
        if blend is not None:
            state = state.blend(self.files.load(blend, like), blend["share"])
        return state if record["decay"] == 1 else state.faded(record["decay"])

    def start(self, record: dict) -> Start | None:
        """The beginning of chats that a record speaks of. A state that was saved from a chat is read again from its tokens."""
        if record["action"] == "reset":
            return None
        tokens = self.files.tokens(record) if record["blend"] is None and record["decay"] == 1 else None
        return Start(record["seq"], record["version"], self.compose(record) if tokens is None else None, tokens)

    def start_of(self, seq: int) -> Start:
        """The start that record `seq` of the journal made."""
        return self.start(self._journal.find(seq))
