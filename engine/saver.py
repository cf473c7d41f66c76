"""Saving beside the answers: the weights are copied on the owner thread and written to the disk on another.

One checkpoint is written at a time, as each holds a whole copy of the weights in memory until it is on the disk.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from torch import Tensor

from engine.checkpoints import Checkpoint, Checkpoints
from engine.disk import disk_error
from engine.errors import EngineError
from engine.ticket import Ticket

log = logging.getLogger("ouroboros.saver")
AUTO = "auto"


@dataclass(frozen=True)
class Snapshot:
    """What a checkpoint holds, at one moment: its parts, and the facts of its manifest."""

    parts: dict[str, dict[str, Tensor]]
    facts: dict

    @property
    def bytes(self) -> int:
        """What its tensors take."""
        return sum(tensor.nbytes for tensors in self.parts.values() for tensor in tensors.values())


class Saver:
    """Writes checkpoints, and knows which one the present weights stand on (`current`).

    `save`, `went_back` and `current` belong to the owner thread. `between` runs a function there between two lessons.
    """

    def __init__(self, store: Checkpoints, take: Callable[[], Snapshot], between: Callable[[Callable[[], None]], None],
                 keep: int, wanted: Callable[[], set[str]], tell: Callable[[Checkpoint], None]):
        self.store = store
        self.current: Checkpoint | None = None
        self._take = take
        self._between = between
        self._keep = keep
        self._wanted = wanted
        self._tell = tell
        self._thread = ThreadPoolExecutor(1, "saver")
        self._waiting: deque[tuple[str, Ticket]] = deque()
        self._writing = False
        self._returns = 0

    def save(self, name: str, ticket: Ticket | None = None) -> None:
        """Save the weights as they are now, or, while another checkpoint is written, as they are after that."""
        if self._writing:
            if ticket is not None:
                self._waiting.append((name, ticket))
            return  # one without a ticket comes by itself again
        began, returns, snapshot = time.perf_counter(), self._returns, self._take()
        self._writing = True
        self._thread.submit(self._write, name, snapshot, ticket, began, returns)

    def went_back(self, checkpoint: Checkpoint) -> None:
        """The weights are those of an earlier checkpoint now."""
        self.current = checkpoint
        self._returns += 1

    def close(self) -> None:
        """Wait for what is being written."""
        self._thread.shutdown()

    def _write(self, name: str, snapshot: Snapshot, ticket: Ticket | None, began: float, returns: int) -> None:
        checkpoint = None
        try:
            checkpoint = self.store.write(name, snapshot.parts, snapshot.facts)
            told = checkpoint.describe() | {"seconds": time.perf_counter() - began}
            log.info("save=%s version=%d bytes=%d", name, told["version"], told["bytes"])
            if ticket is not None:
                ticket.finish(told)
            else:
                self.store.prune(AUTO, self._keep, self._wanted())
        except Exception as error:  # the writer of safetensors has errors of its own for a full disk
            log.error("save=%s failed: %s", name, error)
            if ticket is not None and checkpoint is None:
                ticket.fail(disk_error(f"the checkpoint {name}", error, self.store.folder, snapshot.bytes))
        finally:
            self._between(lambda: self._written(checkpoint, returns))

    def _written(self, checkpoint: Checkpoint | None, returns: int) -> None:
        self._writing = False
        if checkpoint is not None and returns == self._returns:
            self.current = checkpoint
        if checkpoint is not None:
            try:
                self._tell(checkpoint)
            except EngineError as error:
                log.error("save=%s is written, which the journal could not be told: %s", checkpoint.name, error)
        if self._waiting:
            self.save(*self._waiting.popleft())
