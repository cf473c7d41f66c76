"""Several answers to one request: one ticket for the caller, a part of it for each answer."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from engine.ticket import Ticket


class Bundle(Ticket):
    """A ticket whose events carry the index of the answer they belong to.

    Each answer ends with the event {"index", "answer": its result}; the result of the whole is {"id", "answers": all of them}. An
    error of one ends all.
    """

    def __init__(self, kind: str, on_end: Callable[[Ticket], None] | None, size: int):
        super().__init__(kind, on_end)
        self.parts = [Part(self, index) for index in range(size)]
        self._answers: dict[int, dict] = {}
        self._over = False
        self._waiting: dict[int, Callable[[], None]] = {}

    def part_done(self, index: int, result: dict) -> None:
        """One answer is there."""
        self._answers[index] = result
        self.progress({"index": index, "answer": result})
        if len(self._answers) == len(self.parts) and not self._over:
            self._over = True
            self.finish({"id": self.id, "answers": [self._answers[i] for i in range(len(self.parts))]})

    def fail(self, error: BaseException) -> None:
        """One answer cannot be given: nobody needs the others."""
        if not self._over:
            self._over = True
            self.cancelled.set()
            super().fail(error)

    def wake_later(self, index: int, call: Callable[[], None] | None) -> None:
        """Have `call` called when the reader has caught up, or have it forgotten."""
        if call is None:
            self._waiting.pop(index, None)
        else:
            self._waiting[index] = call
            self.on_caught_up = self._wake

    def _wake(self) -> None:
        while self._waiting:
            with contextlib.suppress(KeyError):  # the owner was quicker
                self._waiting.popitem()[1]()


class Part:
    """One answer's side of a bundle: what the owner knows as its ticket."""

    def __init__(self, bundle: Bundle, index: int):
        self._bundle = bundle
        self.index = index
        self.id = bundle.id
        self.cancelled = bundle.cancelled

    @property
    def backlog(self) -> int:
        """Events of the whole that the reader has not taken yet."""
        return self._bundle.backlog

    @property
    def on_caught_up(self) -> Callable[[], None] | None:
        """As a ticket's."""
        return self._bundle._waiting.get(self.index)

    @on_caught_up.setter
    def on_caught_up(self, call: Callable[[], None] | None) -> None:
        self._bundle.wake_later(self.index, call)

    def progress(self, event: dict) -> None:
        """Hand one event to the reader."""
        self._bundle.progress({"index": self.index, **event})

    def finish(self, result: dict) -> None:
        """The answer is there."""
        self._bundle.part_done(self.index, result)

    def fail(self, error: BaseException) -> None:
        """It is not."""
        self._bundle.fail(error)
