"""Two 64-bit sums over the words of each of many tensors, as one Triton kernel. rwkv_models/checksum.py starts it."""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def _mixed(z):
    """SplitMix64's finaliser (Steele, Lea and Flood 2014): every bit of z reaches every bit of what comes out."""
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB
    return z ^ (z >> 31)


@triton.jit
def word_sums(pieces_p, sums_p, BLOCK: tl.constexpr, STEPS: tl.constexpr):
    """sums [programs, 2]: each word with its place, mixed, once and once more; added up modulo 2^64, in which order does not matter.

    pieces [programs, 3]: the address of a tensor, its words, and the first of them that is the program's.
    """
    piece_p = pieces_p + tl.program_id(0) * 3
    x_p = tl.load(piece_p).to(tl.pointer_type(tl.int32))
    n, start = tl.load(piece_p + 1), tl.load(piece_p + 2)
    once, twice = tl.zeros([BLOCK], tl.uint64), tl.zeros([BLOCK], tl.uint64)
    for step in range(0, tl.minimum(tl.cdiv(n - start, BLOCK), STEPS)):
        i = start + step * BLOCK + tl.arange(0, BLOCK)
        exists = i < n
        word = tl.load(x_p + i, mask=exists, other=0).to(tl.uint64) & 0xFFFFFFFF
        z = _mixed(word + (i + 1).to(tl.uint64) * 0x9E3779B97F4A7C15)
        once += tl.where(exists, z, 0)
        twice += tl.where(exists, _mixed(z + 0xD1B54A32D192ED03), 0)
    tl.store(sums_p + tl.program_id(0) * 2, tl.sum(once, 0).to(tl.int64, bitcast=True))
    tl.store(sums_p + tl.program_id(0) * 2 + 1, tl.sum(twice, 0).to(tl.int64, bitcast=True))
