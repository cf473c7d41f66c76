"""Answers go on in the midst of a lesson's micro-step: the network pauses between its blocks, and the owner thread writes a token.

Nothing that a lesson computes depends on it: the weights move between micro-steps only, and a pause reads them.
"""

from __future__ import annotations

import logging
import time

from engine.lessons import Lessons
from engine.live_model import LiveModel
from engine.owner import Work

log = logging.getLogger("ouroboros.breath")
SHARE = 3.0
"""How many times as long as a step of the answers a lesson works before the next one: it has three quarters of the thread."""


class Breath:
    """Lessons, as work of the owner thread that pauses for the answers."""

    def __init__(self, lessons: Lessons, answers: Work, model: LiveModel):
        self._lessons = lessons
        self._answers = answers
        self._model = model
        self._took = 0.0  # the answers' last step in a pause, seconds
        self._due = 0.0

    def __bool__(self) -> bool:
        return bool(self._lessons)

    def step(self) -> None:
        """One micro-step of the lesson in hand.

        On a GPU, where a backward runs on a thread of torch's and a step is bound by its launches, and under ZeRO-3, where a
        forward within a forward would find parameters gathered for the other, the answers wait for its end.
        """
        model, network = self._model, self._model.network
        self._due = time.perf_counter() + SHARE * self._took
        if model.device.type == "cpu" and model.trainer.recipe.zero_stage < 3:
            network.pause = self._pause
        try:
            self._lessons.step()
        finally:
            network.pause = None

    def fail(self, error: Exception) -> None:
        """A step raised."""
        self._lessons.fail(error)

    def _pause(self) -> None:
        began = time.perf_counter()
        if began < self._due or not self._lessons.training or not self._answers:
            return
        network = self._model.network
        network.pause = None
        try:
            with network.dropout(None):
                self._answers.step()
        except Exception as error:
            log.exception("a step of the answers failed")
            self._answers.fail(error)
        finally:
            network.pause = self._pause
        ended = time.perf_counter()
        self._took = ended - began
        self._due = ended + SHARE * self._took
