"""How the step size goes over the steps of a long run."""

from __future__ import annotations

import math

DECAY_SHARE = 0.2  # of the steps, at the end of "wsd"


def schedule_factor(schedule: str, step: int, steps: int, warmup: int, final: float) -> float:
    """What multiplies the step size at `step` (from 0) of `steps`.

    warmup    (step + 1) / warmup in the first `warmup` steps
    constant  1
    cosine    from 1 at the first step after the warm-up to `final` at the last, along half a cosine
    wsd       1, then straight down to `final` over the last fifth (warm-up, stable, decay: arXiv 2404.06395)
    """
    if step < warmup:
        return (step + 1) / warmup
    first, last = warmup, steps - 1
    if schedule == "wsd":
        first = max(warmup, last - max(1, round(DECAY_SHARE * steps)))
    if schedule == "constant" or step <= first:
        return 1.0
    done = min(1.0, (step - first) / (last - first)) if last > first else 1.0
    return final + (1 - final) * (0.5 * (1 + math.cos(math.pi * done)) if schedule == "cosine" else 1 - done)
