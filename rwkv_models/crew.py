"""The processes that train one network together, and how they speak to each other.

Process 0 leads: it has the program, and says what is to be done next. The others follow. What is said travels over gloo
as JSON and tensors in safetensors' form, never as pickle; the sums of a training step travel over the group that DeepSpeed uses.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import shutil
import signal
import stat
import tempfile
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import psutil
import torch
import torch.distributed as dist
from safetensors.torch import load, save
from torch import Tensor

from rwkv_models.loopback import build_no_operator, speak_on_loopback

log = logging.getLogger("ouroboros.crew")
AGAIN = "start again: nothing that was acknowledged is lost"
FOR_EVER = timedelta(days=365)  # a quiet group is no broken one
LONGEST = 4096  # letters of what a process says of itself


class OthersFailed(RuntimeError):
    """Every process knows that one of them could not do its part; the text says which and why, in one clause."""


def processes() -> tuple[int, int]:
    """(This process's number, how many there are), as the launcher says; (0, 1) without one."""
    return int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))


class Crew:
    """All processes of the group, seen from one of them. Made by all at the same time.

    `tell` and `hear` are for one thread, the same as trains.
    """

    def __init__(self, on_loss: Callable[[str], None]):
        """`on_loss` is called once, from another thread, when a process is gone before the end."""
        self.rank, self.size = processes()
        self._on_loss = on_loss
        self._ending = False
        self._folder: Path | None = None
        one_machine = int(os.environ.get("LOCAL_WORLD_SIZE") or os.environ.get("LOCAL_SIZE") or 0) == self.size
        if torch.cuda.is_available():
            torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
        build_no_operator()
        how = {}
        if one_machine:
            speak_on_loopback()
            self._folder = _meeting_folder()
            how = {"store": dist.FileStore(str(self._folder / "store"), self.size), "rank": self.rank, "world_size": self.size}
        with _ended_by_signals():  # others may never come
            self._join(how)

    def _join(self, how: dict) -> None:
        dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo", **how)
        self._words = dist.new_group(backend="gloo", timeout=FOR_EVER)
        self._pulse = dist.new_group(backend="gloo", timeout=FOR_EVER)
        for other in range(1, self.size) if self.rank == 0 else (0,):
            threading.Thread(target=self._watch, args=(other,), name=f"watch-{other}", daemon=True).start()

    # -- words

    def tell(self, name: str, *arguments, **tensors: Tensor) -> None:
        """Say to all others what they are to do now: a name, JSON, tensors. For process 0."""
        said = save({key: t.detach().cpu().contiguous() for key, t in tensors.items()}, {"name": name, "arguments": json.dumps(arguments)})
        letters = torch.frombuffer(bytearray(said), dtype=torch.uint8)
        dist.broadcast(torch.tensor([len(letters)]), 0, group=self._words)
        dist.broadcast(letters, 0, group=self._words)

    def hear(self) -> tuple[str, list, dict[str, Tensor]]:
        """What process 0 tells next; waits for it. For the others."""
        length = torch.zeros(1, dtype=torch.int64)
        dist.broadcast(length, 0, group=self._words)
        letters = torch.empty(int(length), dtype=torch.uint8)
        dist.broadcast(letters, 0, group=self._words)
        said = bytes(letters.numpy())
        head = json.loads(said[8 : 8 + int.from_bytes(said[:8], "little")])["__metadata__"]
        return head["name"], json.loads(head["arguments"]), load(said)

    # -- agreeing

    def agree(self, value: float, problem: str | None = None) -> float:
        """The sum of everybody's value. OthersFailed, for everybody, where one has a problem instead."""
        sums = torch.tensor([value, float(problem is not None)], dtype=torch.float64)
        dist.all_reduce(sums, group=self._words)
        if sums[1]:
            problems: list[str | None] = [None] * self.size
            for rank in range(self.size):
                problems[rank] = self._hear_from(rank, problem)
            raise OthersFailed("; ".join(f"process {i} of {self.size}: {p}" for i, p in enumerate(problems) if p))
        return float(sums[0])

    def same(self, facts: dict) -> None:
        """ValueError that names the first of the facts (JSON) that is not the same in all processes."""
        first = json.loads(self._hear_from(0, json.dumps(facts)))
        mine = json.loads(json.dumps(facts))
        other = next((name for name in first if mine.get(name) != first[name]), None)
        try:
            self.agree(0.0, None if other is None else f"{other} is {mine.get(other)}, and {first[other]} in process 0")
        except OthersFailed as difference:
            raise ValueError(f"all processes must have the same model and settings; {difference}") from None

    def _hear_from(self, rank: int, text: str | None) -> str | None:
        letters = torch.zeros(LONGEST, dtype=torch.uint8)
        if text:
            said = text.encode("ascii", "replace")[:LONGEST]
            letters[: len(said)] = torch.frombuffer(bytearray(said), dtype=torch.uint8)
        dist.broadcast(letters, rank, group=self._words)
        return bytes(letters.numpy()).rstrip(b"\0").decode(errors="replace") or None

    # -- the end

    def part(self, error: BaseException) -> None:
        """This process cannot go on with the others: `on_loss` is told why."""
        if not self._ending:
            log.error("parted", exc_info=error)
            why = (str(error) or type(error).__name__).splitlines()[0][:200]
            self._lost(f"process {self.rank} of {self.size} cannot go on with the others ({why}); {AGAIN}")

    def end(self) -> None:
        """Send the others home; from here on a process that goes is no loss."""
        self._ending = True
        if self.rank == 0:
            self.tell("end")
        self._leave()

    def _lost(self, sentence: str) -> None:
        self._ending = True
        self._leave()
        self._on_loss(sentence)

    def _leave(self) -> None:
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _watch(self, other: int) -> None:
        """Wait for a word that never comes: the connection breaks when the process at its other end is gone."""
        try:
            dist.recv(torch.zeros(1), other, group=self._pulse)
        except Exception:
            if not self._ending:
                self._lost(f"process {other} of {self.size} is gone; {AGAIN}")


@contextlib.contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Inside, SIGTERM and SIGINT end the process at once: handlers of Python's would wait with the rest of it."""
    before = {name: signal.signal(name, signal.SIG_DFL) for name in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)


def _meeting_folder() -> Path:
    """A folder that only this user can enter, and that the children of one launcher all find."""
    launcher = psutil.Process(os.getppid())
    folder = Path(tempfile.gettempdir()) / f"rwkv-ouroboros-{os.getuid()}-{launcher.pid}-{int(launcher.create_time() * 100)}"
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise ValueError(f"{folder} belongs to somebody else or is open to others; remove it and start again")
    return folder
