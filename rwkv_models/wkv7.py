"""The wkv operator of RWKV-7: one definition, several implementations behind one function.

Shape letters: B batch, T time, H heads, N size of a head (value rows by key columns in the state), L chunk length.

Every implementation takes the same arguments and returns (y_BTHN, state_BHNN), with gradients to all seven inputs:
  r, k, v        receptance, key, value
  w              natural log of the decay, ≤ 0 (RWKV-7: -exp(-0.5) * sigmoid(...), so decays lie in (0.545, 1))
  a, b           the direction to forget and the one to write back (RWKV-7: -kk and kk * in-context rate)
  state          S before the first token; S[value, key]; kept in fp32 (or float64) whatever the inputs are
"""

from __future__ import annotations

from functools import cache

import torch

from rwkv_models.wkv7_chunked import wkv7_chunked


def wkv7_sequential(r_BTHN, w_BTHN, k_BTHN, v_BTHN, a_BTHN, b_BTHN, state_BHNN):
    """The recurrence as it is written (arXiv 2503.14456, eq. 16-17); the oracle of every other implementation.

    S_t = S_{t-1} diag(exp(w_t)) + (S_{t-1} a_t) b_t^T + v_t k_t^T ;  y_t = S_t r_t
    """
    dtype = state_BHNN.dtype
    r, w, k, v, a, b = (x.to(dtype) for x in (r_BTHN, w_BTHN, k_BTHN, v_BTHN, a_BTHN, b_BTHN))
    state, out = state_BHNN, []
    for t in range(r.shape[1]):
        removed_BHN1 = state @ a[:, t, :, :, None]
        state = state * w[:, t, :, None, :].exp() + removed_BHN1 * b[:, t, :, None, :] + v[:, t, :, :, None] * k[:, t, :, None, :]
        out.append((state @ r[:, t, :, :, None]).squeeze(-1))
    return torch.stack(out, dim=1).to(r_BTHN.dtype), state


def wkv7_step(r_BHN, w_BHN, k_BHN, v_BHN, a_BHN, b_BHN, state_BHNN):
    """One token, in as few operations as torch has: what decoding runs. Returns (y_BHN, new state); no input is changed."""
    B, H, N = r_BHN.shape
    old = state_BHNN.view(B * H, N, N)
    r, w, k, v, a, b = (x.to(old.dtype).reshape(B * H, N) for x in (r_BHN, w_BHN, k_BHN, v_BHN, a_BHN, b_BHN))
    removed = torch.bmm(old, a.unsqueeze(2))
    written = torch.cat((removed, v.unsqueeze(2)), dim=2)
    new = torch.baddbmm(old * w.exp().unsqueeze(1), written, torch.stack((b, k), dim=1))
    return torch.bmm(new, r.unsqueeze(2)).view(B, H, N).to(r_BHN.dtype), new.view(B, H, N, N)


@cache
def _kernels():
    """The module of the GPU's kernels; None where Triton, which torch's CUDA builds bring along, is missing."""
    try:
        from rwkv_models import wkv7_triton
    except ImportError:
        return None
    return wkv7_triton


def wkv7(r_BTHN, w_BTHN, k_BTHN, v_BTHN, a_BTHN, b_BTHN, state_BHNN):
    """The RWKV-7 memory: decay it, move one direction, write one pair, read it. Any T ≥ 1. See the head of this file."""
    inputs = r_BTHN, w_BTHN, k_BTHN, v_BTHN, a_BTHN, b_BTHN
    if r_BTHN.is_cuda and _kernels() is not None and _kernels().serves(*inputs, state_BHNN):
        return _kernels().wkv7_triton(*inputs, state_BHNN)
    if r_BTHN.shape[1] == 1:
        y_BHN, state = wkv7_step(*(x[:, 0] for x in inputs), state_BHNN)
        return y_BHN.unsqueeze(1), state
    return wkv7_chunked(*inputs, state_BHNN)
