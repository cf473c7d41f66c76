"""What happens, told to whoever listens while it happens: steps, lessons, and every record of the journal.

The teller never waits. Each listener has a queue of its own, and where he is slow the oldest events of it go; he is told how many.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterator

MOST = 1000
"""Events that wait for one listener."""
LONGEST = 200
"""Characters of a text that an event carries: records name what is long, and /lessons and /sessions have it."""
NAMES = {"checkpoint": "save"}
"""Kinds of records that people know by another word."""


class Events:
    """May be used from any thread."""

    def __init__(self):
        self._listeners: tuple[Listening, ...] = ()
        self._guard = threading.Lock()

    def __len__(self) -> int:
        return len(self._listeners)

    def tell(self, event: str, **fields) -> None:
        """Tell everyone who listens now."""
        for listening in self._listeners:
            listening.put({"event": event, "time": time.time(), **fields})

    def record(self, record: dict) -> None:
        """Tell what the journal has on the disk now: the short fields of the record, under its own time."""
        if self._listeners:
            short = {name: value for name, value in record.items() if _short(value)}
            kind = short.pop("kind")
            if kind == "lesson":
                short["lesson"] = short.pop("id")
            self.tell(NAMES.get(kind, kind), **short)

    def listen(self, **fields) -> Listening:
        """Listen from now on. The first event, "open", has the fields given."""
        listening = Listening(self._forget)
        listening.put({"event": "open", "time": time.time(), **fields})
        with self._guard:
            self._listeners += (listening,)
        return listening

    def close(self) -> None:
        """No more will happen: every listener gets what waits for him, and an end."""
        for listening in self._listeners:
            listening.end()

    def _forget(self, gone: Listening) -> None:
        with self._guard:
            self._listeners = tuple(each for each in self._listeners if each is not gone)


class Listening:
    """One listener's queue, read like a ticket."""

    def __init__(self, forget: Callable[[Listening], None]):
        self.id = f"events-{uuid.uuid4().hex[:16]}"
        self._forget = forget
        self._waiting: deque[dict] = deque()
        self._lost = 0
        self._over = False
        self._news = threading.Condition()

    def put(self, event: dict) -> None:
        """Have an event wait for the listener; the oldest that waits goes where there are too many."""
        with self._news:
            if len(self._waiting) == MOST:
                self._waiting.popleft()
                self._lost += 1
            self._waiting.append(event)
            self._news.notify()

    def end(self) -> None:
        """Nothing comes after what waits."""
        with self._news:
            self._over = True
            self._news.notify()

    def cancel(self) -> None:
        """He is gone."""
        self._forget(self)

    def events(self, heartbeat: float | None = None) -> Iterator[tuple[str, dict]]:
        """("progress", event) …, ("idle", {}) where nothing came for `heartbeat` seconds, ("final", event) at the end."""
        while True:
            with self._news:
                self._news.wait_for(lambda: self._waiting or self._over, heartbeat)
                lost, self._lost = self._lost, 0
                event, over = self._waiting.popleft() if self._waiting else None, self._over
            if lost:
                yield "progress", {"event": "lost", "time": time.time(), "lost": lost}
            if event is not None:
                yield "progress", event
            elif over:
                self._forget(self)
                yield "final", {"event": "end", "time": time.time()}
                return
            else:
                yield "idle", {}


def _short(value) -> bool:
    return value is None or isinstance(value, (bool, int, float)) or (isinstance(value, str) and len(value) <= LONGEST)
