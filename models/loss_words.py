"""What a lesson came to, in words: one place for every client."""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

Level = Literal["mastered", "fairly clear", "so-so", "not learned"]


class Band(NamedTuple):
    """The losses up to `most`, in nats a trained token, and what they are called."""

    most: float
    level: Level
    en: str
    zh: str


BANDS = (
    Band(0.1, "mastered", "Mastered", "已掌握"),
    Band(0.5, "fairly clear", "Fairly clear", "比较清楚"),
    Band(1.5, "so-so", "So-so", "一知半解"),
    Band(math.inf, "not learned", "Not learned", "没学会"),
)
"""At 0.1 the greedy answer is nearly always the taught one; 0.5 and 1.5 are where the original RWKV-Ouroboros drew the lines
between what is known already, what is being learned, and what is far from the model."""


def loss_words(before: float | None, after: float | None) -> dict[str, str]:
    """{"level", "en", "zh"} of a lesson, by its mean loss (nats a trained token) before and after.

    The level says how well it is known now, the sentences also whether that is better or worse than before. None, NaN and
    infinity stand for a loss that is not known: without the loss after, the lesson counts as not learned.
    """
    if after is None or not math.isfinite(after):
        worst = BANDS[-1]
        return {"level": worst.level, "en": f"{worst.en}: its loss is not known.", "zh": f"{worst.zh}：不知道损失是多少。"}
    band = next(band for band in BANDS if after <= band.most)
    now = f"{after:.2f}"
    if before is None or not math.isfinite(before):
        en, zh = f"the loss is {now}.", f"损失为 {now}。"
    elif (was := f"{before:.2f}") == now:
        en, zh = f"the loss stayed at {now}.", f"损失仍为 {now}。"
    elif after < before:
        en, zh = f"the loss fell from {was} to {now}.", f"损失从 {was} 降到 {now}。"
    else:
        en, zh = f"the loss got worse, from {was} to {now}.", f"损失变差了，从 {was} 升到 {now}。"
    return {"level": band.level, "en": f"{band.en}: {en}", "zh": f"{band.zh}：{zh}"}
