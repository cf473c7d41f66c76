"""One request and its answer: its id, its place among those that wait, and its line in the log."""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator

from engine.errors import Busy
from server.metrics import Metrics
from server.route import Route

log = logging.getLogger("server")


class Exchange:
    """Follows one request from the first line to the last byte. Iterating it is the answer; `close` ends it, once."""

    def __init__(self, environ: dict, start_response: Callable, metrics: Metrics):
        self.id = f"req-{uuid.uuid4().hex[:16]}"
        self.started = time.monotonic()
        self.method = environ["REQUEST_METHOD"]
        self.length = environ.get("CONTENT_LENGTH") or "0"
        self.route: Route | None = None
        self.ticket: str | None = None
        self.code = "-"
        self.status = 0
        self.sent = 0
        self.body: Iterable[bytes] = ()
        self._start_response = start_response
        self._metrics = metrics
        self._places: threading.Semaphore | None = None

    def start(self, status: str, headers: list[tuple[str, str]], exc_info=None):
        """WSGI's start_response, with the headers that every answer has."""
        self.status = int(status[:3])
        headers = [*headers, ("X-Request-Id", self.id), ("X-Content-Type-Options", "nosniff")]
        if self.ticket:
            headers.append(("X-Ticket-Id", self.ticket))
        if self.status >= 400 and self.route and not self.route.retry:
            headers.append(("x-should-retry", "false"))  # openai-python would send it again by itself
        return self._start_response(status, headers, exc_info) if exc_info else self._start_response(status, headers)

    def take(self, places: threading.Semaphore) -> None:
        """Take a place among the requests that wait for the engine, until `close`. Raises Busy where none is free."""
        if not places.acquire(blocking=False):
            raise Busy("too many requests wait for an answer, try again")
        self._places = places

    def __iter__(self) -> Iterator[bytes]:
        for piece in self.body:
            self.sent += len(piece)
            yield piece

    def close(self) -> None:
        """End the answer, sent or not: whoever works on it is told, the place is free, the line is written."""
        try:
            if hasattr(self.body, "close"):
                self.body.close()
        finally:
            if self._places:
                self._places.release()
                self._places = None
            seconds, route = time.monotonic() - self.started, self.route
            self._metrics.request(route.method if route else "-", route.path if route else "-", self.status, seconds)
            log.info(
                "request=%s method=%s route=%s status=%d code=%s bytes_in=%s bytes_out=%d seconds=%.3f ticket=%s",
                self.id, self.method, route.path if route else "-", self.status, self.code,
                self.length, self.sent, seconds, self.ticket or "-",
            )
