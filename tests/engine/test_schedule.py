"""The step size at given steps, by the formulas."""

import math

import pytest

from config_scripts.schema import load_config
from engine.options import TrainOptions
from engine.plan import make_plan
from engine.schedule import schedule_factor

TRAIN = load_config().train


def plan_of(**options):
    return make_plan(TrainOptions(**options), set(options), TRAIN, 1)


def test_a_constant_rate_warms_up_in_equal_parts():
    plan = plan_of(lr=0.01, warmup=4)
    assert [plan.rate(1.0, step, 20) for step in range(6)] == pytest.approx([0.0025, 0.005, 0.0075, 0.01, 0.01, 0.01])


def test_an_initial_state_may_fall_from_1_to_a_hundredth():
    plan = plan_of(lr=1.0, schedule="cosine", lr_final=0.01)
    rates = [plan.rate(1.0, step, 101) for step in range(101)]
    assert rates[0] == 1.0 and rates[-1] == pytest.approx(0.01) and rates[50] == pytest.approx(0.505)
    assert rates == sorted(rates, reverse=True)
    for step in (10, 25, 90):
        assert rates[step] == pytest.approx(0.01 + 0.99 * (1 + math.cos(math.pi * step / 100)) / 2)


def test_the_cosine_begins_after_the_warm_up():
    plan = plan_of(lr=0.1, schedule="cosine", warmup=10, lr_final=0.0)
    assert plan.rate(1.0, 9, 31) == pytest.approx(0.1) == plan.rate(1.0, 10, 31)
    assert plan.rate(1.0, 20, 31) == pytest.approx(0.05) and plan.rate(1.0, 30, 31) == pytest.approx(0.0)


def test_wsd_is_stable_and_falls_over_the_last_fifth():
    plan = plan_of(lr=0.1, schedule="wsd", warmup=5, lr_final=0.2)
    rates = [plan.rate(1.0, step, 100) for step in range(100)]
    assert set(rates[5:80]) == {0.1} and rates[99] == pytest.approx(0.02)
    assert rates[89] == pytest.approx(0.1 * (1 - 0.8 * 10 / 20))


@pytest.mark.parametrize("schedule", ["constant", "cosine", "wsd"])
@pytest.mark.parametrize("steps", [1, 2, 3, 7])
def test_short_runs_have_a_rate_at_every_step(schedule, steps):
    for warmup in (0, 1, 3, 50):
        assert all(0 < schedule_factor(schedule, step, steps, warmup, 0.1) <= 1 for step in range(steps + 2))


def test_the_bands_scale_what_the_schedule_gives():
    plan = plan_of(lr=0.1, schedule="cosine", lr_final=0.0, min_loss=0.5, max_loss=2.0, min_loss_fix=0.05, max_loss_fix=1.5)
    assert [plan.rate(loss, 5, 11) for loss in (0.4, 1.0, 2.5)] == pytest.approx([0.0025, 0.05, 0.075])
