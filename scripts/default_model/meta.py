"""Make a trained model teachable: practise lessons, and learn from what became of them.

    python -m scripts.default_model.meta --model FILE --data DIR --episodes FILE --out DIR --minutes 5

Many episodes go on side by side, each with its own change of the ffn.value matrices. In each step each is taught one more fact, as the program
teaches one: steps of gradient descent on the loss of the answer and of some earlier lessons, the gradient cut to a norm of 1, until the loss is
0.1. Then all weights of the network learn (through these steps, by their second derivatives) that afterwards the fact is known, in other words
and other forms too, that earlier ones still are, that what is near is answered as before, and that texts of the mix are read as before. Beside
that they learn the mix, from its tokens and from what the model said of them before, and to say of what was not taught that it is not known. Episodes end at random, after a hundred facts at most.

DIR holds train.npz and held.npz (see packing.py), the episodes' file is that of episodes.py. Writes what train.py writes.

Shape letters: E episodes, R rows of an episode, T time, F facts of an episode.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor

from rwkv_models.optimizer import Recipe, parameter_groups
from rwkv_models.rwkv7 import RWKV7
from scripts.default_model.episodes import FORMS
from scripts.default_model.fast_weights import changed, twice_differentiable, with_fast_weights
from scripts.default_model.packing import load_packed, rows_of
from scripts.default_model.train import SHAPE, tell, write

FACTS = 96
"""Facts of an episode at most."""
KINDS = 14
"""Kinds of facts of an episode: so few that many are alike."""
NEW = ("lesson", "paraphrase", "paraphrase", "paraphrase", "yes", "no", "back", "near", "near", "near")
OLD = ("lesson", "paraphrase", "near")
WEIGHTS = {"lesson": 1.0, "paraphrase": 1.0, "yes": 0.5, "no": 0.5, "back": 0.5, "said": 0.5, "chat": 1.0, "near": 2.0}


@dataclass(frozen=True)
class Rule:
    """How a lesson is learned inside."""

    lr: float = 0.4
    steps: int = 3
    until_loss: float = 0.1
    clip: float = 1.0
    replay: int = 4


class Practice:
    """Draws the rows of lessons and of what is asked after them."""

    def __init__(self, path: Path, seed: int):
        with np.load(path) as file:
            self.kinds = file["kinds"]
            self.rows = {size: (file[size], file[f"{size}_about"]) for size in ("short", "long")}
        self.count = len(self.kinds)
        self.chance = np.random.default_rng(seed)
        self.by_form = {form: self._table(form) for form in FORMS}
        bare = self.by_form["back"][:, 0] < 0
        self.by_form["back"][bare] = self.by_form["said"][bare]
        self.of_kind = [np.flatnonzero(self.kinds == kind) for kind in range(self.kinds.max() + 1)]
        _, alike = np.unique(self.keys(np.arange(self.count)), return_inverse=True)
        order = np.argsort(alike, kind="stable")
        self._alike = np.split(order, np.flatnonzero(np.diff(alike[order])) + 1), alike

    def _table(self, form: str) -> np.ndarray:
        """[facts, most]: the rows of a form that each fact has, over and over; -1 where it has none."""
        _, about = self.rows["long" if form == "chat" else "short"]
        found: list[list[int]] = [[] for _ in range(self.count)]
        for row in np.flatnonzero(about[:, 3] == FORMS.index(form)):
            found[about[row, 2]].append(row)
        return np.array([(rows * 4)[:4] if rows else [-1] * 4 for rows in found])

    def picked(self, facts: np.ndarray, forms: tuple[str, ...], valid: np.ndarray, taught: np.ndarray) -> tuple[np.ndarray, ...]:
        """A row of each form for each fact: (tokens [..., forms, T], weights of the tokens). facts [E, n], valid likewise, taught [E, F]."""
        size = "long" if forms == ("chat",) else "short"
        tokens, about = self.rows[size]
        first = self.chance.integers(0, 4, facts.shape)
        chosen, seen = [], {}
        for form in forms:
            seen[form] = seen.get(form, -1) + 1
            chosen.append(self.by_form[form][facts, (first + seen[form]) % 4])
        chosen = np.stack(chosen, axis=-1)
        at = about[np.maximum(chosen, 0)]
        place = np.arange(tokens.shape[1])
        mask = (place >= at[..., 0:1]) & (place < at[..., 1:2]) & ((chosen >= 0) & valid[..., None])[..., None]
        near = at[..., 3] == FORMS.index("near")
        keys = np.where(taught >= 0, self.keys(np.maximum(taught, 0)), -1)
        known = (at[..., 4][..., None] == keys[:, None, None, :]).any(-1)
        mask &= ~(near & known)[..., None]
        weight = np.array([WEIGHTS[form] for form in FORMS])[at[..., 3]]
        weights = mask * (weight / np.maximum(mask.sum(-1), 1))[..., None]
        return tokens[np.maximum(chosen, 0)], weights.astype(np.float32)

    def fact(self, kinds: np.ndarray, taught: np.ndarray) -> int:
        """One of some kinds; now and then one that was taught is told anew, as it has changed."""
        chance = self.chance
        earlier = taught[taught >= 0]
        if len(earlier) and chance.random() < 0.08:
            groups, alike = self._alike
            return chance.choice(groups[alike[chance.choice(earlier)]])
        return chance.choice(self.of_kind[chance.choice(kinds)])

    def keys(self, facts: np.ndarray) -> np.ndarray:
        """What each fact's question asks."""
        return self.rows["short"][1][self.by_form["lesson"][facts, 0], 4]


class Episodes:
    """Which facts each episode was taught."""

    def __init__(self, practice: Practice, count: int):
        self.practice, self.taught = practice, np.full((count, FACTS), -1)
        self.number = np.zeros(count, int)
        self.kinds = np.zeros((count, KINDS), int)

    def next(self, end: float, replay: int, old: int) -> dict[str, np.ndarray]:
        """The rows of a step, with whether an episode goes on: {"go_on" [E], "lesson", "new", "chat", "old", "near": (tokens, weights)}."""
        chance, practice, E = self.practice.chance, self.practice, len(self.number)
        go_on = (self.number > 0) & (self.number < FACTS) & (chance.random(E) >= end)
        self.taught[~go_on], self.number[~go_on] = -1, 0
        for i in np.flatnonzero(~go_on):
            self.kinds[i] = practice.kinds[chance.integers(0, practice.count, KINDS)]
        fact = np.array([practice.fact(self.kinds[i], self.taught[i]) for i in range(E)])
        twice = (practice.keys(np.maximum(self.taught, 0)) == practice.keys(fact)[:, None]) & (self.taught >= 0)
        before, self.taught = self.taught.copy(), np.where(twice, -1, self.taught)  # told anew: what was told before holds no longer
        valid = self.taught >= 0
        order = np.argsort(chance.random(valid.shape) + ~valid, axis=1)
        earlier = np.take_along_axis(self.taught, order, axis=1)
        shown, others = earlier[:, :replay], earlier[:, :old] if chance.random() < 0.5 else earlier[:, replay : replay + old]
        self.taught[np.arange(E), self.number] = fact
        self.number += 1
        everything = np.concatenate([before, fact[:, None]], axis=1)
        pick = lambda facts, forms: practice.picked(np.maximum(facts, 0), forms, facts >= 0, everything)  # noqa: E731
        one = fact[:, None]
        rows = {
            "lesson": pick(one, ("lesson",)),
            "replay": pick(shown, ("lesson",)),
            "new": pick(one, NEW),
            "chat": pick(one, ("chat",)),
            "old": pick(others, OLD),
        }
        flat = {name: tuple(x.reshape(E, -1, x.shape[-1]) for x in pair) for name, pair in rows.items()}
        inner = tuple(np.concatenate([flat["lesson"][i], flat["replay"][i]], axis=1) for i in (0, 1))
        outer = tuple(np.concatenate([flat["new"][i], flat["old"][i]], axis=1) for i in (0, 1))
        unknown = practice.picked(chance.integers(0, practice.count, (E, 1)), ("near",), np.ones((E, 1), bool), np.full((E, 1), -1))
        base = tuple(x.reshape(E, -1, x.shape[-1]) for x in unknown)
        return {"go_on": go_on.astype(np.float32), "inner": inner, "outer": outer, "chat": flat["chat"], "base": base}


def row_losses(network, tokens_ERT: Tensor, weights_ERT: Tensor) -> Tensor:
    """The weighted loss of each row [E, R]: nats a token, times the weight of its form."""
    E, R, T = tokens_ERT.shape
    rows_BT = tokens_ERT.reshape(E * R, T)
    logits_BTV, _ = network(rows_BT[:, :-1])
    nll = F.cross_entropy(logits_BTV.flatten(0, 1), rows_BT[:, 1:].flatten(), reduction="none").view(E, R, T - 1)
    return (nll * weights_ERT[..., 1:]).sum(-1)


def taught(network, matrices, begin: list[Tensor], tokens_ERT: Tensor, weights_ERT: Tensor, rule: Rule, again: bool = True) -> list[Tensor]:
    """The changes after the lesson, row 0 of each episode; the other rows are replayed beside it."""
    changes, going = begin, torch.ones(tokens_ERT.shape[0], device=tokens_ERT.device)
    for step in range(rule.steps):
        with changed(matrices, changes), twice_differentiable():
            losses_ER = row_losses(network, tokens_ERT, weights_ERT)
        if step:
            going = going * (losses_ER[:, 0].detach() > rule.until_loss)
        gradients = torch.autograd.grad(losses_ER.sum(), changes, create_graph=again)
        norm_E = torch.sqrt(sum(g.square().sum((1, 2)) for g in gradients) + 1e-12)
        size_E = rule.lr * going * torch.clamp(rule.clip / norm_E, max=1.0)
        changes = [c - size_E[:, None, None] * g for c, g in zip(changes, gradients, strict=True)]
    return changes


def divergence(logits_BTV: Tensor, old_BTV: Tensor, weights_BT: Tensor) -> Tensor:
    """Nats a weighted token from what the old logits say."""
    old = F.log_softmax(old_BTV.detach().float(), -1)
    each_BT = F.kl_div(F.log_softmax(logits_BTV.float(), -1), old, log_target=True, reduction="none").sum(-1)
    return (each_BT * weights_BT).sum() / weights_BT.sum()


def objective(network, teacher, matrices, begin, rows: dict, texts: dict, rule: Rule, hold: float) -> tuple[Tensor, list[Tensor], Tensor]:
    """(What all weights are to lower, the episodes' changes after the lesson, its parts for the log)."""
    after = taught(network, matrices, begin, *rows["inner"], rule)
    with changed(matrices, after):
        outer_ER = row_losses(network, *rows["outer"])
        chat_ER = row_losses(network, *rows["chat"])
    unknown_ER = row_losses(network, *rows["base"])
    tokens, trained = texts["tokens"], texts["trained"]
    logits_BTV, _ = network(tokens[:, :-1])
    weights = trained[:, 1:].float()
    mix = (
        F.cross_entropy(logits_BTV.flatten(0, 1).float(), tokens[:, 1:].flatten(), reduction="none") * weights.flatten()
    ).sum() / weights.sum()
    E = begin[0].shape[0]
    with changed(matrices, after):
        moved_BTV, _ = network(tokens[:E, :-1])
    held = divergence(moved_BTV, logits_BTV[:E], weights[:E])
    with torch.no_grad():
        before_BTV, _ = teacher(tokens[:, :-1])
    kept = divergence(logits_BTV, before_BTV, weights)
    new, n = outer_ER[:, : len(NEW)], len(NEW)
    per_form = lambda form: new[:, NEW.index(form) : NEW.index(form) + NEW.count(form)].mean() / WEIGHTS[form]  # noqa: E731
    old = outer_ER[:, n:].view(E, -1, len(OLD))
    parts = torch.stack(
        [
            *(per_form(form).detach() for form in ("lesson", "paraphrase", "yes", "no", "back", "near")),
            *(old[..., i].mean().detach() for i in range(len(OLD))),
            chat_ER.mean().detach(),
            unknown_ER.mean().detach(),
            mix.detach(),
            held.detach(),
            kept.detach(),
        ]
    )
    practised = (outer_ER.sum() + chat_ER.sum() + unknown_ER.sum()) / E / n
    return practised + mix + kept + hold * held, [c.detach() for c in after], parts


PARTS = (
    "lesson",
    "paraphrase",
    "yes",
    "no",
    "back",
    "near",
    "old_lesson",
    "old_paraphrase",
    "old_near",
    "chat",
    "unknown",
    "mix",
    "held",
    "kept",
)


class Step:
    """One step's gradient, on a GPU as a CUDA graph: thousands of small kernels at the cost of one launch."""

    def __init__(
        self, network, teacher, matrices, rule: Rule, hold: float, rows: dict, texts: dict, begin: list[Tensor], eager: bool = False
    ):
        self.network, self.teacher, self.matrices, self.rule, self.hold = network, teacher, matrices, rule, hold
        self.rows, self.texts, self.begin = rows, texts, begin
        self.after = [torch.zeros_like(b) for b in begin]
        self.graph = None
        if begin[0].is_cuda and not eager:
            stream = torch.cuda.Stream()
            stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(stream):
                for _ in range(2):
                    self._run()
            torch.cuda.current_stream().wait_stream(stream)
            network.zero_grad(set_to_none=True)
            self.graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self.graph):
                self._run()

    def _run(self) -> None:
        self.network.zero_grad(set_to_none=True)
        loss, self.after, self.parts = objective(
            self.network, self.teacher, self.matrices, self.begin, self.rows, self.texts, self.rule, self.hold
        )
        loss.backward(inputs=list(self.network.parameters()))
        self.loss = loss.detach()

    def __call__(self) -> None:
        """Gradients of the weights, `loss`, `parts`, and `after`, from what lies in rows, texts and begin now."""
        if self.graph is None:
            self._run()
        else:
            self.graph.replay()


def main() -> None:
    """Practise, write, measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True, nargs="+", help="the weights to begin with, in one file or in parts")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--episodes", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--count", type=int, default=64, help="episodes side by side")
    parser.add_argument("--texts", type=int, default=128, help="rows of the mix in a step")
    parser.add_argument("--length", type=int, default=257)
    parser.add_argument("--lr", type=float, default=6e-4)
    parser.add_argument("--hold", type=float, default=5.0, help="weight of the divergence on texts of the mix after a lesson")
    parser.add_argument("--lesson-lr", type=float, default=Rule.lr)
    parser.add_argument("--lesson-steps", type=int, default=Rule.steps)
    parser.add_argument("--steps", type=int, default=0, help="stop after so many (0: by the clock)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--eager", action="store_true", help="no CUDA graph")
    options = parser.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.backends.cuda.matmul.allow_tf32 = True
    torch.manual_seed(options.seed)
    rule = Rule(lr=options.lesson_lr, steps=options.lesson_steps)
    weights = {name: t.float() for file in options.model for name, t in load_file(file).items()}
    network, teacher = RWKV7(SHAPE), RWKV7(SHAPE)
    for one in (network, teacher):
        one.load_state_dict(weights)
        one.to(device)
    teacher.requires_grad_(False)
    matrices = with_fast_weights(network)
    rows_RT, trained_RT = (
        torch.from_numpy(x.astype(np.int64)).to(device)
        for x in rows_of(load_packed(options.data / "train.npz"), options.length, options.seed)
    )
    episodes = Episodes(Practice(options.episodes, options.seed), options.count)
    put = lambda pair: (torch.from_numpy(pair[0].astype(np.int64)).to(device), torch.from_numpy(pair[1]).to(device))  # noqa: E731
    begin = [torch.zeros(options.count, *m.weight.shape, device=device, requires_grad=True) for m in matrices]
    drawn = lambda: episodes.next(1 / (2 * FACTS), rule.replay, 4)  # noqa: E731
    first, some = drawn(), torch.arange(options.texts, device=device)
    rows = {name: put(pair) for name, pair in first.items() if name != "go_on"}
    texts = {"tokens": rows_RT[some].clone(), "trained": trained_RT[some].clone()}
    begun = time.time()
    step = Step(network, teacher, matrices, rule, options.hold, rows, texts, begin, options.eager)
    episodes.number[:], episodes.taught[:] = 0, -1
    recipe = Recipe(lr=options.lr, betas=(0.9, 0.98), weight_decay=0.1)
    optimizer = torch.optim.AdamW(parameter_groups(network, recipe), betas=recipe.betas, eps=1e-12, fused=device == "cuda")
    print(f"rows={len(rows_RT)} facts={episodes.practice.count} ready_s={time.time() - begun:.1f}", flush=True)
    log = open(options.out / "meta.jsonl", "w")
    number, started, sums = 0, time.time(), 0
    while True:
        done = number / options.steps if options.steps else (time.time() - started) / (options.minutes * 60)
        if done >= 1:
            break
        drawn_rows = drawn()
        go_on = torch.from_numpy(drawn_rows.pop("go_on")).to(device)
        for name, pair in drawn_rows.items():
            for target, source in zip(rows[name], put(pair), strict=True):
                target.copy_(source)
        picked = torch.randint(len(rows_RT), (options.texts,), device=device)
        texts["tokens"].copy_(rows_RT[picked])
        texts["trained"].copy_(trained_RT[picked])
        with torch.no_grad():
            for b, a in zip(begin, step.after, strict=True):
                b.copy_(torch.where(go_on[:, None, None] > 0, a, 0.0))
        step()
        rate = min(1.0, (number + 1) / 30) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * done)))
        for group in optimizer.param_groups:
            group["lr"] = options.lr * group["rate"] * rate
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        sums = sums + step.parts
        number += 1
        every = 50 if device == "cuda" else 1
        if number % every == 0:
            parts = dict(zip(PARTS, (sums / every).tolist(), strict=True))
            sums = 0
            print(
                f"step={number} s={time.time() - started:.0f} loss={float(step.loss):.3f} "
                + " ".join(f"{k}={v:.3f}" for k, v in parts.items()),
                flush=True,
            )
            print(json.dumps({"step": number, **parts}), file=log, flush=True)
    write(network, options.out)
    for matrix in matrices:
        matrix.change_EOI = None
    with torch.no_grad():
        for p in network.parameters():
            p.copy_(p.to(torch.bfloat16).float())
    tell(network.eval(), options.data, options.out, steps=number, lessons=number * options.count)


if __name__ == "__main__":
    main()
