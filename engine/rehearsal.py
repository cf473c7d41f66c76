"""What is learned again beside a lesson, so that it does not push out what was there: earlier lessons and general texts."""

from __future__ import annotations

import random
from collections.abc import Sequence

from models.sample import Sample


class Rehearsal:
    """Draws the companions of each step, the same ones whenever the same lesson is replayed."""

    def __init__(self, general: Sequence[Sample], replay: int, general_texts: int, general_tokens: int):
        self.general = [Sample(s.tokens[:general_tokens], s.weights[:general_tokens]) for s in general]
        self.replay = replay
        self.general_texts = general_texts

    def draw(self, earlier: Sequence[Sample], seed: int, step: int) -> list[Sample]:
        """Earlier lessons and general texts for one step; `seed` is the lesson's, so a replay draws the same."""
        chance = random.Random(f"{seed}:{step}")
        return [*chance.sample(earlier, min(self.replay, len(earlier))),
                *chance.sample(self.general, min(self.general_texts, len(self.general)))]
