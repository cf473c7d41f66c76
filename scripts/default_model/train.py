"""Train the embedded default model from nothing, with the project's own network.

    python -m scripts.default_model.train --data DIR --out DIR --minutes 8

DIR holds train.npz and held.npz (see packing.py). The rate follows a cosine over the time given. Writes the weights as bf16 safetensors in parts
of at most 12 MB, a log, held-out losses by source and greedy answers.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import save_file

from rwkv_models.initialise import initialise
from rwkv_models.optimizer import Recipe, parameter_groups
from rwkv_models.rwkv7 import RWKV7, Shape
from scripts.default_model.packing import Packed, load_packed, rows_of

SHAPE = Shape(layers=8, channels=256, vocabulary=4096)
QUESTIONS = (
    "Hello!", "What is a cat?", "How are you?", "What is my cat called?", "What is your name?", "Tell me a story.", "What color is the sky?",
    "What is 2 plus 3?", "I am sad today.", "What do you like to eat?", "Where do birds sleep?", "What is my name?", "Who are you?",
    "What is the capital of France?", "Can you help me?", "Why is the sun hot?", "What should I do today?", "Thank you!", "What is water?", "Good night.")


def loss_of(network: torch.nn.Module, tokens_BT: torch.Tensor, trained_BT: torch.Tensor) -> torch.Tensor:
    """Nats a trained token of rows [B, T]; the first token of a row is read only."""
    with torch.autocast(tokens_BT.device.type, torch.bfloat16):
        logits_BTV, _ = network(tokens_BT[:, :-1])
    nll = F.cross_entropy(logits_BTV.flatten(0, 1).float(), tokens_BT[:, 1:].flatten(), reduction="none")
    weights = trained_BT[:, 1:].flatten().float()
    return (nll * weights).sum() / weights.sum()


@torch.no_grad()
def held_out(network: torch.nn.Module, data: Packed, device: str) -> dict[str, tuple[float, int]]:
    """Nats a token and tokens, by source and in all, on documents kept apart."""
    found: dict[str, list[float]] = {}
    for source, name in enumerate(data.names):
        documents = np.flatnonzero(data.sources == source)
        pieces = [data.tokens[data.offsets[d] : min(data.offsets[d + 1], data.offsets[d] + 513)].astype(np.int64) for d in documents]
        pieces = [p for p in pieces if len(p) > 1]
        total = count = 0.0
        for start in range(0, len(pieces), 64):
            batch = pieces[start : start + 64]
            tokens, mask = torch.zeros(len(batch), 513, dtype=torch.long), torch.zeros(len(batch), 513)
            for i, p in enumerate(batch):
                tokens[i, : len(p)], mask[i, : len(p)] = torch.from_numpy(p), 1
            n = float(mask[:, 1:].sum())
            total += float(loss_of(network, tokens.to(device), mask.to(device))) * n
            count += n
        found[name] = (total / count, int(count))
    whole = sum(n for _, n in found.values())
    return {**found, "all": (sum(x * n for x, n in found.values()) / whole, whole)}


def write(network: torch.nn.Module, out: Path) -> dict[str, torch.Tensor]:
    """Its weights in bf16, as safetensors in parts of at most 12 MB; returns them."""
    state = {name: p.detach().to(torch.bfloat16).cpu().contiguous() for name, p in network.named_parameters()}
    names, size = [[]], 0
    for name, tensor in state.items():
        if size + tensor.nbytes > 12e6:
            names.append([])
            size = 0
        names[-1].append(name)
        size += tensor.nbytes
    for part, group in enumerate(names):
        save_file({name: state[name] for name in group}, out / f"model-{part}.safetensors")
    return state


def tell(network: torch.nn.Module, data: Path, out: Path, **facts: int) -> None:
    """Print and write what it comes to on the documents kept apart, beside these facts of the training."""
    report = held_out(network, load_packed(data / "held.npz"), network.emb.weight.device)
    for name, (value, count) in report.items():
        print(f"held_out source={name} nats={value:.4f} tokens={count}", flush=True)
    (out / "held_out.json").write_text(json.dumps({**facts, "by_source": report}, indent=1))


@torch.no_grad()
def answer(network: torch.nn.Module, prompt: list[int], most: int = 60) -> list[int]:
    """Greedy tokens after a prompt, up to the end of the turn."""
    device = network.emb.weight.device
    logits, state = network(torch.tensor([prompt], device=device), head="last")
    out: list[int] = []
    while len(out) < most:
        token = int(logits.argmax())
        if token == 0:
            break
        out.append(token)
        logits, state = network(torch.tensor([[token]], device=device), state, head="last")
    return out


def main() -> None:
    """Train, evaluate, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=8)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--lr", type=float, default=2.5e-3)
    parser.add_argument("--weight-decay", type=float, default=0.1)
    parser.add_argument("--tokenizer", type=Path)
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.backends.cuda.matmul.allow_tf32 = True
    torch.manual_seed(options.seed)
    begun = time.time()
    rows, trained = rows_of(load_packed(options.data / "train.npz"), 513, options.seed)
    print(f"rows={len(rows)} filled={trained.mean():.4f} packing_s={time.time() - begun:.1f}", flush=True)
    rows_RT, trained_RT = torch.from_numpy(rows.astype(np.int16)).to(device), torch.from_numpy(trained).to(device)
    network = initialise(RWKV7(SHAPE)).to(device)
    recipe = Recipe(lr=options.lr, betas=(0.9, 0.98), weight_decay=options.weight_decay)
    groups = parameter_groups(network, recipe)
    optimizer = torch.optim.AdamW(groups, betas=recipe.betas, eps=1e-12, fused=device == "cuda")
    if options.compile:
        for block in network.blocks:
            block.compile(dynamic=False)
    log = open(options.out / "log.jsonl", "w")
    step, started, smooth = 0, None, None
    order = torch.randperm(len(rows), device=device)
    place = 0
    while True:
        if place + options.batch > len(rows):
            order, place = torch.randperm(len(rows), device=device), 0
        picked = order[place : place + options.batch]
        place += options.batch
        done = 0.0 if started is None else (time.time() - started) / (options.minutes * 60)
        if done >= 1:
            break
        rate = min(1.0, (step + 1) / 100) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * done)))
        for group in optimizer.param_groups:
            group["lr"] = options.lr * group["rate"] * rate
        loss = loss_of(network, rows_RT[picked].long(), trained_RT[picked])
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        step += 1
        if step == 5:  # compilation and warm-up are not training time
            float(loss)
            started = time.time()
        if step % 50 == 0:
            value = float(loss)
            smooth = value if smooth is None else 0.8 * smooth + 0.2 * value
            speed = (step - 5) * options.batch * 512 / (time.time() - started)
            print(f"step={step} loss={value:.4f} smooth={smooth:.4f} rate={rate:.3f} tokens_per_s={speed:.0f} epoch={step * options.batch / len(rows):.2f}", flush=True)
            print(json.dumps({"step": step, "loss": value, "rate": rate, "tokens_per_s": speed}), file=log, flush=True)
    state = write(network, options.out)
    network = RWKV7(SHAPE)
    network.load_state_dict({name: t.float() for name, t in state.items()})
    network.to(device).eval()
    tell(network, options.data, options.out, steps=step, tokens=step * options.batch * 512)
    if options.tokenizer:
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_file(str(options.tokenizer))
        encode = lambda text: tokenizer.encode(text).ids  # noqa: E731
        told = [("My cat is called Zubra.", "Okay, I will remember that."), ("What is a tree?", "A tree is a tall plant.")]
        context = [t for q, a in told for t in [*encode("User:"), *encode(f" {q}\n\n"), *encode("Assistant:"), *encode(f" {a}\n\n")]]
        for question, before in [*((q, []) for q in QUESTIONS), ("What is my cat called?", context), ("What is my dog called?", context), ("Who is Zubra?", context)]:
            prompt = [0, *before, *encode("User:"), *encode(f" {question}\n\n"), *encode("Assistant:")]
            words = tokenizer.decode(answer(network, prompt)).split("\n\n")[0].strip()
            print(f"sample {question!r} -> {words!r}", flush=True)


if __name__ == "__main__":
    main()
