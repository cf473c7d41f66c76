"""All open tickets: how many may be, which is which, and how they end when the program does."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from engine.errors import Busy, NotFound
from engine.tally import Tally
from engine.ticket import Ticket


class Tickets:
    """May be used from any thread."""

    def __init__(self, most: int):
        self.tally = Tally()
        self._most = most
        self._open: dict[str, Ticket] = {}
        self._guard = threading.Condition()
        self._closing = False

    def __len__(self) -> int:
        return len(self._open)

    def __contains__(self, id: str) -> bool:
        return id in self._open

    def open(self, kind: str, make: Callable[[str, Callable[[Ticket], None]], Ticket] = Ticket) -> Ticket:
        """A new one, by `make`. Busy where there are too many, or the program is about to end."""
        with self._guard:
            if self._closing:
                raise Busy("the server is stopping", 5)
            if len(self._open) >= self._most:
                raise Busy("the queue is full, try again")
            ticket = make(kind, self._ended)
            self._open[ticket.id] = ticket
        return ticket

    def cancel(self, id: str) -> None:
        """Ask its owner to stop."""
        with self._guard:
            ticket = self._open.get(id)
        if ticket is None:
            raise NotFound(f"id: no request {id} is running", "id")
        ticket.cancel()

    def close(self, grace: float, last: float = 2.0) -> None:
        """Open no more; wait `grace` seconds for those that are open, cancel the rest, and wait `last` seconds for these."""
        with self._guard:
            self._closing = True
        self._wait(grace)
        with self._guard:
            left = list(self._open.values())
        for ticket in left:
            ticket.cancel()
        self._wait(last)

    def _wait(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        with self._guard:
            while self._open and (left := deadline - time.monotonic()) > 0:
                self._guard.wait(left)

    def _ended(self, ticket: Ticket) -> None:
        with self._guard:
            self._open.pop(ticket.id, None)
            self.tally.note(ticket)
            self._guard.notify_all()
