"""The owner thread: the only one that touches the model.

Its loop takes what came in, gives every open answer one token, takes one micro-step of the lesson in hand, and begins
again; with nothing to do it sleeps until something comes. What others want done reaches it as a function in its inbox.

The model is made on it too. torch's OpenMP gives each thread that computes threads of its own: were the model made on
another one, two sets of them would share the cores, and every product would take twice as long.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Protocol, TypeVar

log = logging.getLogger("ouroboros.owner")
Result = TypeVar("Result")


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
        self._work: list[Work] = []
        self._inbox: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._loop, name="owner", daemon=True)
        self._thread.start()

    def take_up(self, work: list[Work]) -> None:
        """Do these from now on, whenever they have a step to take."""
        self.call(lambda: self._work.extend(work))

    def run(self, function: Callable[[], Result]) -> Result:
        """Run a function on the owner thread, wait for it, and return what it returns or raise what it raises."""
        done: Future[Result] = Future()

        def told() -> None:
            try:
                done.set_result(function())
            except BaseException as error:
                done.set_exception(error)

        self.call(told)
        return done.result()

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
            busy = any(self._work)
            try:
                while True:
                    function = self._inbox.get(block=not busy)
                    if function is None:
                        return
                    self._guarded(function)
                    busy = any(self._work)
            except queue.Empty:
                pass
            for work in self._work:
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
