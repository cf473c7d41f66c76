"""The wkv operator of RWKV-5 and RWKV-6: a matrix that fades per key channel and to which each token adds one pair (arXiv 2404.05892).

Shape letters: B batch, T time, H heads, N size of a head (value rows by key columns in the state), X = B*H, G chunks (T padded to G*L),
L chunk length, M blocks of h tokens.

    y_t = (S + v_t (u * k_t)^T) r_t    S' = S diag(exp(w_t)) + v_t k_t^T

Every implementation takes r, k, v, w [B, T, H, N], u [H, N] and the state; w ≤ 0 is the natural log of the decay, of any size, and may be
an expanded view where it is the same for all tokens (RWKV-5). It returns (y_BTHN, state_BHNN), with gradients to all six inputs, computed
in the state's type (fp32, or float64).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F

CHUNK = 32  # a power of two


def wkv6_sequential(r_BTHN, k_BTHN, v_BTHN, w_BTHN, u_HN, state_BHNN):
    """The recurrence as it is written; the oracle of the others."""
    dtype = state_BHNN.dtype
    r, k, v, w, u = (x.to(dtype) for x in (r_BTHN, k_BTHN, v_BTHN, w_BTHN, u_HN))
    state, out = state_BHNN, []
    for t in range(r.shape[1]):
        pair = lambda key: v[:, t, :, :, None] * key[:, :, None, :]  # noqa: B023, E731
        out.append(((state + pair(u * k[:, t])) @ r[:, t, :, :, None]).squeeze(-1))
        state = state * w[:, t, :, None, :].exp() + pair(k[:, t])
    return torch.stack(out, dim=1).to(r_BTHN.dtype), state


def wkv6_step(r_BHN, k_BHN, v_BHN, w_BHN, u_HN, state_BHNN):
    """One token, in few operations: what decoding runs. Returns (y_BHN, new state); no input is changed."""
    dtype = state_BHNN.dtype
    r, k, v, w, u = (x.to(dtype) for x in (r_BHN, k_BHN, v_BHN, w_BHN, u_HN))
    y = (state_BHNN @ r.unsqueeze(3)).squeeze(3) + v * (r * u * k).sum(dim=2, keepdim=True)
    return y.to(r_BHN.dtype), torch.addcmul(state_BHNN * w.exp().unsqueeze(2), v.unsqueeze(3), k.unsqueeze(2))


def wkv6(r_BTHN, k_BTHN, v_BTHN, w_BTHN, u_HN, state_BHNN):
    """The memory of RWKV-5 and RWKV-6: read it, fade it, write one pair. Any T ≥ 1. See the head of this file."""
    if r_BTHN.shape[1] == 1:
        y_BHN, state = wkv6_step(*(x[:, 0] for x in (r_BTHN, k_BTHN, v_BTHN, w_BTHN)), u_HN, state_BHNN)
        return y_BHN.unsqueeze(1), state
    chunk = min(CHUNK, 1 << (r_BTHN.shape[1] - 1).bit_length())
    with torch.autocast(r_BTHN.device.type, enabled=False):
        return wkv6_chunked(r_BTHN, k_BTHN, v_BTHN, w_BTHN, u_HN, state_BHNN, chunk)


def wkv6_chunked(r_BTHN, k_BTHN, v_BTHN, w_BTHN, u_HN, state_BHNN, chunk: int = CHUNK):
    """By chunks as matrix products. Each pair of tokens s < t in a chunk meets at one border between two neighbouring blocks of 1, 2, 4 …
    tokens: s fades up to the border, from there the sum fades on to t. Both factors are at most 1 and sums of logs of one sign, so that
    nothing overflows and no digits cancel, however strong a decay is.
    """
    B, T, H, N = r_BTHN.shape
    X, L, dtype = B * H, chunk, state_BHNN.dtype
    G = -(-T // L)

    def chunks(x_BTHN):
        """[B, T, H, N] → [G, X, L, N], zero-padded: a token of zeros (w = 0 is no decay) leaves the state as it is."""
        x = F.pad(x_BTHN.to(dtype), (0, 0, 0, 0, 0, G * L - T)) if G * L > T else x_BTHN.to(dtype)
        return x.reshape(B, G, L, H, N).permute(1, 0, 3, 2, 4).reshape(G, X, L, N)

    r, k, v, w = (chunks(x) for x in (r_BTHN, k_BTHN, v_BTHN, w_BTHN))
    bonus = (r * k).view(G, B, H, L, N) * u_HN.to(dtype)[:, None]
    y = v * bonus.sum(dim=-1).view(G, X, L, 1)
    # before: the log decay of a block's tokens before each one; after: of those after it; all: of the whole block
    before, after, whole, h = torch.zeros_like(w), torch.zeros_like(w), w, 1
    while h < L:
        halves = lambda x: x.view(G, X, L // (2 * h), 2, h, N)  # noqa: B023, E731
        left = lambda x: halves(x)[:, :, :, 0]  # noqa: B023, E731
        right = lambda x: halves(x)[:, :, :, 1]  # noqa: B023, E731
        reads, writes = right(r) * right(before).exp(), left(k) * left(after).exp()
        met = (reads @ writes.transpose(3, 4)) @ left(v)
        y = torch.stack((left(y), right(y) + met), dim=3).view(G, X, L, N)
        whole_left, whole_right = whole.view(G, X, L // (2 * h), 2, 1, N).unbind(3)
        before = torch.stack((left(before), right(before) + whole_left), dim=3).view(G, X, L, N)
        after = torch.stack((left(after) + whole_right, right(after)), dim=3).view(G, X, L, N)
        whole, h = (whole_left + whole_right).squeeze(3), 2 * h
    faded = whole.view(G, X, 1, N).exp()
    written = v.transpose(2, 3) @ (k * after.exp())
    state, borders = state_BHNN.reshape(X, N, N), []
    for g in range(G):
        borders.append(state)
        state = torch.addcmul(written[g], state, faded[g])
    y = y + (r * before.exp()) @ torch.stack(borders).transpose(2, 3)
    y_BTHN = y.view(G, B, H, L, N).permute(1, 0, 3, 2, 4).reshape(B, G * L, H, N)[:, :T]
    return y_BTHN.to(r_BTHN.dtype), state.view(B, H, N, N)
