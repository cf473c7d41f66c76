"""What stands between the matrix products of a layer, as Triton kernels with their gradients. rwkv_models/fused.py starts them.

Shape letters: B batch, T time, C channels, H heads, N size of a head, V vocabulary, M = B*T tokens in a row, P programs along M.
Pointers end in _p, gradients begin with d. Token tensors are [B, T, C] in the network's dtype; arithmetic is in fp32. A program takes STEPS
times BM tokens. Gradients of parameters are sums over all tokens: each program writes its own to sums [P, parameters, C], and torch adds
those up. No atomics: the same bits each time. M and T are not specialised: one compilation serves every length.
"""

from __future__ import annotations

import triton
import triton.language as tl

LOG_DECAY_LIMIT = tl.constexpr(-0.6065306597126334)
TINY = tl.constexpr(1e-12)  # below which a direction is none, as torch's normalize has it


@triton.jit
def _load(p, at, exists):
    return tl.load(p + at, mask=exists, other=0.0).to(tl.float32)


@triton.jit
def _store(p, at, x, exists):
    tl.store(p + at, x.to(p.dtype.element_ty), mask=exists)


@triton.jit
def _parameter(p, c, exists):
    return tl.load(p + c, mask=exists, other=0.0).to(tl.float32)[None, :]


@triton.jit
def _before(x_p, shift_p, i, c, T, exists, C: tl.constexpr):
    """Each token's predecessor."""
    first, at = (i % T == 0)[:, None], i.to(tl.int64)[:, None] * C + c[None, :]
    within = tl.load(x_p + at - C, mask=exists & (first == 0), other=0.0).to(tl.float32)
    return within + tl.load(shift_p + (i // T)[:, None] * C + c[None, :], mask=exists & first, other=0.0).to(tl.float32)


@triton.jit(do_not_specialize=["M", "T"])
def shift_mix(x_p, shift_p, mix_p, y0_p, y1_p, y2_p, y3_p, y4_p, y5_p, M, T, C: tl.constexpr, MIXES: tl.constexpr,
              BM: tl.constexpr, BC: tl.constexpr):
    """y_j = x + (predecessor - x) mix_j, for 1 or 6 mixes [MIXES, C]."""
    i, c = tl.program_id(0) * BM + tl.arange(0, BM), tl.program_id(1) * BC + tl.arange(0, BC)
    exists, at = (i < M)[:, None] & (c < C)[None, :], i.to(tl.int64)[:, None] * C + c[None, :]
    x = _load(x_p, at, exists)
    apart = _before(x_p, shift_p, i, c, T, exists, C) - x
    _store(y0_p, at, x + apart * _parameter(mix_p, c, c < C), exists)
    if MIXES == 6:
        _store(y1_p, at, x + apart * _parameter(mix_p + C, c, c < C), exists)
        _store(y2_p, at, x + apart * _parameter(mix_p + 2 * C, c, c < C), exists)
        _store(y3_p, at, x + apart * _parameter(mix_p + 3 * C, c, c < C), exists)
        _store(y4_p, at, x + apart * _parameter(mix_p + 4 * C, c, c < C), exists)
        _store(y5_p, at, x + apart * _parameter(mix_p + 5 * C, c, c < C), exists)


@triton.jit
def _mix_gradient(dy_p, mix_p, at, c, exists, later, apart, to_self, to_before, C: tl.constexpr):
    """Adds one mix's share to the gradients of a token and of its predecessor; → these and the gradient of the mix."""
    m, dy = _parameter(mix_p, c, c < C), _load(dy_p, at, exists)
    to_self += dy * (1 - m) + _load(dy_p, at + C, later) * m
    return to_self, to_before + dy * m, tl.sum(dy * apart, 0)


@triton.jit(do_not_specialize=["M", "T"])
def shift_mix_gradient(x_p, shift_p, mix_p, dy0_p, dy1_p, dy2_p, dy3_p, dy4_p, dy5_p, dx_p, dshift_p, sums_p, M, T, C: tl.constexpr,
                       MIXES: tl.constexpr, BM: tl.constexpr, BC: tl.constexpr, STEPS: tl.constexpr):
    """dx, the gradient of what precedes the first token, and of each program's tokens the mixes' [P, MIXES, C] in sums, fp32."""
    c = tl.program_id(1) * BC + tl.arange(0, BC)
    s0, s1, s2 = tl.zeros([BC], tl.float32), tl.zeros([BC], tl.float32), tl.zeros([BC], tl.float32)
    s3, s4, s5 = tl.zeros([BC], tl.float32), tl.zeros([BC], tl.float32), tl.zeros([BC], tl.float32)
    for step in range(STEPS):
        i = (tl.program_id(0) * STEPS + step) * BM + tl.arange(0, BM)
        exists, at = (i < M)[:, None] & (c < C)[None, :], i.to(tl.int64)[:, None] * C + c[None, :]
        later = exists & ((i + 1) % T != 0)[:, None]
        apart = _before(x_p, shift_p, i, c, T, exists, C) - _load(x_p, at, exists)
        dx, before = tl.zeros([BM, BC], tl.float32), tl.zeros([BM, BC], tl.float32)
        dx, before, d = _mix_gradient(dy0_p, mix_p, at, c, exists, later, apart, dx, before, C)
        s0 += d
        if MIXES == 6:
            dx, before, d = _mix_gradient(dy1_p, mix_p + C, at, c, exists, later, apart, dx, before, C)
            s1 += d
            dx, before, d = _mix_gradient(dy2_p, mix_p + 2 * C, at, c, exists, later, apart, dx, before, C)
            s2 += d
            dx, before, d = _mix_gradient(dy3_p, mix_p + 3 * C, at, c, exists, later, apart, dx, before, C)
            s3 += d
            dx, before, d = _mix_gradient(dy4_p, mix_p + 4 * C, at, c, exists, later, apart, dx, before, C)
            s4 += d
            dx, before, d = _mix_gradient(dy5_p, mix_p + 5 * C, at, c, exists, later, apart, dx, before, C)
            s5 += d
        _store(dx_p, at, dx, exists)
        _store(dshift_p, (i // T)[:, None] * C + c[None, :], before, exists & (i % T == 0)[:, None])
    sums_p += tl.program_id(0) * MIXES * C
    _store(sums_p, c, s0, c < C)
    if MIXES == 6:
        _store(sums_p + C, c, s1, c < C)
        _store(sums_p + 2 * C, c, s2, c < C)
        _store(sums_p + 3 * C, c, s3, c < C)
        _store(sums_p + 4 * C, c, s4, c < C)
        _store(sums_p + 5 * C, c, s5, c < C)


@triton.jit
def _direction(k, k_k):
    """kk = k k_k at length 1 within a head, and 1 / the length that it had."""
    scaled = k * k_k
    inverse = 1 / tl.maximum(tl.sqrt(tl.sum(scaled * scaled, 1)), TINY)[:, None]
    return scaled * inverse, inverse


@triton.jit(do_not_specialize=["M", "T"])
def prepare(k_p, v_p, w_p, a_p, towards_p, first_p, keep_p, w0_p, a0_p, v0_p, k_k_p, k_a_p, decay_p, key_p, value_p, erase_p, write_p, M,
            C: tl.constexpr, N: tl.constexpr, FIRST: tl.constexpr, KEEP: tl.constexpr, BM: tl.constexpr):
    """What the wkv operator takes, from k, v and the low-rank pairs' outputs w, a and (not FIRST) how far v goes towards the first layer's.

    Written: log decay, key, value, the directions to erase and to write back. KEEP: a token whose keep [M] is 0 leaves the state as it is.
    A program: BM tokens of one head.
    """
    i, c = tl.program_id(0) * BM + tl.arange(0, BM), tl.program_id(1) * N + tl.arange(0, N)
    exists, at = (i < M)[:, None] & (c < C)[None, :], i.to(tl.int64)[:, None] * C + c[None, :]
    keep = tl.load(keep_p + i, mask=i < M, other=0.0).to(tl.float32)[:, None] if KEEP else 1.0
    k = _load(k_p, at, exists)
    a = tl.sigmoid(_load(a_p, at, exists) + _parameter(a0_p, c, c < C))
    kk, _ = _direction(k, _parameter(k_k_p, c, c < C))
    _store(decay_p, at, tl.sigmoid(_load(w_p, at, exists) + _parameter(w0_p, c, c < C)) * LOG_DECAY_LIMIT * keep, exists)
    _store(key_p, at, k * (1 + (a - 1) * _parameter(k_a_p, c, c < C)) * keep, exists)
    _store(erase_p, at, -kk * keep, exists)
    _store(write_p, at, kk * a, exists)
    if not FIRST:
        v = _load(v_p, at, exists)
        towards = tl.sigmoid(_load(towards_p, at, exists) + _parameter(v0_p, c, c < C))
        _store(value_p, at, v + (_load(first_p, at, exists) - v) * towards, exists)


@triton.jit(do_not_specialize=["M", "T"])
def prepare_gradient(k_p, v_p, w_p, a_p, towards_p, first_p, keep_p, w0_p, a0_p, v0_p, k_k_p, k_a_p,
                     ddecay_p, dkey_p, dvalue_p, derase_p, dwrite_p, dk_p, dv_p, dw_p, da_p, dtowards_p, dfirst_p, sums_p, M,
                     C: tl.constexpr, N: tl.constexpr, FIRST: tl.constexpr, KEEP: tl.constexpr, BM: tl.constexpr, STEPS: tl.constexpr):
    """Gradients of w0, a0, k_k, k_a and v0 are in this order in sums."""
    c = tl.program_id(1) * N + tl.arange(0, N)
    w0, a0 = _parameter(w0_p, c, c < C), _parameter(a0_p, c, c < C)
    k_k, k_a = _parameter(k_k_p, c, c < C), _parameter(k_a_p, c, c < C)
    dw0, da0, dv0 = tl.zeros([N], tl.float32), tl.zeros([N], tl.float32), tl.zeros([N], tl.float32)
    dk_k, dk_a = tl.zeros([N], tl.float32), tl.zeros([N], tl.float32)
    for step in range(STEPS):
        i = (tl.program_id(0) * STEPS + step) * BM + tl.arange(0, BM)
        exists, at = (i < M)[:, None] & (c < C)[None, :], i.to(tl.int64)[:, None] * C + c[None, :]
        keep = tl.load(keep_p + i, mask=i < M, other=0.0).to(tl.float32)[:, None] if KEEP else 1.0
        k = _load(k_p, at, exists)
        a = tl.sigmoid(_load(a_p, at, exists) + a0)
        kk, inverse = _direction(k, k_k)
        dkey, dwrite = _load(dkey_p, at, exists) * keep, _load(dwrite_p, at, exists)

        dkk = dwrite * a - _load(derase_p, at, exists) * keep
        along = tl.where(inverse < 1 / TINY, tl.sum(dkk * kk, 1)[:, None], 0.0)
        dscaled = (dkk - kk * along) * inverse
        _store(dk_p, at, dscaled * k_k + dkey * (1 + (a - 1) * k_a), exists)
        dk_k += tl.sum(dscaled * k, 0)
        dk_a += tl.sum(dkey * k * (a - 1), 0)

        da = (dwrite * kk + dkey * k * k_a) * a * (1 - a)
        _store(da_p, at, da, exists)
        da0 += tl.sum(da, 0)

        s = tl.sigmoid(_load(w_p, at, exists) + w0)
        dw = _load(ddecay_p, at, exists) * keep * LOG_DECAY_LIMIT * s * (1 - s)
        _store(dw_p, at, dw, exists)
        dw0 += tl.sum(dw, 0)
        if not FIRST:
            s = tl.sigmoid(_load(towards_p, at, exists) + _parameter(v0_p, c, c < C))
            dvalue, v = _load(dvalue_p, at, exists), _load(v_p, at, exists)
            _store(dv_p, at, dvalue * (1 - s), exists)
            _store(dfirst_p, at, dvalue * s, exists)
            dtowards = dvalue * (_load(first_p, at, exists) - v) * s * (1 - s)
            _store(dtowards_p, at, dtowards, exists)
            dv0 += tl.sum(dtowards, 0)
    sums_p += tl.program_id(0) * 5 * C
    _store(sums_p, c, dw0, c < C)
    _store(sums_p + C, c, da0, c < C)
    _store(sums_p + 2 * C, c, dk_k, c < C)
    _store(sums_p + 3 * C, c, dk_a, c < C)
    _store(sums_p + 4 * C, c, dv0, c < C)


@triton.jit
def _normal(y, N: tl.constexpr, EPS: tl.constexpr):
    """A head's numbers at mean 0 and variance 1, and what they were multiplied with."""
    apart = y - (tl.sum(y, 1) / N)[:, None]
    scale = tl.rsqrt(tl.sum(apart * apart, 1) / N + EPS)[:, None]
    return apart * scale, scale


@triton.jit(do_not_specialize=["M"])
def finish(y_p, r_p, k_p, v_p, g_p, weight_p, bias_p, r_k_p, out_p, M,
           C: tl.constexpr, N: tl.constexpr, EPS: tl.constexpr, BM: tl.constexpr):
    """out = (group norm of y + (sum over a head of r k r_k) v) g. A program: BM tokens of one head."""
    i, c = tl.program_id(0) * BM + tl.arange(0, BM), tl.program_id(1) * N + tl.arange(0, N)
    exists, at = (i < M)[:, None] & (c < C)[None, :], i.to(tl.int64)[:, None] * C + c[None, :]
    normal, _ = _normal(_load(y_p, at, exists), N, EPS)
    bonus = tl.sum(_load(r_p, at, exists) * _load(k_p, at, exists) * _parameter(r_k_p, c, c < C), 1)[:, None]
    z = normal * _parameter(weight_p, c, c < C) + _parameter(bias_p, c, c < C) + bonus * _load(v_p, at, exists)
    _store(out_p, at, z * _load(g_p, at, exists), exists)


@triton.jit(do_not_specialize=["M"])
def finish_gradient(y_p, r_p, k_p, v_p, g_p, weight_p, bias_p, r_k_p, dout_p, dy_p, dr_p, dk_p, dv_p, dg_p, sums_p, M,
                    C: tl.constexpr, N: tl.constexpr, EPS: tl.constexpr, BM: tl.constexpr, STEPS: tl.constexpr):
    """Gradients of weight, bias and r_k are in this order in sums."""
    c = tl.program_id(1) * N + tl.arange(0, N)
    weight, bias, r_k = _parameter(weight_p, c, c < C), _parameter(bias_p, c, c < C), _parameter(r_k_p, c, c < C)
    dweight, dbias, dr_k = tl.zeros([N], tl.float32), tl.zeros([N], tl.float32), tl.zeros([N], tl.float32)
    for step in range(STEPS):
        i = (tl.program_id(0) * STEPS + step) * BM + tl.arange(0, BM)
        exists, at = (i < M)[:, None] & (c < C)[None, :], i.to(tl.int64)[:, None] * C + c[None, :]
        normal, scale = _normal(_load(y_p, at, exists), N, EPS)
        r, k, v, dout = _load(r_p, at, exists), _load(k_p, at, exists), _load(v_p, at, exists), _load(dout_p, at, exists)
        bonus = tl.sum(r * k * r_k, 1)[:, None]
        _store(dg_p, at, dout * (normal * weight + bias + bonus * v), exists)
        dz = dout * _load(g_p, at, exists)
        _store(dv_p, at, dz * bonus, exists)
        dbonus = tl.sum(dz * v, 1)[:, None]
        _store(dr_p, at, dbonus * k * r_k, exists)
        _store(dk_p, at, dbonus * r * r_k, exists)
        dr_k += tl.sum(dbonus * r * k, 0)
        dweight += tl.sum(dz * normal, 0)
        dbias += tl.sum(dz, 0)
        dnormal = dz * weight
        mean, along = (tl.sum(dnormal, 1) / N)[:, None], (tl.sum(dnormal * normal, 1) / N)[:, None]
        _store(dy_p, at, (dnormal - mean - normal * along) * scale, exists)
    sums_p += tl.program_id(0) * 3 * C
    _store(sums_p, c, dweight, c < C)
    _store(sums_p + C, c, dbias, c < C)
    _store(sums_p + 2 * C, c, dr_k, c < C)


@triton.jit
def squared_relu(x_p, y_p, count, BLOCK: tl.constexpr):
    """y = max(x, 0)^2."""
    at = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    x = tl.maximum(_load(x_p, at, at < count), 0.0, propagate_nan=tl.PropagateNan.ALL)
    _store(y_p, at, x * x, at < count)


@triton.jit
def squared_relu_gradient(x_p, dy_p, dx_p, count, BLOCK: tl.constexpr):
    """dx = 2 max(x, 0) dy."""
    at = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    x = tl.maximum(_load(x_p, at, at < count), 0.0, propagate_nan=tl.PropagateNan.ALL)
    _store(dx_p, at, 2 * x * _load(dy_p, at, at < count), at < count)


@triton.jit
def likelihood(logits_p, target_p, loss_p, lse_p, V: tl.constexpr, BLOCK: tl.constexpr):
    """-log p of a row's target, and the log of the sum of exp. A program a row."""
    row = tl.program_id(0).to(tl.int64)
    most, sums = tl.full([BLOCK], float("-inf"), tl.float32), tl.zeros([BLOCK], tl.float32)
    for start in range(0, V, BLOCK):
        v = start + tl.arange(0, BLOCK)
        x = tl.load(logits_p + row * V + v, mask=v < V, other=float("-inf")).to(tl.float32)
        new = tl.maximum(most, x, propagate_nan=tl.PropagateNan.ALL)
        floor = tl.where(new == float("-inf"), 0.0, new)
        sums = sums * tl.exp(most - floor) + tl.exp(x - floor)
        most = new
    top = tl.max(most, 0)
    lse = top + tl.log(tl.sum(sums * tl.exp(most - top), 0))
    tl.store(lse_p + row, lse)
    tl.store(loss_p + row, lse - tl.load(logits_p + row * V + tl.load(target_p + row)).to(tl.float32))


@triton.jit
def likelihood_gradient(logits_p, target_p, lse_p, dloss_p, dlogits_p, V: tl.constexpr, BLOCK: tl.constexpr):
    """dlogits = (p - onehot) dloss. A program: BLOCK logits of a row."""
    row, v = tl.program_id(0).to(tl.int64), tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    x = tl.load(logits_p + row * V + v, mask=v < V, other=float("-inf")).to(tl.float32)
    p = tl.exp(x - tl.load(lse_p + row)) - tl.where(v == tl.load(target_p + row), 1.0, 0.0)
    _store(dlogits_p, row * V + v, p * tl.load(dloss_p + row), v < V)
