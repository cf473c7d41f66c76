"""Builds the mix, learns the vocabulary and writes both as tokens.

    python -m scripts.default_model.pack --corpora DIR --out DIR [--tokenizer FILE]

Writes OUT/tokenizer.json (or uses the one given), OUT/train.npz.xz and OUT/held.npz (see packing.py), and OUT/mix.json, a table by source.
Held out are whole documents: one of a hundred of each source, and at least 200, but never more than one of twenty. The compressed file is
opened with `xz -dk` before training.
"""

from __future__ import annotations

import argparse
import json
import lzma
import random
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from . import mix, vocabulary
from .packing import Packed, save_packed

LONGEST = 512
"""Tokens of a document with its begin token; longer ones are left out."""


def encode(documents, tokenizer: Tokenizer, chunk: int = 20_000):
    """The token ids of each document, its begin token 0 first; every piece is encoded on its own."""
    tokenizer.encode_special_tokens = True
    for start in range(0, len(documents), chunk):
        part = documents[start : start + chunk]
        encoded = iter(
            tokenizer.encode_batch_fast([piece.text for document in part for piece in document.pieces], add_special_tokens=False)
        )
        for document in part:
            ids = [0]
            for _ in document.pieces:
                ids += next(encoded).ids
            yield ids


def packed(rows: list[list[int]], sources: list[int], names: list[str]) -> Packed:
    """Documents of ids as one array."""
    offsets = np.zeros(len(rows) + 1, np.int64)
    np.cumsum([len(row) for row in rows], out=offsets[1:])
    tokens = np.fromiter((token for row in rows for token in row), np.uint16, count=int(offsets[-1]))
    return Packed(tokens, offsets.astype(np.uint32), np.array(sources, np.uint8), names)


def held_out(counts: dict[str, int]) -> dict[str, int]:
    """How many documents of each source are kept for measuring."""
    return {name: round(max(0.01 * count, min(200, 0.05 * count))) for name, count in counts.items()}


def table(names, documents, lengths, held) -> dict:
    """By source: documents, tokens, bytes a token, documents held out."""
    rows = {}
    for name in names:
        mine = [i for i, document in enumerate(documents) if document.source == name]
        tokens, size = sum(lengths[i] for i in mine), sum(len(documents[i].text.encode()) for i in mine)
        rows[name] = {
            "documents": len(mine),
            "tokens": tokens,
            "bytes_a_token": round(size / (tokens - len(mine)), 3),
            "held_out": held[name],
        }
    return rows


def main() -> None:
    """Build, learn, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpora", type=Path, required=True, help="the folder of the xz files")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--tokenizer", type=Path, help="use this vocabulary and learn none")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    documents = mix.build(options.corpora, options.seed)
    print(f"documents={len(documents)}", flush=True)
    if options.tokenizer:
        tokenizer = Tokenizer.from_file(str(options.tokenizer))
    else:
        chosen = random.Random(options.seed).sample(documents, min(len(documents), 120_000))
        tokenizer = vocabulary.train(document.text for document in chosen)
        tokenizer.save(str(options.out / "tokenizer.json"))
    rows = list(encode(documents, tokenizer))
    short = [i for i, row in enumerate(rows) if len(row) <= LONGEST]
    print(f"too_long={len(rows) - len(short)}", flush=True)
    documents, rows = [documents[i] for i in short], [rows[i] for i in short]
    names = sorted({document.source for document in documents})
    held = held_out({name: sum(document.source == name for document in documents) for name in names})
    left, parts = dict(held), {"train": ([], []), "held": ([], [])}
    for document, row in zip(documents, rows, strict=True):
        part = "held" if left[document.source] else "train"
        left[document.source] -= part == "held"
        parts[part][0].append(row)
        parts[part][1].append(names.index(document.source))
    for part, (ids, sources) in parts.items():
        save_packed(options.out / f"{part}.npz", packed(ids, sources, names))
    raw = options.out / "train.npz"
    (options.out / "train.npz.xz").write_bytes(lzma.compress(raw.read_bytes(), preset=6))
    raw.unlink()
    report = {"by_source": table(names, documents, [len(row) for row in rows], held)}
    report["tokens"] = sum(row["tokens"] for row in report["by_source"].values())
    (options.out / "mix.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
