"""The kernels of one decoding step on a GPU. rwkv_models/decode_step.py puts them in order.

Shape letters: B rows of the batch, C channels, H heads, N size of a head, K inputs of a matrix, O its outputs, R low ranks, S parts of a sum
over K that different programs make and the next kernel adds up, in a fixed order: the same bits each time.
Pointers end in _p. Blocks: BO outputs, BB rows of the batch (1: products on the plain units, else on the matrix units), BK inputs.
The parameters are in the network's dtype, and so is what enters a matrix; everything else between kernels is fp32.

EARLY: a kernel may start while the one before it still runs, fetches parameters, and waits before it touches anything else. Parameters and
the state of its layer are what no kernel of the same step has written before it.
"""

from __future__ import annotations

import triton
import triton.language as tl
from triton.language.extra.cuda import gdc_launch_dependents, gdc_wait

LOG_DECAY_LIMIT = tl.constexpr(-0.6065306597126334)
TINY = tl.constexpr(1e-12)  # below which a direction is none, as torch's normalize has it


@triton.jit
def _wait(EARLY: tl.constexpr):
    """From here on, what earlier kernels wrote is there."""
    if EARLY:
        gdc_launch_dependents()
        gdc_wait()


@triton.jit
def _fetch(p, EARLY: tl.constexpr):
    """Have the lines at these addresses brought to the L2 cache."""
    if EARLY:
        tl.inline_asm_elementwise("prefetch.global.L2 [$1]; mov.b32 $0, 0;", "=r,l", [p.to(tl.int64)], dtype=tl.int32, is_pure=False, pack=1)


@triton.jit
def _normalised(x_C, exists, w_C, b_C, C, EPS: tl.constexpr):
    """LayerNorm of one row."""
    apart_C = tl.where(exists, x_C - tl.sum(x_C, 0) / C, 0.0)
    return apart_C * tl.rsqrt(tl.sum(apart_C * apart_C, 0) / C + EPS) * w_C + b_C


@triton.jit(do_not_specialize=["B"])
def enter(token_p, emb_p, w_p, b_p, x_p, B, C: tl.constexpr, BC: tl.constexpr, EPS: tl.constexpr, EARLY: tl.constexpr):
    """x = ln0(emb[token]), a program a row."""
    row, c = tl.program_id(0), tl.arange(0, BC)
    exists = c < C
    _wait(EARLY)
    token = tl.load(token_p + row)
    x_C = tl.load(emb_p + token * C + c, mask=exists, other=0.0).to(tl.float32)
    w_C = tl.load(w_p + c, mask=exists, other=0.0).to(tl.float32)
    b_C = tl.load(b_p + c, mask=exists, other=0.0).to(tl.float32)
    tl.store(x_p + row * C + c, _normalised(x_C, exists, w_C, b_C, C, EPS), mask=exists)


@triton.jit
def _mix(i: tl.constexpr, mix_p, y_C, to_past_C, out_p, row, B, c, exists, C: tl.constexpr):
    mixed_C = y_C + to_past_C * tl.load(mix_p + c, mask=exists, other=0.0).to(tl.float32)
    tl.store(out_p + (i * B + row) * C + c, mixed_C.to(out_p.dtype.element_ty), mask=exists)


@triton.jit(do_not_specialize=["B"])
def mix(x_p, part_p, w_p, b_p, shift_p, r_p, w_mix_p, k_p, v_p, a_p, g_p, out_p, B,
        C: tl.constexpr, BC: tl.constexpr, S: tl.constexpr, MIXES: tl.constexpr, EPS: tl.constexpr, EARLY: tl.constexpr):
    """x += its S parts; y = norm(x); the shift state becomes y; out [MIXES, B, C] = y + (shift - y) * mix. A program a row.

    MIXES: 6 (in the order r, w, k, v, a, g), 1 (the one at r_p), or 0: out [B, C] = y.
    """
    row, c = tl.program_id(0), tl.arange(0, BC)
    exists, at = c < C, row * C + c
    w_C = tl.load(w_p + c, mask=exists, other=0.0).to(tl.float32)
    b_C = tl.load(b_p + c, mask=exists, other=0.0).to(tl.float32)
    _wait(EARLY)
    x_C = tl.load(x_p + at, mask=exists, other=0.0)
    for s in tl.static_range(S):
        x_C += tl.load(part_p + s * B * C + at, mask=exists, other=0.0)
    if S > 0:
        tl.store(x_p + at, x_C, mask=exists)
    y_C = _normalised(x_C, exists, w_C, b_C, C, EPS)
    if MIXES == 0:
        tl.store(out_p + at, y_C.to(out_p.dtype.element_ty), mask=exists)
    else:
        to_past_C = tl.load(shift_p + at, mask=exists, other=0.0).to(tl.float32) - y_C
        tl.store(shift_p + at, y_C.to(shift_p.dtype.element_ty), mask=exists)
        _mix(0, r_p, y_C, to_past_C, out_p, row, B, c, exists, C)
        if MIXES == 6:
            _mix(1, w_mix_p, y_C, to_past_C, out_p, row, B, c, exists, C)
            _mix(2, k_p, y_C, to_past_C, out_p, row, B, c, exists, C)
            _mix(3, v_p, y_C, to_past_C, out_p, row, B, c, exists, C)
            _mix(4, a_p, y_C, to_past_C, out_p, row, B, c, exists, C)
            _mix(5, g_p, y_C, to_past_C, out_p, row, B, c, exists, C)


@triton.jit
def _rows_once(W_p, x_p, block, part, O, K: tl.constexpr, S: tl.constexpr, BO: tl.constexpr, BK: tl.constexpr, EARLY: tl.constexpr):
    """W[block] x for one x [K], over the part's share of K → [BO, 1]. Two blocks of W are always under way."""
    STEPS: tl.constexpr = K // S // BK
    o, k = tl.minimum(block * BO + tl.arange(0, BO), O - 1), part * (K // S) + tl.arange(0, BK)
    at = o[:, None] * K + k[None, :]
    w_OK = tl.load(W_p + at)
    next_OK = tl.load(W_p + at + BK) if STEPS > 1 else w_OK
    _wait(EARLY)
    sum_OK = tl.zeros([BO, BK], tl.float32)
    for i in tl.static_range(STEPS):
        after_OK = tl.load(W_p + at + (i + 2) * BK) if i + 2 < STEPS else next_OK
        x_1K = tl.load(x_p + i * BK + k[None, :]).to(tl.float32)
        sum_OK += w_OK.to(tl.float32) * x_1K
        w_OK, next_OK = next_OK, after_OK
    return tl.sum(sum_OK, 1)[:, None]


@triton.jit
def _rows(W_p, x_p, B, block, part, O, K: tl.constexpr, S: tl.constexpr,
          BO: tl.constexpr, BB: tl.constexpr, BK: tl.constexpr, AHEAD: tl.constexpr, EARLY: tl.constexpr, PRECISION: tl.constexpr):
    """W[block] x^T for x [B, K], over the part's share of K → [BO, BB]."""
    if BB == 1:
        sum_OB = _rows_once(W_p, x_p, block, part, O, K, S, BO, BK, EARLY)
    else:
        o, b, k = tl.minimum(block * BO + tl.arange(0, BO), O - 1), tl.arange(0, BB), part * (K // S) + tl.arange(0, BK)
        line = part * (K // S) + tl.arange(0, BK // 64 if BK > 64 else 1) * 64
        for i in tl.static_range(AHEAD):
            if (i + 1) * BK * S <= K:
                _fetch(W_p + o[:, None] * K + line[None, :] + i * BK, EARLY)
        _wait(EARLY)
        sum_OB = tl.zeros([BO, BB], tl.float32)
        for i in range(K // S // BK):
            w_OK = tl.load(W_p + o[:, None] * K + k[None, :] + i * BK)
            x_KB = tl.load(x_p + b[None, :] * K + k[:, None] + i * BK, mask=b[None, :] < B, other=0.0)
            sum_OB = tl.dot(w_OK, x_KB, sum_OB, input_precision=PRECISION)
    return sum_OB


@triton.jit
def _store_rows(out_p, sum_OB, B, block, O, BO: tl.constexpr, BB: tl.constexpr):
    o, b = block * BO + tl.arange(0, BO)[:, None], tl.arange(0, BB)[None, :]
    tl.store(out_p + b * O + o, sum_OB.to(out_p.dtype.element_ty), mask=(o < O) & (b < B))


@triton.jit
def _low(W_p, x_p, low_p, first, part, B, K: tl.constexpr, R, S: tl.constexpr,
         BR: tl.constexpr, BB: tl.constexpr, BK: tl.constexpr, EARLY: tl.constexpr, PRECISION: tl.constexpr):
    """low [S, B, R] = x W for W [K, R]: the BR columns from the first on, and one part."""
    r, k, b = first + tl.arange(0, BR), part * (K // S) + tl.arange(0, BK), tl.arange(0, BB)
    at = k[:, None] * R + r[None, :]
    out_p = low_p + part * R * B
    if BB == 1:
        w_KR = tl.load(W_p + at)
        _wait(EARLY)
        sum_KR = tl.zeros([BK, BR], tl.float32)
        for i in tl.static_range(K // S // BK):
            next_KR = tl.load(W_p + at + (i + 1) * BK * R) if (i + 2) * BK * S <= K else w_KR
            x_K1 = tl.load(x_p + k[:, None] + i * BK).to(tl.float32)
            sum_KR += w_KR.to(tl.float32) * x_K1
            w_KR = next_KR
        tl.store(out_p + r, tl.sum(sum_KR, 0))
    else:
        for i in tl.static_range(K // S // BK):
            _fetch(W_p + k * R + first + i * BK * R, EARLY)
        _wait(EARLY)
        sum_BR = tl.zeros([BB, BR], tl.float32)
        for i in range(K // S // BK):
            w_KR = tl.load(W_p + at + i * BK * R)
            x_BK = tl.load(x_p + b[:, None] * K + k[None, :] + i * BK, mask=b[:, None] < B, other=0.0)
            sum_BR = tl.dot(x_BK, w_KR, sum_BR, input_precision=PRECISION)
        tl.store(out_p + b[:, None] * R + r[None, :], sum_BR, mask=b[:, None] < B)


@triton.jit(do_not_specialize=["B"])
def project(x_p, r_p, k_p, v_p, w1_p, a1_p, g1_p, v1_p, rkv_p, low_p, B, C: tl.constexpr,
            RW: tl.constexpr, RA: tl.constexpr, RG: tl.constexpr, RV: tl.constexpr, S: tl.constexpr, LOW_S: tl.constexpr,
            BO: tl.constexpr, BB: tl.constexpr, BK: tl.constexpr, BR: tl.constexpr, LOW_BK: tl.constexpr,
            AHEAD: tl.constexpr, EARLY: tl.constexpr, PRECISION: tl.constexpr):
    """From the six mixes x [6, B, C]: rkv [3, S, B, C], and the first halves of the low-rank pairs w, a, g, v, each low [LOW_S, B, R].

    The programs of the low ranks come first, as theirs is the longest way for the fewest bytes.
    """
    LOW: tl.constexpr = (RW + RA + RG + RV) // BR * LOW_S
    EACH: tl.constexpr = (C + BO - 1) // BO * S
    program, plane = tl.program_id(0), B * C
    if program < LOW:
        r, W_p, R, which = program // LOW_S * BR, w1_p, RW, 1
        if r >= RW + RA + RG:
            r, W_p, R, which = r - (RW + RA + RG), v1_p, RV, 3
        elif r >= RW + RA:
            r, W_p, R, which = r - (RW + RA), g1_p, RG, 5
        elif r >= RW:
            r, W_p, R, which = r - RW, a1_p, RA, 4
        _low(W_p, x_p + which * plane, low_p + LOW_S * B * (program // LOW_S * BR - r), r, program % LOW_S, B, C, R, LOW_S,
             BR, BB, LOW_BK, EARLY, PRECISION)
    else:
        W_p, which, matrix, program = r_p, 0, (program - LOW) // EACH, (program - LOW) % EACH
        if matrix == 1:
            W_p, which = k_p, 2
        elif matrix == 2:
            W_p, which = v_p, 3
        block, part = program // S, program % S
        sum_OB = _rows(W_p, x_p + which * plane, B, block, part, C, C, S, BO, BB, BK, AHEAD, EARLY, PRECISION)
        _store_rows(rkv_p + (matrix * S + part) * plane, sum_OB, B, block, C, BO, BB)


@triton.jit
def _widened(low_p, W_p, bias_p, out_p, B, block, KIND: tl.constexpr, C: tl.constexpr, R: tl.constexpr, S: tl.constexpr,
             BB: tl.constexpr, BC: tl.constexpr, BR: tl.constexpr, EARLY: tl.constexpr, PRECISION: tl.constexpr):
    """One second half of a low-rank pair for BC channels, and what is made of it."""
    b, c, r = tl.arange(0, BB), block * BC + tl.arange(0, BC), tl.arange(0, BR)
    for i in tl.static_range(R // BR):
        _fetch(W_p + (i * BR + r)[:, None] * C + block * BC + (tl.arange(0, BC // 64 if BC > 64 else 1) * 64)[None, :], EARLY)
    if KIND != "g":
        bias_C = tl.load(bias_p + c, mask=c < C, other=0.0).to(tl.float32)
    _wait(EARLY)
    sum_BC = tl.zeros([BB, BC], tl.float32)
    for i in tl.static_range(R // BR):
        W_RC = tl.load(W_p + (i * BR + r)[:, None] * C + c[None, :], mask=c[None, :] < C, other=0.0)
        low_BR = tl.zeros([BB, BR], tl.float32)
        for s in tl.static_range(S):
            low_BR += tl.load(low_p + (s * B + b[:, None]) * R + i * BR + r[None, :], mask=b[:, None] < B, other=0.0)
        if KIND == "w":
            low_BR = 2 * tl.sigmoid(2 * low_BR) - 1  # tanh
        elif KIND == "g":
            low_BR = tl.sigmoid(low_BR)
        sum_BC = tl.dot(low_BR.to(W_RC.dtype), W_RC, sum_BC, input_precision=PRECISION)
    if KIND != "g":
        sum_BC = tl.sigmoid(sum_BC + bias_C[None, :])
    if KIND == "w":
        sum_BC = tl.exp(LOG_DECAY_LIMIT * sum_BC)
    tl.store(out_p + b[:, None] * C + c[None, :], sum_BC, mask=(b[:, None] < B) & (c[None, :] < C))


@triton.jit(do_not_specialize=["B"])
def widen(low_p, w2_p, a2_p, g2_p, v2_p, w0_p, a0_p, v0_p, out_p, B, C: tl.constexpr,
          RW: tl.constexpr, RA: tl.constexpr, RG: tl.constexpr, RV: tl.constexpr, S: tl.constexpr, BB: tl.constexpr, BC: tl.constexpr,
          BRW: tl.constexpr, BRA: tl.constexpr, BRG: tl.constexpr, BRV: tl.constexpr, EARLY: tl.constexpr, PRECISION: tl.constexpr):
    """out [4, B, C]: the decay, the in-context rate a, the gate g, and how far v goes towards the first layer's (not in layer 0)."""
    kind, block, plane = tl.program_id(0), tl.program_id(1), B * C
    if kind == 0:
        _widened(low_p, w2_p, w0_p, out_p, B, block, "w", C, RW, S, BB, BC, BRW, EARLY, PRECISION)
    elif kind == 1:
        _widened(low_p + S * B * RW, a2_p, a0_p, out_p + plane, B, block, "a", C, RA, S, BB, BC, BRA, EARLY, PRECISION)
    elif kind == 2:
        _widened(low_p + S * B * (RW + RA), g2_p, a0_p, out_p + 2 * plane, B, block, "g", C, RG, S, BB, BC, BRG, EARLY, PRECISION)
    else:
        _widened(low_p + S * B * (RW + RA + RG), v2_p, v0_p, out_p + 3 * plane, B, block, "v", C, RV, S, BB, BC, BRV, EARLY, PRECISION)


@triton.jit
def _summed(part_p, at, plane, S: tl.constexpr):
    sum_N = tl.load(part_p + at)
    for s in tl.static_range(1, S):
        sum_N += tl.load(part_p + s * plane + at)
    return sum_N


@triton.jit(do_not_specialize=["B"])
def remember(rkv_p, wide_p, first_p, k_k_p, k_a_p, r_k_p, w_p, b_p, state_p, out_p, B, C: tl.constexpr, H: tl.constexpr, N: tl.constexpr,
             S: tl.constexpr, FIRST: tl.constexpr, EPS: tl.constexpr, EARLY: tl.constexpr):
    """The state of one head and row takes one token in; out [B, C] = (norm(S r) + bonus) * g. FIRST: this layer's v is the first layer's."""
    row, head = tl.program_id(0) // H, tl.program_id(0) % H
    n, c, plane = tl.arange(0, N), head * N + tl.arange(0, N), B * C
    at, place = row * C + c, tl.program_id(0).to(tl.int64) * N * N + n[:, None] * N + n[None, :]
    state_VK = tl.load(state_p + place)
    k_k_N, k_a_N = tl.load(k_k_p + c).to(tl.float32), tl.load(k_a_p + c).to(tl.float32)
    r_k_N, w_N, b_N = tl.load(r_k_p + c).to(tl.float32), tl.load(w_p + c).to(tl.float32), tl.load(b_p + c).to(tl.float32)
    _wait(EARLY)
    r_N, k_N, v_N = _summed(rkv_p, at, plane, S), _summed(rkv_p + S * plane, at, plane, S), _summed(rkv_p + 2 * S * plane, at, plane, S)
    decay_N, a_N, g_N = tl.load(wide_p + at), tl.load(wide_p + plane + at), tl.load(wide_p + 2 * plane + at)
    if FIRST:
        tl.store(first_p + at, v_N)
    else:
        v_N += (tl.load(first_p + at) - v_N) * tl.load(wide_p + 3 * plane + at)
    kk_N = k_N * k_k_N
    kk_N = kk_N / tl.maximum(tl.sqrt(tl.sum(kk_N * kk_N, 0)), TINY)
    k_N = k_N * (1 + (a_N - 1) * k_a_N)
    removed_V = tl.sum(state_VK * kk_N[None, :], 1)
    state_VK = state_VK * decay_N[None, :] - removed_V[:, None] * (kk_N * a_N)[None, :] + v_N[:, None] * k_N[None, :]
    tl.store(state_p + place, state_VK)
    y_N = tl.sum(state_VK * r_N[None, :], 1)
    apart_N = y_N - tl.sum(y_N, 0) / N
    y_N = apart_N * tl.rsqrt(tl.sum(apart_N * apart_N, 0) / N + EPS) * w_N + b_N
    y_N = (y_N + tl.sum(r_N * k_N * r_k_N, 0) * v_N) * g_N
    tl.store(out_p + at, y_N.to(out_p.dtype.element_ty))


@triton.jit(do_not_specialize=["B"])
def multiply(W_p, x_p, out_p, B, O: tl.constexpr, K: tl.constexpr, S: tl.constexpr, SQUARED: tl.constexpr,
             BO: tl.constexpr, BB: tl.constexpr, BK: tl.constexpr, AHEAD: tl.constexpr, EARLY: tl.constexpr, PRECISION: tl.constexpr):
    """out [S, B, O] = x W^T in S parts, for W [O, K] and x [B, K]; SQUARED: max(., 0)^2 of it, with S = 1."""
    block, part = tl.program_id(0) // S, tl.program_id(0) % S
    sum_OB = _rows(W_p, x_p, B, block, part, O, K, S, BO, BB, BK, AHEAD, EARLY, PRECISION)
    if SQUARED:
        sum_OB = tl.maximum(sum_OB, 0.0, propagate_nan=tl.PropagateNan.ALL)
        sum_OB = sum_OB * sum_OB
    _store_rows(out_p + part * B * O, sum_OB, B, block, O, BO, BB)
