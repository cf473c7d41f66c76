"""What requests about versions do: back to one, without a lesson, an answer of one, two compared. On the owner thread, between lessons."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator

from engine.compared import Compared
from engine.conversations import Conversations
from engine.errors import Conflict
from engine.options import InferOptions
from engine.recovery import Past
from engine.ticket import Ticket


class VersionActs:
    """The versions that there were. `list` may be asked from any thread."""

    def __init__(self, past: Past, compared: Compared, conversations: Conversations):
        self._past = past
        self._compared = compared
        self._conversations = conversations

    def list(self) -> list[dict]:
        """Every version that there was, the newest first."""
        return self._compared.list()

    def rollback(self, ticket: Ticket, version: int) -> Iterator[None]:
        """Go back to a version."""
        return _ended(ticket, self._past.rollback(version))

    def undo(self, ticket: Ticket, lesson: str) -> Iterator[None]:
        """Take a lesson out of the weights, and keep those after it."""
        return _ended(ticket, self._past.undo(lesson))

    def diff(self, ticket: Ticket, before: int, after: int) -> Iterator[None]:
        """What two versions differ in."""
        return _ended(ticket, self._compared.diff(before, after))

    def answer(self, ticket: Ticket, source: dict, options: InferOptions, given: set[str], seq: int) -> Iterator[None]:
        """Answer with the weights after record `seq` of the journal, in the second model."""
        history, spare = self._past.history, self._past.spare
        yield from spare.become(history.end(seq), self._past)
        then = spare.conversations
        then.versions.number, then.start = history.version(seq), self._conversations.start
        then.infer(ticket, source, then.options(options, given), None)


def _ended(ticket: Ticket, steps: Generator[None, None, dict]) -> Iterator[None]:
    """The steps, with what they come to as the ticket's end; given up between two of them where it is cancelled."""
    began = time.perf_counter()
    while True:
        try:
            next(steps)
        except StopIteration as end:
            ticket.finish(end.value | {"seconds": time.perf_counter() - began})
            return
        if ticket.cancelled.is_set():
            steps.close()
            raise Conflict("cancelled: nothing was changed", code="cancelled")
        yield
