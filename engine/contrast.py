"""A right answer and the rejected one, after the same context.

Shape letters: B = 1 sample, T targets.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from engine.plan import Plan
from models.sample import Sample
from rwkv_models.chunks import Batch
from rwkv_models.objectives import preference_scale


@dataclass(frozen=True)
class Contrast:
    """What dpo and unlikelihood compare.

    right      the sample, its weights normalised
    fork_BT    1 from the first token in which the answers differ, else 0. What comes before has the same context and the
               same tokens in both: in dpo it cancels, and unlikelihood would forbid words of the right answer
    wrong      the rejected tokens, each of weight 1 from the fork on
    """

    right: Batch
    fork_BT: Tensor
    wrong: Batch

    @classmethod
    def of(cls, sample: Sample, device: torch.device | str) -> Contrast:
        """The pair of a sample that has a rejected answer."""
        from_fork = lambda tokens: [float(i >= sample.fork) for i in range(len(tokens))]  # noqa: E731
        wrong = Batch.of([(sample.rejected, from_fork(sample.rejected))], device)
        fork = Batch.of([(sample.tokens, from_fork(sample.tokens))], device).weights_BT
        right = Batch.of([(sample.tokens, sample.weights)], device).normalised()
        return cls(right, fork * (right.weights_BT != 0), wrong)

    def preference(self, right_BT: Tensor, wrong_BT: Tensor) -> float:
        """log p(right) - log p(wrong), nats over the answers, from the losses of each position of `right` and `wrong`."""
        return float(wrong_BT.sum() - (right_BT * self.fork_BT).sum())

    def parts(self, plan: Plan, margin: float, share: float) -> list[Batch]:
        """Batches whose gradients add up to the objective's, times `share`; margin: how far the preference has risen."""
        right = self.right.scaled(plan.sft_weight * share)
        if plan.objective == "unlikelihood":
            return [right, replace(self.wrong.normalised().scaled(share), unlikely=True)]
        push = preference_scale(plan.beta, margin) * share
        return [replace(right, weights_BT=right.weights_BT + push * self.fork_BT), self.wrong.scaled(-push)]
