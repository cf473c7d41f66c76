"""One line of the table of routes, and what its handler gets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from engine.options import Strict


@dataclass(frozen=True)
class Call:
    """What a handler gets: the checked body and the names in the path."""

    body: Any = None
    names: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Page:
    """An answer that is not JSON."""

    media: str
    data: bytes


@dataclass(frozen=True)
class Route:
    """One line of the table.

    `handler(engine, call)` returns a dict, sent as JSON, or a Ticket, whose result is waited for or streamed.
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

