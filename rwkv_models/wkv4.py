"""The wkv operator of RWKV-4: an average of all values read, weighted by their keys, the past fading (arXiv 2305.13048, eq. 16).

Shape letters: B batch, T time, C channels, G chunks (T padded to G*L), L chunk length.

    y_t = (exp(p) a + exp(u + k_t) v_t) / (exp(p) b + exp(u + k_t)),    a, b, p being the memory before token t
    exp(p') a' = exp(w + p) a + exp(k_t) v_t,    exp(p') b' = exp(w + p) b + exp(k_t),    w ≤ 0 the natural log of the decay

The memory [B, 3, C] is a, b and the exponent p that both are multiplied by, the largest so far: nothing overflows. p is a unit and no
quantity, as no output depends on how it is chosen; so it is taken as a constant, and the gradients to all that is one are exact.

Every implementation takes k, v [B, T, C], w, u [C], the memory, and keep [B, T, 1] or None: a token whose keep is 0 leaves the memory as
it is. It returns (y_BTC, memory_B3C), computed in the memory's type, with gradients to k, v, w, u, a and b.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

NOTHING = -1e30
"""The exponent of a memory that holds nothing. That of a token to be left out is lower still."""
LEFT_OUT = -1e38


def zero_memory(batch: int, channels: int, like: Tensor) -> Tensor:
    """The memory [B, 3, C] before anything was read."""
    memory_B3C = like.new_zeros(batch, 3, channels)
    memory_B3C[:, 2] = NOTHING
    return memory_B3C


def _write(k, v, w, a, b, p):
    """The memory after one token."""
    new = torch.maximum(w + p, k).detach()
    past, now = (w + p - new).exp(), (k - new).exp()
    return past * a + now * v, past * b + now, new


def _read(k, v, u, a, b, p):
    """What one token reads of the memory before it, and of itself."""
    top = torch.maximum(p, u + k).detach()
    past, now = (p - top).exp(), (u + k - top).exp()
    return (past * a + now * v) / (past * b + now)


def _left_out(k_BTC, w_C, keep_BT1):
    """Keys and decays of tokens, those to be left out with a weight of nothing and no decay."""
    if keep_BT1 is None:
        return k_BTC, w_C.expand_as(k_BTC)
    return k_BTC.masked_fill(keep_BT1 == 0, LEFT_OUT), w_C * keep_BT1.to(w_C.dtype)


def wkv4_sequential(k_BTC, v_BTC, w_C, u_C, memory_B3C, keep_BT1=None):
    """Token by token, as it is written; the oracle of the other. See the head of this file."""
    k_BTC, v_BTC = k_BTC.to(memory_B3C.dtype), v_BTC.to(memory_B3C.dtype)
    written_BTC, w_BTC = _left_out(k_BTC, w_C, keep_BT1)
    a, b, p = memory_B3C[:, 0], memory_B3C[:, 1], memory_B3C[:, 2].detach()
    out = []
    for t in range(k_BTC.shape[1]):
        out.append(_read(k_BTC[:, t], v_BTC[:, t], u_C, a, b, p))
        a, b, p = _write(written_BTC[:, t], v_BTC[:, t], w_BTC[:, t], a, b, p)
    return torch.stack(out, dim=1), torch.stack((a, b, p), dim=1)


def wkv4(k_BTC, v_BTC, w_C, u_C, memory_B3C, keep_BT1=None, chunk: int = 0):
    """The same by chunks of about √T tokens: all chunks read side by side as if nothing had been before, then what was is added.

    So T tokens are 2 √T steps one after another. See the head of this file.
    """
    B, T, C = k_BTC.shape
    L = min(chunk or math.isqrt(T), T)
    if L == 1 and not chunk:
        return wkv4_sequential(k_BTC, v_BTC, w_C, u_C, memory_B3C, keep_BT1)
    G = -(-T // L)
    dtype = memory_B3C.dtype
    written_BTC, w_BTC = _left_out(k_BTC.to(dtype), w_C, keep_BT1)
    chunks = lambda x_BTC, fill: F.pad(x_BTC, (0, 0, 0, G * L - T), value=fill).view(B, G, L, C)  # noqa: E731
    k, v = chunks(k_BTC.to(dtype), 0.0), chunks(v_BTC.to(dtype), 0.0)
    written, w = chunks(written_BTC, LEFT_OUT), chunks(w_BTC, 0.0)

    a = b = torch.zeros_like(k[:, :, 0])
    p = torch.full_like(a, NOTHING)
    inside = []
    for t in range(L):
        inside.append((a, b, p))
        a, b, p = _write(written[:, :, t], v[:, :, t], w[:, :, t], a, b, p)
    a_in, b_in, p_in = (torch.stack(kind, dim=2) for kind in zip(*inside, strict=True))

    faded = w.cumsum(dim=2)
    border, borders = memory_B3C.unbind(1), []
    border = (*border[:2], border[2].detach())
    for g in range(G):
        borders.append(border)
        border = _joined(border, faded[:, g, -1], (a[:, g], b[:, g], p[:, g]))
    before = tuple(torch.stack(kind, dim=1).unsqueeze(2) for kind in zip(*borders, strict=True))
    y = _read(k, v, u_C, *_joined(before, F.pad(faded[:, :, :-1], (0, 0, 1, 0)), (a_in, b_in, p_in)))
    return y.reshape(B, G * L, C)[:, :T], torch.stack(border, dim=1)


def _joined(before, faded, inside):
    """A memory that has faded since (log factor ≤ 0), and what was read since."""
    (a, b, p), (a_in, b_in, p_in) = before, inside
    new = torch.maximum(p + faded, p_in).detach()
    past, now = (p + faded - new).exp(), (p_in - new).exp()
    return past * a + now * a_in, past * b + now * b_in, new


def scaled(memory_B3C: Tensor, factor: float) -> Tensor:
    """A memory that weighs `factor` of what it did against what comes after."""
    return torch.cat((memory_B3C[:, :2] * factor, memory_B3C[:, 2:]), dim=1)


def mixed(one_B3C: Tensor, other_B3C: Tensor, share: float) -> Tensor:
    """A memory between two: what both hold, weighed by 1 - share and share."""
    top = torch.maximum(one_B3C[:, 2:], other_B3C[:, 2:])
    held = lambda m, weight: weight * (m[:, 2:] - top).exp() * m[:, :2]  # noqa: E731
    return torch.cat((held(one_B3C, 1 - share) + held(other_B3C, share), top), dim=1)
