"""Losses of 20 steps in each mode, at full precision: `python -m tests.golden.losses` writes them anew, on purpose.

Everything is float64, the first weights come from whole numbers, and the optimizer is plain descent: CPUs agree to about
1e-12. Adam divides by the size of a gradient, so that what is 0 up to rounding would not agree.
"""

import dataclasses
import json
from pathlib import Path

import torch

from engine.lesson_run import LessonRun
from engine.plan import Plan
from engine.rehearsal import Rehearsal
from models.sample import Sample
from rwkv_models.rwkv7 import RWKV7, Shape
from tests.engine.plain_trainer import PlainTrainer

FILE = Path(__file__).with_name("losses.json")
PLAN = Plan(mode="plain", lr=0.02, epochs=10, until_loss=None, max_epochs=20, min_loss=1.0, max_loss=4.0, min_loss_fix=0.5,
            max_loss_fix=1.05, ctx_len=16, window=3, bptt_range=2, keep_state=False, refuse_above=50.0, carry_moments=False, seed=3,
            replay=1, general=2, general_tokens=12)
WAYS = {
    "plain": {},
    "wani-bot": {"mode": "wani-bot"},
    "pico": {"mode": "pico"},
    "wani-bot, training memory": {"mode": "wani-bot", "keep_state": True},
    "pico, accumulated, cosine": {"mode": "pico", "epochs": 20, "accumulate": 2, "schedule": "cosine", "warmup": 3},
    "plain, dpo, kl": {"objective": "dpo", "kl": 0.5, "kl_texts": 2, "beta": 0.5},
    "wani-bot, unlikelihood": {"mode": "wani-bot", "objective": "unlikelihood"},
}


def whole_numbers(count: int, below: int, seed: int) -> list[int]:
    """Pseudo-random numbers from whole ones alone (a linear congruence), so that no library decides them."""
    found = []
    for _ in range(count):
        seed = (seed * 6364136223846793005 + 1442695040888963407) % 2**64
        found.append((seed >> 33) % below)
    return found


def network() -> RWKV7:
    """A small network in float64, no parameter of which is zero."""
    made = RWKV7(Shape(layers=2, channels=32, vocabulary=40, head_size=16)).double()
    with torch.no_grad():
        for number, (name, p) in enumerate(made.named_parameters()):
            noise = torch.tensor(whole_numbers(p.numel(), 2001, number + 1), dtype=torch.float64).view(p.shape) / 1000 - 1
            gain = name.endswith(("ln1.weight", "ln2.weight", "ln0.weight", "ln_x.weight", "ln_out.weight"))
            p.copy_(1 + 0.1 * noise if gain else 0.5 * noise if name.endswith((".x_r", ".x_k", ".x_v")) else 0.3 * noise)
    return made


def sample(length: int, seed: int, rejected: int = 0) -> Sample:
    """Odd weights, some of them 0."""
    tokens = whole_numbers(length, 40, seed)
    other = (*tokens[: length // 2], (tokens[length // 2] + 1) % 40, *whole_numbers(rejected, 40, seed + 50)) if rejected else ()
    return Sample(tuple(tokens), tuple(w / 2 for w in whole_numbers(length, 4, seed + 99)), other)


def losses(**changes) -> list[float]:
    """The loss of each step."""
    general = [sample(20, 200 + i) for i in range(6)]
    run = LessonRun(PlainTrainer(network()), [sample(53, 1, 9), sample(30, 2, 12)], dataclasses.replace(PLAN, **changes),
                    Rehearsal(general, 0, 0, 12), [sample(25, 300), sample(18, 301)])
    return [event["loss"] for event in run.steps() if event]


if __name__ == "__main__":
    FILE.write_text(json.dumps({way: losses(**changes) for way, changes in WAYS.items()}, indent=1) + "\n")
    print(FILE)
