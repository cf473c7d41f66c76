"""rwkv_models/pointwise.py on a GPU: the same functions as Triton kernels with gradients of their own, one pass over memory each.

Shape letters as there; M = B*T tokens, P programs along M, K positions, V vocabulary.
"""

from __future__ import annotations

import torch
import triton
from torch import Tensor
from torch.autograd.function import once_differentiable

from rwkv_models import fused_kernels as kernels
from rwkv_models.launch import launch, plain

HEAD_SIZES = (16, 32, 64, 128)
DTYPES = (torch.float32, torch.bfloat16)
TILE = 2048  # numbers of a program's tile: 16 a thread
MIX_COLUMNS, FLAT, LOGITS = 128, 2048, 4096
PROGRAMS = 1024  # along tokens and channels; the longer the batch, the more of it a program that sums gradients takes


def serves(x: Tensor, head_size: int) -> bool:
    """Whether the kernels take such tensors: float64 and other head sizes are for plain torch."""
    return x.dtype in DTYPES and head_size in HEAD_SIZES


def _blocks(M: int, width: int, columns: int) -> tuple[int, int, int]:
    """Tokens of a tile, tiles of a program that sums, and how many such programs there are along the tokens."""
    BM = max(1, TILE // width)
    steps = max(1, M * columns // (BM * PROGRAMS))
    steps = min(triton.next_power_of_2(steps), 64)
    return BM, steps, triton.cdiv(M, BM * steps)


class _ShiftMix(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, shift, mixes):
        x, shift, mixes = plain(x), plain(shift), plain(mixes)
        (B, T, C), J = x.shape, mixes.shape[0]
        ys = [torch.empty_like(x) for _ in range(J)]
        BM = _blocks(B * T, MIX_COLUMNS, 1)[0]
        launch(kernels.shift_mix, (triton.cdiv(B * T, BM), triton.cdiv(C, MIX_COLUMNS)),
               x, shift, mixes, *(ys * 6)[:6], B * T, T, C=C, MIXES=J, BM=BM, BC=MIX_COLUMNS)
        ctx.save_for_backward(x, shift, mixes)
        return tuple(ys)

    @staticmethod
    @once_differentiable
    def backward(ctx, *dys):
        x, shift, mixes = ctx.saved_tensors
        (B, T, C), J = x.shape, mixes.shape[0]
        columns = triton.cdiv(C, MIX_COLUMNS)
        BM, steps, P = _blocks(B * T, MIX_COLUMNS, columns)
        dx, dshift = torch.empty_like(x), torch.empty_like(shift)
        sums = torch.empty(P, J, C, dtype=torch.float32, device=x.device)
        launch(kernels.shift_mix_gradient, (P, columns),
               x, shift, mixes, *([plain(dy) for dy in dys] * 6)[:6], dx, dshift, sums, B * T, T, C=C, MIXES=J,
               BM=BM, BC=MIX_COLUMNS, STEPS=steps)
        return dx, dshift, sums.sum(0).to(mixes.dtype)


def shift_mix(x_BTC: Tensor, shift_BC: Tensor, mixes_JC: Tensor) -> tuple[Tensor, ...]:
    """J (1 or 6) tensors [B, T, C]: each token, mixed with its predecessor. shift_BC precedes the first."""
    return _ShiftMix.apply(x_BTC, shift_BC, mixes_JC)


class _Prepare(torch.autograd.Function):
    @staticmethod
    def forward(ctx, heads, keep, k, v, w, a, towards, v_first, *parameters):
        first = v_first is None
        k, v, w, a = (plain(t) for t in (k, v, w, a))
        towards, v_first = (v, v) if first else (plain(towards), plain(v_first))
        w0, a0, v0, k_k, k_a = (plain(parameters[1] if p is None else p) for p in parameters)  # the first layer has no v0
        C = k.shape[-1]
        M, N = k.numel() // C, C // heads
        BM = _blocks(M, N, 1)[0]
        decay = torch.empty(k.shape, dtype=torch.float32, device=k.device)
        key, erase, write = torch.empty_like(k), torch.empty_like(k), torch.empty_like(k)
        value = v if first else torch.empty_like(k)
        kept = k if keep is None else plain(keep)
        launch(kernels.prepare, (triton.cdiv(M, BM), heads),
               k, v, w, a, towards, v_first, kept, w0, a0, v0, k_k, k_a, decay, key, value, erase, write, M,
               C=C, N=N, FIRST=first, KEEP=keep is not None, BM=BM)
        ctx.heads, ctx.first, ctx.keeps = heads, first, keep is not None
        ctx.save_for_backward(k, v, w, a, towards, v_first, kept, w0, a0, v0, k_k, k_a)
        return (decay, key, erase, write) if first else (decay, key, erase, write, value)

    @staticmethod
    @once_differentiable
    def backward(ctx, ddecay, dkey, derase, dwrite, dvalue=None):
        k, v, w, a, towards, v_first, keep, w0, a0, v0, k_k, k_a = ctx.saved_tensors
        C = k.shape[-1]
        M, N = k.numel() // C, C // ctx.heads
        BM, steps, P = _blocks(M, N, ctx.heads)
        dk, dw, da = torch.empty_like(k), torch.empty_like(k), torch.empty_like(k)
        dv, dtowards, dfirst = (dk, dk, dk) if ctx.first else (torch.empty_like(k) for _ in range(3))
        sums = torch.empty(P, 5, C, dtype=torch.float32, device=k.device)
        dvalue = dkey if dvalue is None else dvalue
        launch(kernels.prepare_gradient, (P, ctx.heads),
               k, v, w, a, towards, v_first, keep, w0, a0, v0, k_k, k_a,
               *(plain(d) for d in (ddecay, dkey, dvalue, derase, dwrite)), dk, dv, dw, da, dtowards, dfirst, sums, M,
               C=C, N=N, FIRST=ctx.first, KEEP=ctx.keeps, BM=BM, STEPS=steps)
        dw0, da0, dk_k, dk_a, dv0 = sums.sum(0).to(w0.dtype).view(5, *w0.shape).unbind(0)
        of_first = (None, None, None) if ctx.first else (dv, dtowards, dfirst)
        return None, None, dk, of_first[0], dw, da, *of_first[1:], dw0, da0, None if ctx.first else dv0, dk_k, dk_a


def prepare(k, v, w, a, towards, v_first, keep_BT1, w0, a0, v0, k_k, k_a, heads: int, state_dtype: torch.dtype) -> tuple[Tensor, ...]:
    """What the wkv operator takes: log decay, key, value, directions to erase and to write back, [B, T, C]; see pointwise.prepare."""
    decay, key, erase, write, *value = _Prepare.apply(heads, keep_BT1, k, v, w, a, towards, v_first, w0, a0, v0, k_k, k_a)
    return decay.to(state_dtype), key, value[0] if value else v, erase, write


class _Finish(torch.autograd.Function):
    @staticmethod
    def forward(ctx, eps, *inputs):
        y, r, k, v, g, weight, bias, r_k = (plain(t) for t in inputs)
        H, N = r_k.shape
        M = y.numel() // (H * N)
        out, BM = torch.empty_like(y), _blocks(M, N, 1)[0]
        launch(kernels.finish, (triton.cdiv(M, BM), H), y, r, k, v, g, weight, bias, r_k, out, M, C=H * N, N=N, EPS=eps, BM=BM)
        ctx.eps = eps
        ctx.save_for_backward(y, r, k, v, g, weight, bias, r_k)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx, dout):
        y, *_, r_k = saved = ctx.saved_tensors
        H, N = r_k.shape
        M = y.numel() // (H * N)
        BM, steps, P = _blocks(M, N, H)
        dtokens = [torch.empty_like(y) for _ in range(5)]
        sums = torch.empty(P, 3, H * N, dtype=torch.float32, device=y.device)
        launch(kernels.finish_gradient, (P, H), *saved, plain(dout), *dtokens, sums, M, C=H * N, N=N, EPS=ctx.eps, BM=BM, STEPS=steps)
        dweight, dbias, dr_k = sums.sum(0).to(r_k.dtype).unbind(0)
        return None, *dtokens, dweight, dbias, dr_k.view(H, N)


def finish(y, r, k, v, g, weight_C: Tensor, bias_C: Tensor, r_k_HN: Tensor, eps: float) -> Tensor:
    """(The operator's y [B, T, C], normalised within heads, + a bonus for the token itself) * gate g."""
    return _Finish.apply(eps, y, r, k, v, g, weight_C, bias_C, r_k_HN)


class _SquaredReLU(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        x = plain(x)
        y = torch.empty_like(x)
        launch(kernels.squared_relu, (triton.cdiv(x.numel(), FLAT),), x, y, x.numel(), BLOCK=FLAT)
        ctx.save_for_backward(x)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx, dy):
        (x,) = ctx.saved_tensors
        dx = torch.empty_like(x)
        launch(kernels.squared_relu_gradient, (triton.cdiv(x.numel(), FLAT),), x, plain(dy), dx, x.numel(), BLOCK=FLAT)
        return dx


def squared_relu(x: Tensor) -> Tensor:
    """max(x, 0)^2, of any shape."""
    return _SquaredReLU.apply(x)


class _Likelihood(torch.autograd.Function):
    @staticmethod
    def forward(ctx, logits, targets):
        logits, targets = plain(logits), plain(targets)
        K, V = logits.shape
        loss, lse = torch.empty(2, K, dtype=torch.float32, device=logits.device).unbind(0)
        launch(kernels.likelihood, (K,), logits, targets, loss, lse, V=V, BLOCK=LOGITS, num_warps=8)
        ctx.save_for_backward(logits, targets, lse)
        return loss

    @staticmethod
    @once_differentiable
    def backward(ctx, dloss):
        logits, targets, lse = ctx.saved_tensors
        K, V = logits.shape
        dlogits = torch.empty_like(logits)
        launch(kernels.likelihood_gradient, (K, triton.cdiv(V, LOGITS)),
               logits, targets, lse, plain(dloss), dlogits, V=V, BLOCK=LOGITS, num_warps=8)
        return dlogits, None


def likelihood(logits_KV: Tensor, targets_K: Tensor) -> Tensor:
    """-log p of the targets, nats [K] in fp32, from logits in the network's dtype."""
    return _Likelihood.apply(logits_KV, targets_K)
