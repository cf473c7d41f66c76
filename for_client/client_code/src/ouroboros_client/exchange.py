"""One request and its answer, without a connection: what to send, when to ask again, what an answer comes to.

`Exchange.steps` is a generator that says what is to be done next and is told what came of it. `client` does it and waits,
`async_client` does it and lets others go on; both are a few lines, and neither knows when a lesson may be sent again.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar, cast

import httpx2

from ouroboros_client.errors import OuroborosError, in_stream, not_reached, refused

E = TypeVar("E")
T = TypeVar("T")

FIRST_WAIT, LONGEST_WAIT = 0.25, 60.0
"""Seconds before an answer is asked for again: the first time, and at most. What the server asks for counts, up to the latter."""

QUIET = 60.0
"""Seconds of silence after which a stream is taken for dead: the server sends a comment every ten."""


@dataclass(frozen=True)
class Call(Generic[E, T]):
    """A request: T is its answer, E the events before that if it is streamed.

    `again`: sent twice it does no more than sent once, so that it may be sent again when its answer is lost. `key` makes that so for a
    lesson, whose stream then goes on where the server is. `event` reads an event of the stream and returns None for the last one, the
    answer; a call without it is not streamed.
    """

    method: str
    path: str
    body: Mapping[str, Any] | None = None
    query: Mapping[str, Any] = field(default_factory=dict)
    again: bool = True
    key: str | None = None
    endless: bool = False
    """Its stream is all there is: there is no answer at its end."""
    event: Callable[[dict[str, Any]], E | None] | None = None


@dataclass(frozen=True)
class Send:
    """Send the request, and come back with the head of the answer."""


@dataclass(frozen=True)
class ReadAll:
    """Come back with the whole body, in bytes."""


@dataclass(frozen=True)
class ReadEvent:
    """Come back with the data of the stream's next event, None at its end."""


@dataclass(frozen=True)
class Wait:
    """Let so many seconds pass."""

    seconds: float


@dataclass(frozen=True)
class Tell(Generic[E]):
    """Hand an event to whoever reads the stream."""

    event: E


@dataclass(frozen=True)
class Cancel:
    """Ask the server to end the exchange of this id."""

    id: str


Step = Send | ReadAll | ReadEvent | Wait | Tell[E] | Cancel


class Exchange(Generic[E, T]):
    """A call on its way. `id` is the server's name for it, to cancel it by; `result` is there when `steps` are through.

    `stopped` is set by whoever wants no more of it: before the id is known, nobody can be asked to cancel it.
    """

    def __init__(self, call: Call[E, T], url: str, retries: int):
        self.call, self.url, self.retries = call, url, retries
        self.id: str | None = None
        self.result: T | None = None
        self.stopped = False
        self._told = False

    def steps(self) -> Generator[Step[E], Any, None]:
        """What is to be done, until the answer is there. Is thrown the transport's errors. Raises OuroborosError."""
        for attempt in range(self.retries + 1):
            try:
                yield from self._once()
                return
            except httpx2.TransportError as error:
                failed = not_reached(error, self.url)
            except OuroborosError as error:
                failed = error
            if attempt == self.retries or not self._may_repeat(failed):
                raise failed from None
            yield Wait(pause(attempt, failed.retry_after))

    def _once(self) -> Generator[Step[E], Any, None]:
        response: httpx2.Response = yield Send()
        self.id = response.headers.get("X-Ticket-Id")
        if response.status_code >= 400:
            raise refused(response, (yield ReadAll()))
        if self.stopped and self.id:
            yield Cancel(self.id)
        if self.call.event is not None:
            yield from self._stream(self.call.event)
        else:
            self.result = cast(T, plain(response, (yield ReadAll())))

    def _stream(self, read: Callable[[dict[str, Any]], E | None]) -> Generator[Step[E], Any, None]:
        while (data := (yield ReadEvent())) is not None:
            if data == "[DONE]":
                break
            event = json.loads(data)
            if "error" in event:
                raise in_stream(event["error"])
            piece = read(event)
            if piece is None:
                self.result = cast(T, event)
            else:
                self._told = True
                yield Tell(piece)
        if self.result is None and not self.call.endless:
            raise OuroborosError(f"the answer of {self.url} broke off", code="lost")

    def _may_repeat(self, error: OuroborosError) -> bool:
        if self.stopped or (self._told and self.call.key is None):
            return False
        return error.not_begun or (self.call.again and error.passing)

    def request(self, http: httpx2.Client | httpx2.AsyncClient) -> httpx2.Request:
        """The request, as this connection sends it."""
        call = self.call
        query = {name: value for name, value in call.query.items() if value is not None}
        timeout = httpx2.Timeout(http.timeout.connect, read=QUIET) if call.event else http.timeout
        headers = {"Idempotency-Key": call.key} if call.key else None
        return http.build_request(call.method, call.path, json=call.body, params=query or None, headers=headers, timeout=timeout)


def plain(response: httpx2.Response, body: bytes) -> Any:
    """An answer that came in one piece: JSON, or text where the server says so."""
    if "json" in response.headers.get("Content-Type", ""):
        return json.loads(body)
    return body.decode("utf-8", "replace")


def pause(attempt: int, asked: float | None) -> float:
    """Seconds before the next attempt: doubled each time, and never the same for two clients."""
    if asked is not None:
        return min(asked, LONGEST_WAIT)
    return min(FIRST_WAIT * 2.0**attempt, LONGEST_WAIT) * random.uniform(0.5, 1.0)


def new_http(kind: type[Any], url: str, token: str | None, timeout: float) -> Any:
    """A connection pool of httpx2, for one server."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return kind(base_url=url, headers=headers, timeout=httpx2.Timeout(timeout, connect=10.0), follow_redirects=False, trust_env=False)
