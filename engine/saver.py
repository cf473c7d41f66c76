"""Saving beside the answers: the weights are copied on the owner thread and written to the disk on another.

One checkpoint is written at a time, as each holds a whole copy of the weights in memory until it is on the disk.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from engine.checkpoints import Checkpoint, Checkpoints
from engine.disk import disk_error
from engine.errors import EngineError
from engine.learner import Snapshot
from engine.memory import is_memory, memory_error
from engine.ticket import Ticket

log = logging.getLogger("ouroboros.saver")
AUTO = "auto"


class Saver:
    """Writes checkpoints. `save`, `alone` and `beside` belong to the owner thread; `between` runs a function there between two lessons."""

    def __init__(self, store: Checkpoints, take: Callable[[], Snapshot], between: Callable[[Callable[[], None]], None],
                 settings, tell: Callable[[Checkpoint], None]):
        """`settings`: the section [save]."""
        self.store = store
        self._take = take
        self._between = between
        self._settings = settings
        self._tell = tell
        self._thread = ThreadPoolExecutor(1, "saver")
        self._waiting: deque[Callable[[], None]] = deque()
        self._writing = False
        self._alarm: threading.Timer | None = None

    def save(self, name: str, ticket: Ticket | None = None) -> None:
        """Save the weights as they are now, or, while another checkpoint is written, as they are after that."""
        if self._writing:
            if ticket is not None:
                self._waiting.append(lambda: self.save(name, ticket))
            return  # one without a ticket is due again after the next lesson
        self._forget_alarm()
        began, snapshot = time.perf_counter(), self._take()
        self._writing = True
        self._thread.submit(self._write, name, snapshot, ticket, began)

    def alone(self, act: Callable[[], None]) -> None:
        """Do what must not meet a checkpoint that is being written: now, or when that is there."""
        self._waiting.append(act) if self._writing else act()

    def beside(self, work: Callable[[], None]) -> None:
        """Do what takes a while with checkpoints on the other thread; out of `alone`. `work` must not raise."""

        def run() -> None:
            try:
                work()
            finally:
                self._between(lambda: self._written(None))

        self._writing = True
        self._thread.submit(run)

    def due(self, lessons: int) -> None:
        """So many lessons are in no checkpoint: save them if they are `every_lessons`, or else within `every_minutes`."""
        if 0 < self._settings.every_lessons <= lessons:
            self.save(AUTO)
        elif lessons and self._settings.every_minutes and self._alarm is None:
            self._alarm = threading.Timer(60 * self._settings.every_minutes, lambda: self._between(self._rings))
            self._alarm.daemon = True
            self._alarm.start()

    def _rings(self) -> None:
        self._alarm = None
        if self._writing:
            self.due(1)  # what is being written may be of before
        else:
            self.save(AUTO)

    def _forget_alarm(self) -> None:
        alarm, self._alarm = self._alarm, None
        if alarm is not None:
            alarm.cancel()

    def close(self) -> None:
        """Wait for what is being written."""
        self._forget_alarm()
        self._thread.shutdown()

    def _write(self, name: str, snapshot: Snapshot, ticket: Ticket | None, began: float) -> None:
        checkpoint = None
        try:
            checkpoint = self.store.write(name, snapshot.parts, snapshot.facts)
            told = checkpoint.describe() | {"seconds": time.perf_counter() - began}
            log.info("save=%s version=%d bytes=%d", name, told["version"], told["bytes"])
            if ticket is not None:
                ticket.finish(told)
            else:
                self.store.prune(AUTO, self._settings.keep)
        except Exception as error:  # the writer of safetensors has errors of its own for a full disk
            log.error("save=%s failed: %s", name, error)
            if ticket is not None and checkpoint is None:
                full = disk_error(f"the checkpoint {name}", error, self.store.folder, snapshot.bytes)
                ticket.fail(memory_error(f"the checkpoint {name}") if is_memory(error) else full)
        finally:
            self._between(lambda: self._written(checkpoint))

    def _written(self, checkpoint: Checkpoint | None) -> None:
        self._writing = False
        if checkpoint is not None:
            try:
                self._tell(checkpoint)
            except EngineError as error:
                log.error("save=%s is written, which the journal could not be told: %s", checkpoint.name, error)
        while self._waiting and not self._writing:
            self._waiting.popleft()()
