"""The wkv operator of RWKV-7 on a GPU: the algorithm of rwkv_models/wkv7_chunked.py as Triton kernels, with its own backward pass.

Letters and A~, B~, K~, R~, P, Q, M, C as there; ab stands for strict(A~ B~^T), rk for lower(R~ K~^T), and so on; X = (I - ab)^-1.
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
Between the passes it keeps the inputs and the states at chunk borders: 4 N N / L bytes a token and head, which for heads of 64 in bf16
is 512 beside the inputs' 896. Within a pass it takes about three times that for what steps hand on. No atomics: the same bits each time.
"""

from __future__ import annotations

from functools import cache

import torch
import triton
from torch.autograd.function import once_differentiable

from rwkv_models import wkv7_kernels as kernels

HEAD_SIZES = (16, 32, 64, 128)
DTYPES = (torch.float32, torch.bfloat16, torch.float16)
# Tokens of a chunk, and how each kernel is started: columns of a block (V of values, K of keys), warps of a program. Measured for heads of
# 64 in bf16 (docs/LOG.md); EXACT (products to the bits of fp32) and WIDE (heads of 128) have what the compiler's register counts suggest.
CHUNK, SHORT_CHUNK = 32, 16
LAUNCH = {
    "forward_chunks": {"V": 64, "num_warps": 2, "num_stages": 1},
    "border_states": {"V": 16, "num_warps": 4, "num_stages": 3},
    "forward_outputs": {"V": 64, "num_warps": 4, "num_stages": 1},
    "backward_chunks": {"V": 64, "num_warps": 2, "num_stages": 1},
    "backward_values": {"V": 64, "num_warps": 2, "num_stages": 1},
    "backward_keys": {"V": 64, "K": 64, "num_warps": 4, "num_stages": 1},
    "one_token": {"V": 16, "num_warps": 4, "num_stages": 1},
}
EXACT = {
    "forward_chunks": {"num_warps": 4}, "backward_chunks": {"num_warps": 4},
    "backward_values": {"V": 32, "num_warps": 4}, "backward_keys": {"K": 32},
}
WIDE = EXACT | {"forward_chunks": {"num_warps": 8}, "border_states": {"num_stages": 1}}
SPLIT_BY = {"border_states": "V", "forward_outputs": "V", "backward_keys": "K", "one_token": "V"}  # a program has one block


class _Plan:
    """How the kernels are made for inputs of these types and head size, and the kernels themselves once they are."""

    def __init__(self, types: tuple[torch.dtype, ...], N: int):
        r, _, *others = types
        self.precision = "tf32" if any(dtype != torch.float32 for dtype in (r, *others)) else "tf32x3"
        self.N = N
        self.L = CHUNK if N <= 64 and self.precision == "tf32" else SHORT_CHUNK
        self.compiled = {}

    def _options(self, name: str, flags: dict) -> dict:
        settings = LAUNCH[name] | (WIDE if self.N > 64 else EXACT if self.precision != "tf32" else {}).get(name, {})
        settings |= {block: min(settings[block], self.N) for block in "VK" if block in settings}
        constants = {"L": self.L, "N": self.N, "PRECISION": self.precision, **flags}
        return settings | {key: value for key, value in constants.items() if key in getattr(kernels, name).arg_names}

    def launch(self, name: str, programs: int, *arguments, **flags) -> None:
        """Start a kernel, `programs` being as many as there are chunks, or heads.

        The second time on, past Triton's own look at every argument, which takes longer than a short kernel: tensors are aligned and of
        the plan's types, and integers are not specialised.
        """
        key = (name, *flags.values(), torch.cuda.current_device() if arguments[0].is_cuda else None)
        if key not in self.compiled:
            function, options = getattr(kernels, name), self._options(name, flags)
            blocks = self.N // options[SPLIT_BY[name]] if name in SPLIT_BY else 1
            compiled = function[(programs * blocks,)](*arguments, **options)
            if compiled is not None:  # None from the interpreter
                self.compiled[key] = compiled, blocks, [options[a] for a in function.arg_names if a in options]
            return
        compiled, blocks, constants = self.compiled[key]
        compiled[(programs * blocks, 1, 1)](*arguments, *constants)


@cache
def _plan(types: tuple[torch.dtype, ...], N: int) -> _Plan:
    return _Plan(types, N)


def _sizes(inputs):
    """The plan, and T, H, X, G."""
    plan = _plan(tuple(x.dtype for x in inputs), inputs[0].shape[-1])
    B, T, H, _ = inputs[0].shape
    return plan, T, H, B * H, triton.cdiv(T, plan.L)


def _forward(inputs, state_BHNN):
    """Returns (y_BTHN, last state, states before each chunk [X, G, N, N])."""
    plan, T, H, X, G = _sizes(inputs)
    N, L = plan.N, plan.L
    M, S = state_BHNN.new_empty(X, G, N, N), state_BHNN.new_empty(X, G, N, N)
    R, local, D = state_BHNN.new_empty(X, G, L, N), state_BHNN.new_empty(X, G, L, N), state_BHNN.new_empty(X, G, N)
    y, last = torch.empty_like(inputs[0]), torch.empty_like(state_BHNN)
    plan.launch("forward_chunks", X * G, *inputs, M, S, D, R, local, T, H, G)
    plan.launch("border_states", X, M, S, D, state_BHNN, last, G, BACK=False)
    plan.launch("forward_outputs", X * G, R, local, S, y, T, H, G)
    return y, last, S


def _backward(inputs, S, dy, dlast):
    """Gradients of the six inputs and of the first state; S are the states before each chunk."""
    plan, T, H, X, G = _sizes(inputs)
    N, L = plan.N, plan.L
    r, w, _, _, a, b = inputs
    M, dS = torch.empty_like(S), torch.empty_like(S)
    D, inverse = S.new_empty(X, G, N), S.new_empty(X, G, L, L)
    plan.launch("backward_chunks", X * G, r, w, a, b, dy, M, dS, D, inverse, T, H, G)
    dfirst = torch.empty_like(dlast)
    plan.launch("border_states", X, M, dS, D, dlast, dfirst, G, BACK=True)
    del M
    dr, dw, dk, dv, da, db = (torch.empty_like(x) for x in inputs)
    U, dZ = S.new_empty(X, G, L, N), S.new_empty(X, G, L, N)
    plan.launch("backward_values", X * G, *inputs, dy, inverse, S, dS, U, dZ, dv, T, H, G)
    plan.launch("backward_keys", X * G, *inputs, dy, U, dZ, S, dS, dr, dw, dk, da, db, T, H, G)
    return dr, dw, dk, dv, da, db, dfirst


def _one_token(inputs, state_BHNN):
    """As _forward for T = 1, in one kernel and without a backward pass."""
    plan, _, _, X, _ = _sizes(inputs)
    y, new = torch.empty_like(inputs[0]), torch.empty_like(state_BHNN)
    plan.launch("one_token", X, *inputs, state_BHNN, y, new)
    return y, new


def _plain(x):
    """The same values in order, at an address that is a multiple of 16."""
    x = x.contiguous()
    return x.clone() if x.data_ptr() % 16 else x


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
        *gradients, first = _backward(inputs, states, _plain(dy_BTHN), _plain(dlast_BHNN))
        return first, *gradients


def serves(*tensors) -> bool:
    """Whether the kernels take such tensors: float64 and other head sizes are for plain torch."""
    *inputs, state_BHNN = tensors
    return state_BHNN.dtype == torch.float32 and state_BHNN.shape[-1] in HEAD_SIZES and all(x.dtype in DTYPES for x in inputs)


def wkv7_triton(r_BTHN, w_BTHN, k_BTHN, v_BTHN, a_BTHN, b_BTHN, state_BHNN):
    """As wkv7 (see rwkv_models/wkv7.py), for tensors that `serves` says yes to."""
    inputs = [_plain(x) for x in (r_BTHN, w_BTHN, k_BTHN, v_BTHN, a_BTHN, b_BTHN)]
    state_BHNN = _plain(state_BHNN)
    with torch.cuda.device_of(r_BTHN):
        if torch.is_grad_enabled() and any(x.requires_grad for x in (*inputs, state_BHNN)):
            return _WKV7.apply(state_BHNN, *inputs)
        if r_BTHN.shape[1] == 1:
            return _one_token(inputs, state_BHNN)
        return _forward(inputs, state_BHNN)[:2]
