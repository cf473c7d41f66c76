"""Drawing tokens: greedy, cuts, penalties, bans, seeds."""

import math
from collections import Counter

import pytest
import torch

from engine.options import InferOptions
from engine.sampler import Sampler

LOGITS = torch.log(torch.tensor([0.5, 0.3, 0.15, 0.05]))


def draws(count, logits=LOGITS, **options):
    sampler = Sampler(InferOptions(**{"top_p": 1.0, "seed": 1, **options}), 4)
    return [sampler.draw(logits)[0] for _ in range(count)]


def test_temperature_zero_is_greedy():
    assert set(draws(20, temperature=0.0)) == {0}


def test_shares_follow_the_probabilities_and_the_temperature():
    shares = Counter(draws(6000))
    assert all(abs(shares[i] / 6000 - p) < 0.025 for i, p in enumerate((0.5, 0.3, 0.15, 0.05)))
    sharp = Counter(draws(6000, temperature=0.5))
    assert abs(sharp[0] / 6000 - 0.25 / (0.25 + 0.09 + 0.0225 + 0.0025)) < 0.025


@pytest.mark.parametrize(("cut", "left"), [({"top_p": 0.5}, {0}), ({"top_p": 0.51}, {0, 1}), ({"top_p": 0.81}, {0, 1, 2}), ({"top_k": 2}, {0, 1})])
def test_cuts(cut, left):
    assert set(draws(400, **cut)) == left


def test_the_same_seed_draws_the_same_and_another_does_not():
    assert draws(50, seed=7) == draws(50, seed=7) != draws(50, seed=8)


def test_banned_tokens_are_never_drawn():
    assert 0 not in draws(300, ban_tokens=[0, 99999])
    assert set(draws(5, temperature=0.0, ban_tokens=[0])) == {1}


def test_penalties_push_away_what_was_written_and_decay():
    assert draws(3, temperature=0.0, presence_penalty=1.0) == [0, 1, 0] or draws(2, temperature=0.0, presence_penalty=1.0)[1] == 1
    falling = draws(4, temperature=0.0, frequency_penalty=0.6, penalty_decay=1.0)
    assert falling[:2] == [0, 1]
    forgetting = Sampler(InferOptions(temperature=0.0, frequency_penalty=0.6, penalty_decay=0.0), 4)
    assert [forgetting.draw(LOGITS)[0] for _ in range(3)] == [0, 1, 0]


def test_log_probabilities_are_the_models_own():
    sampler = Sampler(InferOptions(temperature=0.0, logprobs=2, ban_tokens=[0]), 4)
    token, likely = sampler.draw(LOGITS)
    assert token == 1 and [t for t, _ in likely] == [1, 0, 1]
    assert math.isclose(likely[0][1], math.log(0.3), rel_tol=1e-5)
