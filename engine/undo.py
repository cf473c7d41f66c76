"""The way back from a step."""

from __future__ import annotations

from rwkv_models.optimizer import Trainer


class Undo:
    """A copy of everything that a step moves; restoring it is exact to the bit."""

    def __init__(self, trainer: Trainer):
        self._trainer = trainer
        self._weights = [t.clone() for t in trainer.weights()]
        self._moments = [t.clone() for t in trainer.moments()]

    def restore(self) -> None:
        """Put the copy back."""
        for now, before in zip(self._trainer.weights(), self._weights, strict=True):
            now.copy_(before)
        moments = self._trainer.moments()
        for now, before in zip(moments, self._moments or [None] * len(moments), strict=True):
            now.zero_() if before is None else now.copy_(before)  # moments made by the first step of all began as zeros
