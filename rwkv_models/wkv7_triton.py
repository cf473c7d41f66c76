"""The wkv operator of RWKV-7 on a GPU: the algorithm of rwkv_models/wkv7_chunked.py as Triton kernels, with its own backward pass.

Letters and A~, B~, K~, R~, X = (I - strict(A~ B~^T))^-1, P, Q, M, C as there; ab stands for strict(A~ B~^T), rk for lower(R~ K~^T), and so on.
Forward, three steps; the second alone runs in order, over the G chunks, and each block of value rows by itself:
    per chunk      M, C, R^ = R~ + rb P, and the part of Y that S_0 has no share in
    in order       S_L = S_0 M + C ;  Y += R^ S_0^T
Backward, with G = dS_L diag(D_L):
    per chunk      M, E = dY^T R^
    in order       dS_0 = dS_L M^T + E
    per chunk      U = X (A~ S_0^T + ak V)        dU = rb^T dY + B~ G^T        dZ = X^T dU
                   dV = rk^T dY + K~ G^T + ak^T dZ
                   dab = strict(dZ U^T)   dak = strict(dZ V^T)   drb = lower(dY U^T)   drk = lower(dY V^T)
                   dA~ = dZ S_0 + dab B~ + dak K~               dR~ = dY S_0 + drb B~ + drk K~
                   dB~ = U G + dab^T A~ + drb^T R~              dK~ = V G + dak^T A~ + drk^T R~
                   dw_t = sum_{s >= t} (R~ dR~ - B~ dB~ - K~ dK~)_s + sum_{s > t} (A~ dA~)_s + sum over value rows of S_L dS_L
Between the passes it keeps the inputs and the states at chunk borders, 4 N / L * N bytes a token and head; no atomics: the same bits each time.
"""

from __future__ import annotations

import torch
import triton
from torch.autograd.function import once_differentiable

from rwkv_models import wkv7_kernels as kernels

HEAD_SIZES = (16, 32, 64, 128)
CHUNK = 32
# Columns of a block (V of values, K of keys) and warps of a program.
LAUNCH = {
    "forward_chunks": {"V": 64, "num_warps": 4},
    "border_states": {"V": 16, "num_warps": 4, "num_stages": 2},
    "forward_outputs": {"V": 64, "num_warps": 4},
    "backward_chunks": {"V": 64, "num_warps": 4},
    "backward_values": {"V": 64, "num_warps": 4},
    "backward_keys": {"V": 64, "K": 32, "num_warps": 4},
    "one_token": {"V": 16, "num_warps": 4},
}


def _launch(name: str, programs: int, *arguments, N: int, **constants) -> None:
    """Start a kernel; the value of `programs` is that of one block, whatever the block."""
    settings = {key: min(value, N) if key in "VK" else value for key, value in LAUNCH[name].items()}
    blocks = {"border_states": "V", "forward_outputs": "V", "backward_keys": "K", "one_token": "V"}.get(name)
    grid = programs * (N // settings[blocks] if blocks else 1)
    getattr(kernels, name)[(grid,)](*arguments, N=N, **constants, **settings)


def _precision(*tensors) -> str:
    """How products are made: as tf32 where an input has fewer bits than that anyway, else to the bits of fp32."""
    return "tf32" if any(x.dtype in (torch.bfloat16, torch.float16) for x in tensors) else "tf32x3"


def _forward(inputs, state_BHNN):
    """Returns (y_BTHN, last state, states before each chunk [X, G, N, N])."""
    r, w, k, v, a, b = inputs
    B, T, H, N = r.shape
    X, L, G = B * H, CHUNK, triton.cdiv(T, CHUNK)
    fixed = {"N": N, "PRECISION": _precision(r, k, v, a, b)}
    M, S = state_BHNN.new_empty(X, G, N, N), state_BHNN.new_empty(X, G, N, N)
    R, local = state_BHNN.new_empty(2, X, G, L, N).unbind(0)
    D = state_BHNN.new_empty(X, G, N)
    y, last = torch.empty_like(r), torch.empty_like(state_BHNN)
    _launch("forward_chunks", X * G, *inputs, M, S, D, R, local, T, H, G, L=L, **fixed)
    _launch("border_states", X, M, S, D, state_BHNN, last, G, BACK=False, **fixed)
    _launch("forward_outputs", X * G, R, local, S, y, T, H, G, L=L, **fixed)
    return y, last, S


def _backward(inputs, S, dy, dlast):
    """Gradients of the six inputs and of the first state; S are the states before each chunk."""
    r, w, k, v, a, b = inputs
    B, T, H, N = r.shape
    X, L, G = B * H, CHUNK, triton.cdiv(T, CHUNK)
    fixed = {"N": N, "PRECISION": _precision(r, k, v, a, b)}
    M, dS = torch.empty_like(S), torch.empty_like(S)
    D, inverse = S.new_empty(X, G, N), S.new_empty(X, G, L, L)
    _launch("backward_chunks", X * G, r, w, a, b, dy, M, dS, D, inverse, T, H, G, L=L, **fixed)
    dfirst = torch.empty_like(dlast)
    _launch("border_states", X, M, dS, D, dlast, dfirst, G, BACK=True, **fixed)
    del M
    dr, dw, dk, dv, da, db = gradients = [torch.empty_like(x) for x in inputs]
    U, dZ = S.new_empty(2, X, G, L, N).unbind(0)
    _launch("backward_values", X * G, *inputs, dy, inverse, S, dS, U, dZ, dv, T, H, G, L=L, **fixed)
    _launch("backward_keys", X * G, *inputs, dy, U, dZ, S, dS, dr, dw, dk, da, db, T, H, G, L=L, **fixed)
    return *gradients, dfirst


def _one_token(inputs, state_BHNN):
    """As _forward for T = 1, in one kernel and without a backward pass."""
    B, _, H, N = inputs[0].shape
    y, new = torch.empty_like(inputs[0]), torch.empty_like(state_BHNN)
    _launch("one_token", B * H, *inputs, state_BHNN, y, new, N=N)
    return y, new


class _WKV7(torch.autograd.Function):
    """wkv7 with the hand-written backward pass."""

    @staticmethod
    def forward(ctx, state_BHNN, *inputs):
        y, last, states = _forward(inputs, state_BHNN)
        ctx.save_for_backward(states, *inputs)
        return y, last

    @staticmethod
    @once_differentiable
    def backward(ctx, dy_BTHN, dlast_BHNN):
        states, *inputs = ctx.saved_tensors
        *gradients, first = _backward(inputs, states, dy_BTHN.contiguous(), dlast_BHNN.contiguous())
        return first, *gradients


def serves(*tensors) -> bool:
    """Whether the kernels take such tensors: float64 and other head sizes are for plain torch."""
    *inputs, state_BHNN = tensors
    dtypes = (torch.float32, torch.bfloat16, torch.float16)
    return state_BHNN.dtype == torch.float32 and state_BHNN.shape[-1] in HEAD_SIZES and all(x.dtype in dtypes for x in inputs)


def wkv7_triton(r_BTHN, w_BTHN, k_BTHN, v_BTHN, a_BTHN, b_BTHN, state_BHNN):
    """As wkv7 (see rwkv_models/wkv7.py); inputs in fp32, bf16 or fp16, each its own, N a power of two up to 128, an fp32 state."""
    inputs = [x.contiguous() for x in (r_BTHN, w_BTHN, k_BTHN, v_BTHN, a_BTHN, b_BTHN)]
    state_BHNN = state_BHNN.contiguous()
    if torch.is_grad_enabled() and any(x.requires_grad for x in (*inputs, state_BHNN)):
        return _WKV7.apply(state_BHNN, *inputs)
    if r_BTHN.shape[1] == 1:
        return _one_token(inputs, state_BHNN)
    return _forward(inputs, state_BHNN)[:2]
