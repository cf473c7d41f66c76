"""Packed training data: documents of token ids, and rows of them.

A packed file is a numpy archive: `packed` holds two 12-bit token ids in three bytes, `n` their number, `off` where each
document begins, `src` its source as an index into `names`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np


@dataclass(frozen=True)
class Packed:
    """Documents one after another. tokens [n] uint16; offsets [documents + 1]; sources [documents]."""

    tokens: np.ndarray
    offsets: np.ndarray
    sources: np.ndarray
    names: list[str]


def load_packed(path: Path) -> Packed:
    """Read a packed file."""
    with np.load(path) as file:
        three = file["packed"].astype(np.uint32)
        pair = three[:, 0] | three[:, 1] << 8 | three[:, 2] << 16
        tokens = np.stack([pair & 4095, pair >> 12], axis=1).reshape(-1)[: int(file["n"])].astype(np.uint16)
        return Packed(tokens, file["off"], file["src"], [str(name) for name in file["names"]])


def rows_of(data: Packed, length: int, seed: int, open_rows: int = 48) -> tuple[np.ndarray, np.ndarray]:
    """Whole documents in rows: (rows [R, length] uint16, trained [R, length] bool, False on padding).

    Documents come in random order; each goes to the open row that it fills best. A document longer than a row is cut.
    """
    chance = np.random.default_rng(seed)
    rows: list[list[int]] = []
    room = np.full(open_rows, length)
    parts: list[list[np.ndarray]] = [[] for _ in range(open_rows)]

    def close(i: int) -> None:
        rows.append(parts[i])
        parts[i], room[i] = [], length

    for d in chance.permutation(len(data.sources)):
        document = data.tokens[data.offsets[d] : min(data.offsets[d + 1], data.offsets[d] + length)]
        left = room - len(document)
        left[left < 0] = length + 1
        i = int(left.argmin())
        if left[i] > length:
            i = int(room.argmin())
            close(i)
        parts[i].append(document)
        room[i] -= len(document)
        if room[i] < 8:
            close(i)
    for i in range(open_rows):
        if parts[i]:
            close(i)
    tokens, trained = np.zeros((len(rows), length), np.uint16), np.zeros((len(rows), length), bool)
    for row, documents in enumerate(rows):
        joined = np.concatenate(documents)
        tokens[row, : len(joined)], trained[row, : len(joined)] = joined, True
    return tokens, trained


def save_packed(path: Path, data: Packed) -> None:
    """Write a packed file, as `load_packed` reads it."""
    ids = np.append(data.tokens, np.zeros(len(data.tokens) % 2, np.uint16)).astype(np.uint32)
    pair = ids[0::2] | ids[1::2] << 12
    three = np.stack([pair & 255, pair >> 8 & 255, pair >> 16], axis=1).astype(np.uint8)
    np.savez(path, packed=three, n=len(data.tokens), off=data.offsets, src=data.sources, names=np.array(data.names))
