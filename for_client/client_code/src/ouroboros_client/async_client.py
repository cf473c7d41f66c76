"""The client that lets others go on while it waits, under asyncio or trio."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Generic, Self, TypeVar, cast

import anyio
import httpx2

from ouroboros_client.errors import OuroborosError
from ouroboros_client.exchange import Call, Cancel, Exchange, ReadAll, ReadEvent, Send, Tell, Wait, new_http
from ouroboros_client.methods import Methods
from ouroboros_client.place import find_token, find_url

E = TypeVar("E")
T = TypeVar("T")


class AsyncClient(Methods):
    """A server, by its URL and token: as `Client`, and every method is awaited."""

    def __init__(self, url: str | None = None, token: str | None = None, *, token_file: str | Path | None = None,
                 retries: int = 4, timeout: float = 600.0):
        self.url, self.retries = find_url(url), retries
        self._http = cast(httpx2.AsyncClient, new_http(httpx2.AsyncClient, self.url, find_token(token, token_file), timeout))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def ask(self, call: Call[Any, T]) -> T:
        """The answer to a call. Raises OuroborosError."""
        async with self.stream(call) as stream:
            return await stream.finish()

    def stream(self, call: Call[E, T]) -> AsyncStream[E, T]:
        """A call as a stream; it is sent when the first event is read."""
        exchange = Exchange(call, self.url, self.retries)
        return AsyncStream(exchange, drive(self._http, exchange, self._end), self._end)

    async def _end(self, id: str) -> None:
        """Cancel what may have ended by itself."""
        try:
            await self.cancel(id)
        except OuroborosError as error:
            if error.status != 404:
                raise


class AsyncStream(Generic[E, T], AsyncIterator[E]):
    """The events before an answer, and `await finish()` for the answer: as `Stream`. Leave its `async with`, and the server stops."""

    def __init__(self, exchange: Exchange[E, T], events: AsyncGenerator[E, None], cancel: Callable[[str], Awaitable[object]]):
        self._exchange, self._events, self._cancel = exchange, events, cancel

    @property
    def id(self) -> str | None:
        """The name to cancel it by; None until the first event has come."""
        return self._exchange.id

    async def __anext__(self) -> E:
        return await anext(self._events)

    async def finish(self) -> T:
        """The answer, after what is left of the events."""
        async for _ in self._events:
            pass
        return cast(T, self._exchange.result)

    async def stop(self) -> None:
        """Have the server end it, also from another task; `finish()` then has what there is of the answer."""
        self._exchange.stopped = True
        if self.id is not None:
            await self._cancel(self.id)

    async def close(self) -> None:
        """Hang up."""
        await self._events.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        await self.close()


async def drive(http: httpx2.AsyncClient, exchange: Exchange[E, Any],
                cancel: Callable[[str], Awaitable[object]]) -> AsyncGenerator[E, None]:
    """Do what the exchange says, and yield what it tells."""
    steps = exchange.steps()
    response: httpx2.Response | None = None
    events: AsyncIterator[httpx2.ServerSentEvent] | None = None
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
                            await response.aclose()
                        came = response = await http.send(exchange.request(http), stream=True)
                        events = aiter(httpx2.EventSource(response, max_event_size=None))
                    case ReadAll() if response is not None:
                        came = await response.aread()
                    case ReadEvent() if events is not None:
                        event = await anext(events, None)
                        came = None if event is None else event.data
                    case Wait(seconds):
                        await anyio.sleep(seconds)
                    case Cancel(id):
                        await cancel(id)
            except httpx2.TransportError as error:
                lost = error
            if isinstance(step, Tell):
                yield step.event
    finally:
        if response is not None:
            await response.aclose()
