"""A ticket: what a caller holds while the owner thread works on its request."""

from __future__ import annotations

import queue
import threading
import uuid
from collections.abc import Callable, Iterator

from engine.errors import Busy, EngineError

NEAR = 64
"""A reader with so few events to take is no longer behind."""


class Ticket:
    """One request's way through the owner thread.

    The owner calls `progress`, then exactly one of `finish` and `fail`. The caller iterates `events()`
    (every progress dict, then the final dict) or waits for `result()`; either raises what `fail` was given.
    The owner never waits for a reader. Where one falls behind (`backlog`), the owner may set its work for him aside and
    have `on_caught_up` called, from the reader's thread, when he is near again or gave up.
    """

    def __init__(self, kind: str, on_end: Callable[[Ticket], None] | None = None):
        self.kind = kind
        self.id = f"{kind}-{uuid.uuid4().hex[:16]}"
        self._on_end = on_end
        self.cancelled = threading.Event()
        self.on_caught_up: Callable[[], None] | None = None
        self.outcome: dict | None = None  # the result, where there is one
        self._events: queue.SimpleQueue = queue.SimpleQueue()

    # -- the owner's side

    @property
    def backlog(self) -> int:
        """Events that the reader has not taken yet."""
        return self._events.qsize()

    def progress(self, event: dict) -> None:
        """Hand one progress event to the reader."""
        self._events.put(("progress", event))

    def finish(self, result: dict) -> None:
        """End the ticket with its result."""
        self.outcome = result
        self._end("final", result)

    def fail(self, error: BaseException) -> None:
        """End the ticket with an error, raised in the reader."""
        self._end("error", error)

    def _end(self, kind: str, value) -> None:
        if self._on_end is not None:
            self._on_end(self)
        self._events.put((kind, value))

    # -- the caller's side

    def cancel(self) -> None:
        """Ask the owner to stop; it ends the ticket at its next token or micro-step."""
        self.cancelled.set()
        self._caught_up()

    def events(self, heartbeat: float | None = None) -> Iterator[tuple[str, dict]]:
        """Yield ("progress", dict) … then ("final", dict). With `heartbeat` (seconds), yield ("idle", {}) when nothing came."""
        while True:
            try:
                kind, value = self._events.get(timeout=heartbeat)
            except queue.Empty:
                yield "idle", {}
                continue
            if self.backlog <= NEAR:
                self._caught_up()
            if kind == "error":
                raise value
            yield kind, value
            if kind == "final":
                return

    def _caught_up(self) -> None:
        call, self.on_caught_up = self.on_caught_up, None
        if call is not None:
            call()

    def result(self, timeout: float | None = None) -> dict:
        """The final dict, waiting at most `timeout` seconds between two events."""
        for kind, value in self.events(heartbeat=timeout):
            if kind == "idle":
                raise Busy(f"no answer within {timeout:g} s")
            if kind == "final":
                return value
        raise EngineError("the request ended without a result")
