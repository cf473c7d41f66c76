"""Write general.jsonl: short chats that the model itself makes up, for the probe and for rehearsal beside lessons.

    python -m scripts.default_model.general rwkv_models/tiny --count 240

A model's own words hold what it was where a lesson pulls, and ask for nobody's text.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import orjson
import torch

from models.json_tokenizer import JsonTokenizer
from rwkv_models.weights_file import load_network

GOOD = re.compile(r"[A-Za-z0-9 ,.'!?\-]{2,160}")


@torch.inference_mode()
def chats(network, tokenizer, count: int, most: int, generator: torch.Generator) -> list[list[dict]]:
    """Sample `count` conversations from "User:" on; those that are cut or odd are left out."""
    opening = [0, *tokenizer.encode("User:")]
    logits, state = network(torch.tensor([opening] * count), head="last")
    tokens: list[list[int]] = [[] for _ in range(count)]
    for _ in range(most):
        p = torch.softmax(logits / 0.8, dim=-1)
        p[p < p.max(dim=-1, keepdim=True).values * 0.02] = 0
        drawn = torch.multinomial(p, 1, generator=generator)
        for row, token in zip(tokens, drawn[:, 0].tolist(), strict=True):
            row.append(token)
        logits, state = network(drawn, state, head="last")
    found = []
    for row in tokens:
        whole = row[: row.index(0)] if 0 in row else row
        turns = ("User:" + tokenizer.decode(whole)).split("\n\n")[:-1]
        messages = []
        for i, turn in enumerate(turns[:4]):
            name, _, text = turn.partition(": ")
            if name != ("User", "Assistant")[i % 2] or not GOOD.fullmatch(text):
                break
            messages.append({"role": name.lower(), "text": text})
        if len(messages) >= 2:
            found.append(messages[: len(messages) // 2 * 2])
    return found


def main() -> None:
    """Sample until there are enough different ones."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=240)
    parser.add_argument("--seed", type=int, default=5)
    options = parser.parse_args()
    network = load_network(options.folder / "model.safetensors", torch.float32)
    tokenizer = JsonTokenizer(options.folder / "tokenizer.json")
    generator = torch.Generator().manual_seed(options.seed)
    seen: dict[str, list[dict]] = {}
    while len(seen) < options.count:
        for messages in chats(network, tokenizer, 64, 90, generator):
            seen.setdefault(messages[0]["text"], messages)
    lines = [orjson.dumps({"messages": m}) for m in list(seen.values())[: options.count]]
    (options.folder / "general.jsonl").write_bytes(b"\n".join(lines) + b"\n")


if __name__ == "__main__":
    main()
