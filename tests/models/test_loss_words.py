"""The words for a loss: the same for every client, and never better than the loss."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.loss_words import BANDS, loss_words

LEVELS = ["mastered", "fairly clear", "so-so", "not learned"]
losses = st.floats(0, 100)


@pytest.mark.parametrize(
    ("after", "level"),
    [(0, "mastered"), (0.1, "mastered"), (0.11, "fairly clear"), (0.5, "fairly clear"), (0.51, "so-so"), (1.5, "so-so"), (1.51, "not learned")],
)
def test_the_lines_between_the_levels(after, level):
    for before in (None, 0.0, 3.0, math.nan):
        assert loss_words(before, after)["level"] == level


@given(first=losses, second=losses)
def test_a_lower_loss_is_never_called_worse(first, second):
    low, high = sorted((first, second))
    assert LEVELS.index(loss_words(1.0, low)["level"]) <= LEVELS.index(loss_words(1.0, high)["level"])


@given(before=losses, after=losses)
def test_both_sentences_say_which_way_it_went(before, after):
    told = loss_words(before, after)
    was, now = f"{before:.2f}", f"{after:.2f}"
    better, worse = was != now and after < before, was != now and after > before
    assert ("fell from" in told["en"], "降" in told["zh"]) == (better, better)
    assert ("got worse" in told["en"], "变差" in told["zh"]) == (worse, worse)
    assert ("stayed" in told["en"], "仍" in told["zh"]) == (was == now, was == now)
    for language in ("en", "zh"):
        assert now in told[language] and was in told[language]


@pytest.mark.parametrize("nothing", [None, math.nan, math.inf, -math.inf])
def test_a_loss_that_is_not_known(nothing):
    told = loss_words(0.5, nothing)
    assert told == loss_words(None, nothing) and told["level"] == "not learned"
    assert told["en"] == "Not learned: its loss is not known."
    assert loss_words(nothing, 0.05) == {"level": "mastered", "en": "Mastered: the loss is 0.05.", "zh": "已掌握：损失为 0.05。"}


def test_every_level_has_words_of_its_own():
    assert [band.level for band in BANDS] == LEVELS
    assert len({band.en for band in BANDS}) == len({band.zh for band in BANDS}) == 4
    for band in BANDS:
        told = loss_words(9.0, min(band.most, 5.0))
        assert told["en"].startswith(f"{band.en}: ") and told["zh"].startswith(f"{band.zh}：")
