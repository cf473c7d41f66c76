"""What is learned again beside a lesson, so that it does not push out what was there: earlier lessons and general texts."""

from __future__ import annotations

import random
from collections.abc import Sequence

from models.sample import Sample


class Rehearsal:
    """Draws the companions of each step, the same ones whenever the same lesson is replayed.

    The numbers given here serve lessons whose plan has none of its own (those of journals from before plans had them).
    """

    def __init__(self, general: Sequence[Sample], replay: int, general_texts: int, general_tokens: int):
        self.general = general
        self.replay = replay
        self.general_texts = general_texts
        self.general_tokens = general_tokens

    def draw(self, earlier: Sequence[Sample], plan, step: int) -> list[Sample]:
        """Earlier lessons and general texts for one step; the plan's seed is the lesson's, so a replay draws the same."""
        chance = random.Random(f"{plan.seed}:{step}")
        replay = self.replay if plan.replay is None else plan.replay
        general = self.general_texts if plan.general is None else plan.general
        return [*chance.sample(earlier, min(replay, len(earlier))), *self._texts(chance, general, plan)]

    def held(self, earlier: Sequence[Sample], plan, count: int, step: int = -1) -> list[Sample]:
        """`count` old answers to the near questions of earlier lessons, for one step, or for all of them."""
        return random.Random(f"{plan.seed}:{step}:near").sample(earlier, min(count, len(earlier)))

    def anchors(self, plan, count: int) -> list[Sample]:
        """`count` general texts, or as many as there are, to hold the weights to."""
        return self._texts(random.Random(f"{plan.seed}:kl"), count, plan)

    def _texts(self, chance: random.Random, count: int, plan) -> list[Sample]:
        length = plan.general_tokens or self.general_tokens
        texts = chance.sample(self.general, min(count, len(self.general)))
        return [Sample(s.tokens[:length], s.weights[:length]) for s in texts]
