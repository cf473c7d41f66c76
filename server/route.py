"""One line of the table of routes, and what its handler gets."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from engine.options import Strict
from engine.ticket import Ticket

NAME_PATTERN = r"^[a-z0-9][a-z0-9._-]{0,63}$"


@dataclass(frozen=True)
class Call:
    """What a handler gets: the checked body, the names in the path, and the application that asks."""

    body: Any = None
    names: dict[str, str] = field(default_factory=dict)
    application: Any = None


class Shape(Protocol):
    """How the events of a ticket are told to the caller."""

    def fold(self, events: Iterable[tuple[str, dict]]) -> dict:
        """All of them, to the last, as one object."""

    def tell(self, kind: str, event: dict) -> Iterator[dict]:
        """One of them, as it is sent in a stream."""


class AsItIs:
    """A stream is the ticket's events, a plain answer its result."""

    def fold(self, events: Iterable[tuple[str, dict]]) -> dict:
        """The last one."""
        return next(value for kind, value in events if kind == "final")

    def tell(self, kind: str, event: dict) -> Iterator[dict]:
        """Itself."""
        yield event


@dataclass(frozen=True)
class Told:
    """A ticket with the shape that its events are told in."""

    ticket: Ticket
    shape: Shape = field(default_factory=AsItIs)


@dataclass(frozen=True)
class Page:
    """An answer that is not JSON."""

    media: str
    data: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    """Headers that it has beside those of every answer."""


@dataclass(frozen=True)
class Route:
    """One line of the table.

    `handler(engine, call)` returns a dict, sent as JSON; a text, sent as the type `media`; or a Ticket, alone or Told, whose result is
    waited for or streamed.
    """

    method: str
    path: str
    handler: Callable[[Any, Call], Any]
    summary: str
    body: type[Strict] | None = None
    query: type[Strict] | None = None
    """What may stand after the ? of a GET; the handler gets it as the body."""
    everyone: bool = False
    """No token is needed."""
    waits: bool = False
    """Holds a thread until the engine is done; so many at once are let in, and one more is told to come back."""
    retry: bool = True
    """A client library may repeat it by itself after an error. Not where that would teach twice."""
    names: str = NAME_PATTERN
    """What a name in its path must match."""
    answer: str = ""
    """What it answers, for the description of the API."""
    media: str = "application/json"
    """The type of its answer."""
    medias: tuple[str, ...] = ()
    """Other types that its answer may have."""
    leads: Mapping[str, str] = field(default_factory=dict)
    """Where what it answers leads: from a place in the answer (a JSON pointer) to the path whose <name> that is."""

