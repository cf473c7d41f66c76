"""A second model beside the one that answers: what the weights were at an earlier moment, or would be without a lesson.

It is made when it is first asked for, and stays what it was last until something else is asked of it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING

import psutil
import torch

from engine.conversations import Conversations
from engine.errors import Conflict
from engine.learner import Learner
from models.course import Link, contains

if TYPE_CHECKING:
    from engine.recovery import Past

log = logging.getLogger("ouroboros.spare")
BYTES_A_PARAMETER = 24
"""Of a second model that learns on the CPU: weights, gradients, two moments, fp32 copies and one copy to go back to, 4 bytes each."""


class Spare:
    """At most one. Belongs to the owner thread."""

    def __init__(self, live: Learner, make: Callable[[], tuple[Learner, Conversations]], alone: bool):
        self._live = live
        self._make = make
        self._alone = alone
        self._learner: Learner | None = None
        self._end: Link | None = None  # what it is; None is the base model
        self.conversations: Conversations | None = None

    def __bool__(self) -> bool:
        return bool(self.conversations)

    def step(self) -> None:
        """A little of every answer that it is asked for."""
        self.conversations.step()

    def fail(self, error: Exception) -> None:
        """A step raised."""
        self.conversations.fail(error)

    def has_room(self) -> bool:
        """Whether there is a second model, or memory for one."""
        if self._learner is not None or not self._alone:
            return self._alone
        if self._live.model.device.type == "cuda" and torch.cuda.mem_get_info()[0] < 1.1 * torch.cuda.memory_reserved():
            return False
        return psutil.virtual_memory().available > BYTES_A_PARAMETER * self._live.model.parameters

    def become(self, end: Link, past: Past) -> Generator[None, None, Learner]:
        """Make it what the weights were at a link. Conflict where there is no room; yields between steps."""
        while self:
            yield  # somebody's answer is still written with what it is
        if self._learner is not None and self._end is end:
            return self._learner
        if not self.has_room():
            raise Conflict("as_of: there is not enough free memory for a second model beside the one that answers", "as_of", code="memory")
        if self._learner is None:
            self._learner, self.conversations = self._make()
        on_the_way = contains(end, self._end)
        source = past.nearest(end, self._learner, self._end if on_the_way else None)
        if source is None and not on_the_way:
            self.release()
            self._learner, self.conversations = self._make()
        learner, start, self._learner = self._learner, self._end, None  # broken off midway, it would be nothing that was
        try:
            if source is not None:
                learner.earlier.retracted.clear()
                source.put()
                start = source.link
            yield from past.relearn(learner, start, end)
        except BaseException:
            learner.model.trainer.release()
            self.conversations = self._end = None
            raise
        self._learner, self._end = learner, end
        self.conversations.versions.moved()
        self.conversations.batch.look_again()
        return learner

    def release(self) -> None:
        """Give its memory back."""
        if self._learner is not None:
            self._learner.model.trainer.release()
        self._learner = self.conversations = self._end = None
