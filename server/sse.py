"""An answer as it grows: the events of a ticket, watched for a caller who hangs up, and sent as SSE."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator

import orjson

from engine.ticket import Ticket
from server.errors import ClientGone, failure
from server.peer import Peer
from server.route import Shape

POLL = 0.25
"""Seconds between two looks at whether the caller of a quiet ticket is still there."""

KEEP_ALIVE = 10.0
"""Seconds of nothing after which a stream sends a comment, so that nobody on the way takes it for dead."""

MEDIA = "text/event-stream"
HEADERS = {"Content-Type": f"{MEDIA}; charset=utf-8", "Cache-Control": "no-store", "X-Accel-Buffering": "no"}

Event = tuple[str, dict]


def watch(ticket: Ticket, peer: Peer) -> Iterator[Event]:
    """The events of `ticket`, ("idle", {}) in between. A caller who is gone, or a closed generator, cancels the ticket.

    Raises ClientGone, or what the ticket failed with.
    """
    done = False
    try:
        for kind, value in ticket.events(heartbeat=POLL):
            done = kind == "final"
            if not done and peer.gone():
                raise ClientGone
            yield kind, value
    except (GeneratorExit, ClientGone):
        if not done:
            ticket.cancel()
        raise


def opening(events: Iterator[Event]) -> Event:
    """The first event worth a byte. Until it is there no header is sent, so that an early error keeps its own status."""
    patience = time.monotonic() + KEEP_ALIVE
    return next(event for event in events if event[0] != "idle" or time.monotonic() >= patience)


def stream(first: Event, events: Iterator[Event], request_id: str, shape: Shape) -> Iterator[bytes]:
    """The bytes of a stream: every event in its shape, [DONE] at the end, an error in between told in the stream itself."""
    last_sent = 0.0
    try:
        for kind, value in itertools.chain([first], events):
            if kind != "idle":
                yield b"".join(map(message, shape.tell(kind, value)))
            elif time.monotonic() - last_sent >= KEEP_ALIVE:
                yield b": keep-alive\n\n"
            else:
                continue
            last_sent = time.monotonic()
    except ClientGone:
        return
    except Exception as error:  # the status is long sent: the stream is the only way left to say it
        yield message(failure(error, request_id).payload)
    finally:
        events.close()
    yield b"data: [DONE]\n\n"


def message(value: dict) -> bytes:
    """One event of a stream."""
    return b"data: " + orjson.dumps(value) + b"\n\n"
