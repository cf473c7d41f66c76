"""The owner thread: the only one that touches the model.

Its loop takes what came in, gives every open answer one token, takes one micro-step of the lesson in hand, and begins
again; with nothing to do it sleeps until something comes. What others want done reaches it as a function in its inbox.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable
from typing import Protocol

log = logging.getLogger("ouroboros.owner")


class Work(Protocol):
    """A kind of work that goes on in small steps."""

    def __bool__(self) -> bool:
        """Whether there is a step to take."""

    def step(self) -> None:
        """Take one."""

    def fail(self, error: Exception) -> None:
        """A step raised: give up what it was about, so that the next one begins afresh."""


class Owner:
    """Runs functions and steps of work on one thread, in turns."""

    def __init__(self):
        self.work: list[Work] = []  # given before `start`
        self._inbox: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._loop, name="owner", daemon=True)
        self._stopping = False

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def call(self, function: Callable[[], None]) -> None:
        """Have a function run on the owner thread. It answers for its own errors."""
        self._inbox.put(function)

    def stop(self) -> None:
        """End after what is in the inbox; work in steps is left where it is."""
        self._inbox.put(None)
        if self._thread.is_alive():
            self._thread.join()

    def _loop(self) -> None:
        while True:
            busy = any(self.work)
            try:
                while True:
                    function = self._inbox.get(block=not busy)
                    if function is None:
                        return
                    self._guarded(function)
                    busy = any(self.work)
            except queue.Empty:
                pass
            for work in self.work:
                if work:
                    self._guarded(work.step, work.fail)

    def _guarded(self, function: Callable[[], None], fail: Callable[[Exception], None] | None = None) -> None:
        """Whatever is raised, the thread lives on: everybody waits for it."""
        try:
            function()
        except Exception as error:
            log.exception("a step of the owner thread failed")
            if fail is not None:
                fail(error)
