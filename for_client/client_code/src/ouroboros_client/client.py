"""The client that waits."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Generic, Self, TypeVar, cast

import httpx2

from ouroboros_client.errors import OuroborosError
from ouroboros_client.exchange import Call, Cancel, Exchange, ReadAll, ReadEvent, Send, Tell, Wait, new_http
from ouroboros_client.methods import Methods
from ouroboros_client.place import find_token, find_url

E = TypeVar("E")
T = TypeVar("T")


class Client(Methods):
    """A server, by its URL and token; both are looked for where they are not given (`place`). Several threads may share one.

    `retries`: how often a request is sent again after a failure that may pass. One that would do its work twice is sent again only when
    the server is sure to have done nothing. `timeout`: seconds of silence after which an answer that comes in one piece is given up.
    """

    def __init__(self, url: str | None = None, token: str | None = None, *, token_file: str | Path | None = None,
                 retries: int = 4, timeout: float = 600.0):
        self.url, self.retries = find_url(url), retries
        self._http = cast(httpx2.Client, new_http(httpx2.Client, self.url, find_token(token, token_file), timeout))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def ask(self, call: Call[Any, T]) -> T:
        """The answer to a call. Raises OuroborosError."""
        with self.stream(call) as stream:
            return stream.finish()

    def stream(self, call: Call[E, T]) -> Stream[E, T]:
        """A call as a stream; it is sent when the first event is read."""
        exchange = Exchange(call, self.url, self.retries)
        return Stream(exchange, drive(self._http, exchange, self._end), self._end)

    def _end(self, id: str) -> None:
        """Cancel what may have ended by itself."""
        try:
            self.cancel(id)
        except OuroborosError as error:
            if error.status != 404:
                raise


class Stream(Generic[E, T], Iterator[E]):
    """The events before an answer, and `finish()` for the answer. Close it, or leave its `with`, and the server stops working on it,
    but for a run over a set, which goes on without a reader."""

    def __init__(self, exchange: Exchange[E, T], events: Generator[E, None, None], cancel: Callable[[str], object]):
        self._exchange, self._events, self._cancel = exchange, events, cancel

    @property
    def id(self) -> str | None:
        """The name to cancel it by; None until the first event has come."""
        return self._exchange.id

    def __next__(self) -> E:
        return next(self._events)

    def finish(self) -> T:
        """The answer, after what is left of the events."""
        for _ in self._events:
            pass
        return cast(T, self._exchange.result)

    def stop(self) -> None:
        """Have the server end it, also from another thread; `finish()` then has what there is of the answer."""
        self._exchange.stopped = True
        if self.id is not None:
            self._cancel(self.id)

    def close(self) -> None:
        """Hang up."""
        self._events.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.close()


def drive(http: httpx2.Client, exchange: Exchange[E, Any], cancel: Callable[[str], object]) -> Generator[E, None, None]:
    """Do what the exchange says, and yield what it tells."""
    steps = exchange.steps()
    response: httpx2.Response | None = None
    events: Iterator[httpx2.ServerSentEvent] | None = None
    came: Any = None
    lost: httpx2.TransportError | None = None
    try:
        while True:
            try:
                step = steps.send(came) if lost is None else steps.throw(lost)
            except StopIteration:
                return
            came = lost = None
            try:
                match step:
                    case Send():
                        if response is not None:
                            response.close()
                        came = response = http.send(exchange.request(http), stream=True)
                        events = iter(httpx2.EventSource(response, max_event_size=None))
                    case ReadAll() if response is not None:
                        came = response.read()
                    case ReadEvent() if events is not None:
                        event = next(events, None)
                        came = None if event is None else event.data
                    case Wait(seconds):
                        time.sleep(seconds)
                    case Cancel(id):
                        cancel(id)
            except httpx2.TransportError as error:
                lost = error
            if isinstance(step, Tell):
                yield step.event
    finally:
        if response is not None:
            response.close()
