"""The kernels of one decoding step on a GPU. rwkv_models/decode_step.py puts them in order.

Shape letters: B rows of the batch, C channels, H heads, N size of a head, M outputs of a matrix, K its inputs, R low ranks, S parts of a
sum over K, which different programs make and the next kernel adds up, in a fixed order: the same bits each time.
Pointers end in _p. Blocks: BM outputs, BB rows of the batch (1: products on the plain units, else on the matrix units), BK inputs.
The parameters are in the network's dtype, and so is what enters a matrix; everything else between kernels is fp32.

"""

from __future__ import annotations

import triton
import triton.language as tl

LOG_DECAY_LIMIT = tl.constexpr(-0.6065306597126334)
TINY = tl.constexpr(1e-12)  # below which a direction is none, as torch's normalize has it


@triton.jit
def _normalised(x_C, exists, w_C, b_C, C, EPS: tl.constexpr):
    """LayerNorm of one row."""
    apart_C = tl.where(exists, x_C - tl.sum(x_C, 0) / C, 0.0)
    return apart_C * tl.rsqrt(tl.sum(apart_C * apart_C, 0) / C + EPS) * w_C + b_C


@triton.jit(do_not_specialize=["B"])
def enter(token_p, emb_p, w_p, b_p, x_p, B, C: tl.constexpr, BC: tl.constexpr, EPS: tl.constexpr):
    """x = ln0(emb[token]), a program a row."""
    row, c = tl.program_id(0), tl.arange(0, BC)
    exists = c < C
    token = tl.load(token_p + row)
    x_C = tl.load(emb_p + token * C + c, mask=exists, other=0.0).to(tl.float32)
    w_C = tl.load(w_p + c, mask=exists, other=0.0).to(tl.float32)
    b_C = tl.load(b_p + c, mask=exists, other=0.0).to(tl.float32)
    tl.store(x_p + row * C + c, _normalised(x_C, exists, w_C, b_C, C, EPS), mask=exists)


@triton.jit
def _mixed(i: tl.constexpr, mix_C, y_C, to_past_C, out_p, row, B, c, exists, C: tl.constexpr):
    tl.store(out_p + (i * B + row) * C + c, (y_C + to_past_C * mix_C.to(tl.float32)).to(out_p.dtype.element_ty), mask=exists)


@triton.jit(do_not_specialize=["B"])
def mix(x_p, part_p, w_p, b_p, shift_p, r_p, w_mix_p, k_p, v_p, a_p, g_p, out_p, B,
        C: tl.constexpr, BC: tl.constexpr, S: tl.constexpr, MIXES: tl.constexpr, EPS: tl.constexpr):
    """x += its S parts; y = norm(x); the shift state becomes y; out [MIXES, B, C] = y + (shift - y) * mix. A program a row.

    MIXES: 6 (in the order r, w, k, v, a, g), 1 (the one at r_p), or 0: out [B, C] = y.
    """
    row, c = tl.program_id(0), tl.arange(0, BC)
    exists, at = c < C, row * C + c
    w_C = tl.load(w_p + c, mask=exists, other=0.0).to(tl.float32)
    b_C = tl.load(b_p + c, mask=exists, other=0.0).to(tl.float32)
    if MIXES > 0:
        past_C = tl.load(shift_p + at, mask=exists, other=0.0)
        r_C = tl.load(r_p + c, mask=exists, other=0.0)
    if MIXES == 6:
        w_mix_C = tl.load(w_mix_p + c, mask=exists, other=0.0)
        k_C = tl.load(k_p + c, mask=exists, other=0.0)
        v_C = tl.load(v_p + c, mask=exists, other=0.0)
        a_C = tl.load(a_p + c, mask=exists, other=0.0)
        g_C = tl.load(g_p + c, mask=exists, other=0.0)
    x_C = tl.load(x_p + at, mask=exists, other=0.0)
    for s in tl.static_range(S):
        x_C += tl.load(part_p + s * B * C + at, mask=exists, other=0.0)
    if S > 0:
        tl.store(x_p + at, x_C, mask=exists)
    y_C = _normalised(x_C, exists, w_C, b_C, C, EPS)
    if MIXES == 0:
        tl.store(out_p + at, y_C.to(out_p.dtype.element_ty), mask=exists)
    if MIXES > 0:
        tl.store(shift_p + at, y_C.to(shift_p.dtype.element_ty), mask=exists)
        to_past_C = past_C.to(tl.float32) - y_C
        _mixed(0, r_C, y_C, to_past_C, out_p, row, B, c, exists, C)
    if MIXES == 6:
        _mixed(1, w_mix_C, y_C, to_past_C, out_p, row, B, c, exists, C)
        _mixed(2, k_C, y_C, to_past_C, out_p, row, B, c, exists, C)
        _mixed(3, v_C, y_C, to_past_C, out_p, row, B, c, exists, C)
        _mixed(4, a_C, y_C, to_past_C, out_p, row, B, c, exists, C)
        _mixed(5, g_C, y_C, to_past_C, out_p, row, B, c, exists, C)


@triton.jit
def _rows_once(W_p, x_p, block, part, M, K: tl.constexpr, S: tl.constexpr, BM: tl.constexpr, BK: tl.constexpr):
    """W[block] x for one x [K], over the part's share of K → [BM, 1]. Two blocks of W are always under way."""
    STEPS: tl.constexpr = K // S // BK
    tl.static_assert(STEPS * BK * S == K)
    m, k = tl.minimum(block * BM + tl.arange(0, BM), M - 1), part * (K // S) + tl.arange(0, BK)
    at = m[:, None] * K + k[None, :]
    w_MK = tl.load(W_p + at)
    next_MK = tl.load(W_p + at + BK) if STEPS > 1 else w_MK
    sum_MK = tl.zeros([BM, BK], tl.float32)
    for i in tl.static_range(STEPS):
        after_MK = tl.load(W_p + at + (i + 2) * BK) if i + 2 < STEPS else next_MK
        x_1K = tl.load(x_p + i * BK + k[None, :]).to(tl.float32)
        sum_MK += w_MK.to(tl.float32) * x_1K
        w_MK, next_MK = next_MK, after_MK
    return tl.sum(sum_MK, 1)[:, None]


@triton.jit
def _rows(W_p, x_p, B, block, part, M, K: tl.constexpr, S: tl.constexpr,
          BM: tl.constexpr, BB: tl.constexpr, BK: tl.constexpr, PRECISION: tl.constexpr):
    """W[block] x^T for x [B, K], over the part's share of K → [BM, BB]."""
    if BB == 1:
        sum_MB = _rows_once(W_p, x_p, block, part, M, K, S, BM, BK)
    else:
        tl.static_assert(K % (S * BK) == 0)
        m, b, k = tl.minimum(block * BM + tl.arange(0, BM), M - 1), tl.arange(0, BB), part * (K // S) + tl.arange(0, BK)
        sum_MB = tl.zeros([BM, BB], tl.float32)
        for i in range(K // S // BK):
            w_MK = tl.load(W_p + m[:, None] * K + k[None, :] + i * BK)
            x_KB = tl.load(x_p + b[None, :] * K + k[:, None] + i * BK, mask=b[None, :] < B, other=0.0)
            sum_MB = tl.dot(w_MK, x_KB, sum_MB, input_precision=PRECISION)
    return sum_MB


@triton.jit
def _store_rows(out_p, sum_MB, B, block, M, BM: tl.constexpr, BB: tl.constexpr):
    m, b = block * BM + tl.arange(0, BM)[:, None], tl.arange(0, BB)[None, :]
    tl.store(out_p + b * M + m, sum_MB.to(out_p.dtype.element_ty), mask=(m < M) & (b < B))


@triton.jit
def _low(W_p, x_p, low_p, first, part, B, K: tl.constexpr, R, S: tl.constexpr,
         BR: tl.constexpr, BB: tl.constexpr, BK: tl.constexpr, PRECISION: tl.constexpr):
    """low [S, B, R] = x W for W [K, R]: the BR columns from the first on, and one part."""
    tl.static_assert(K % (S * BK) == 0)
    r, k, b = first + tl.arange(0, BR), part * (K // S) + tl.arange(0, BK), tl.arange(0, BB)
    at = k[:, None] * R + r[None, :]
    out_p = low_p + part * R * B
    if BB == 1:
        w_KR = tl.load(W_p + at)
        sum_KR = tl.zeros([BK, BR], tl.float32)
        for i in tl.static_range(K // S // BK):
            next_KR = tl.load(W_p + at + (i + 1) * BK * R) if (i + 2) * BK * S <= K else w_KR
            x_K1 = tl.load(x_p + k[:, None] + i * BK).to(tl.float32)
            sum_KR += w_KR.to(tl.float32) * x_K1
            w_KR = next_KR
        tl.store(out_p + r, tl.sum(sum_KR, 0))
    else:
        sum_BR = tl.zeros([BB, BR], tl.float32)
        for i in range(K // S // BK):
            w_KR = tl.load(W_p + at + i * BK * R)
            x_BK = tl.load(x_p + b[:, None] * K + k[None, :] + i * BK, mask=b[:, None] < B, other=0.0)
            sum_BR = tl.dot(x_BK, w_KR, sum_BR, input_precision=PRECISION)
        tl.store(out_p + b[:, None] * R + r[None, :], sum_BR, mask=b[:, None] < B)


@triton.jit(do_not_specialize=["B"])
def project(x_p, r_p, k_p, v_p, w1_p, a1_p, g1_p, v1_p, rkv_p, low_p, B, C: tl.constexpr,
            RW: tl.constexpr, RA: tl.constexpr, RG: tl.constexpr, RV: tl.constexpr, S: tl.constexpr, LOW_S: tl.constexpr,
            BM: tl.constexpr, BB: tl.constexpr, BK: tl.constexpr, BR: tl.constexpr, LOW_BK: tl.constexpr,
            PRECISION: tl.constexpr):
    """From the six mixes x [6, B, C]: rkv [3, S, B, C], and the first halves of the low-rank pairs w, a, g, v, each low [LOW_S, B, R].

    The programs of the low ranks come first, as theirs is the longest way for the fewest bytes.
    """
    LOW: tl.constexpr = (RW + RA + RG + RV) // BR * LOW_S
    EACH: tl.constexpr = (C + BM - 1) // BM * S
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
             BR, BB, LOW_BK, PRECISION)
    else:
        W_p, which, matrix, program = r_p, 0, (program - LOW) // EACH, (program - LOW) % EACH
        if matrix == 1:
            W_p, which = k_p, 2
        elif matrix == 2:
            W_p, which = v_p, 3
        block, part = program // S, program % S
        sum_MB = _rows(W_p, x_p + which * plane, B, block, part, C, C, S, BM, BB, BK, PRECISION)
        _store_rows(rkv_p + (matrix * S + part) * plane, sum_MB, B, block, C, BM, BB)


@triton.jit
def _between(low_p, at, exists, kind, plane, S: tl.constexpr):
    """What stands between the halves of a low-rank pair: tanh for the decay, sigmoid for the gate, of the sum of S parts."""
    low = tl.load(low_p + at, mask=exists, other=0.0)
    for s in tl.static_range(1, S):
        low += tl.load(low_p + s * plane + at, mask=exists, other=0.0)
    if kind == 0:
        low = 2 * tl.sigmoid(2 * low) - 1  # tanh
    elif kind == 2:
        low = tl.sigmoid(low)
    return low


@triton.jit(do_not_specialize=["B"])
def widen(low_p, w2_p, a2_p, g2_p, v2_p, w0_p, a0_p, v0_p, out_p, B, C: tl.constexpr,
          RW: tl.constexpr, RA: tl.constexpr, RG: tl.constexpr, RV: tl.constexpr, S: tl.constexpr,
          BR: tl.constexpr, BB: tl.constexpr, BC: tl.constexpr, PRECISION: tl.constexpr):
    """The second halves of the low-rank pairs, for BC channels and BB rows of one of them.

    out [4, B, C]: the decay, the in-context rate a, the gate g, and how far v goes towards the first layer's (not in layer 0).
    """
    kind = tl.program_id(0)
    W_p, bias_p, R, before = w2_p, w0_p, RW, 0
    if kind == 1:
        W_p, bias_p, R, before = a2_p, a0_p, RA, RW
    elif kind == 2:
        W_p, R, before = g2_p, RG, RW + RA
    elif kind == 3:
        W_p, bias_p, R, before = v2_p, v0_p, RV, RW + RA + RG
    b, r, c = tl.program_id(2) * BB + tl.arange(0, BB), tl.arange(0, BR), tl.program_id(1) * BC + tl.arange(0, BC)
    bias_C = tl.load(bias_p + c, mask=c < C, other=0.0).to(tl.float32)
    low_p += S * before * B
    if BB == 1:  # the whole pair at once, BR being at least its rank
        W_RC = tl.load(W_p + r[:, None] * C + c[None, :], mask=(r[:, None] < R) & (c[None, :] < C), other=0.0)
        low_R = _between(low_p, r, r < R, kind, R, S)
        sum_BC = tl.sum(W_RC.to(tl.float32) * low_R[:, None], 0)[None, :]
    else:
        sum_BC = tl.zeros([BB, BC], tl.float32)
        for i in range(R // BR):
            W_RC = tl.load(W_p + (i * BR + r)[:, None] * C + c[None, :], mask=c[None, :] < C, other=0.0)
            low_BR = _between(low_p, b[:, None] * R + i * BR + r[None, :], b[:, None] < B, kind, R * B, S)
            sum_BC = tl.dot(low_BR.to(W_RC.dtype), W_RC, sum_BC, input_precision=PRECISION)
    if kind != 2:
        sum_BC = tl.sigmoid(sum_BC + bias_C[None, :])
    if kind == 0:
        sum_BC = tl.exp(LOG_DECAY_LIMIT * sum_BC)
    tl.store(out_p + (kind * B + b[:, None]) * C + c[None, :], sum_BC, mask=(b[:, None] < B) & (c[None, :] < C))


@triton.jit
def _summed(part_p, at, plane, S: tl.constexpr):
    sum_N = tl.load(part_p + at)
    for s in tl.static_range(1, S):
        sum_N += tl.load(part_p + s * plane + at)
    return sum_N


@triton.jit(do_not_specialize=["B"])
def remember(rkv_p, wide_p, first_p, k_k_p, k_a_p, r_k_p, w_p, b_p, state_p, out_p, B, C: tl.constexpr, H: tl.constexpr, N: tl.constexpr,
             S: tl.constexpr, FIRST: tl.constexpr, EPS: tl.constexpr):
    """The state of one head and row takes one token in; out [B, C] = (norm(state r) + bonus) * g. FIRST: v is kept for later layers."""
    row, head = tl.program_id(0) // H, tl.program_id(0) % H
    n, c, plane = tl.arange(0, N), head * N + tl.arange(0, N), B * C
    at, place = row * C + c, tl.program_id(0).to(tl.int64) * N * N + n[:, None] * N + n[None, :]
    state_VK = tl.load(state_p + place)
    k_k_N, k_a_N = tl.load(k_k_p + c).to(tl.float32), tl.load(k_a_p + c).to(tl.float32)
    r_k_N, w_N, b_N = tl.load(r_k_p + c).to(tl.float32), tl.load(w_p + c).to(tl.float32), tl.load(b_p + c).to(tl.float32)
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
def multiply(W_p, x_p, out_p, B, M: tl.constexpr, K: tl.constexpr, S: tl.constexpr, SQUARED: tl.constexpr,
             BM: tl.constexpr, BB: tl.constexpr, BK: tl.constexpr, PRECISION: tl.constexpr):
    """out [S, B, M] = x W^T in S parts, for W [M, K] and x [B, K]; SQUARED: max(., 0)^2 of it, with S = 1."""
    block, part = tl.program_id(0) // S, tl.program_id(0) % S
    sum_MB = _rows(W_p, x_p, B, block, part, M, K, S, BM, BB, BK, PRECISION)
    if SQUARED:
        sum_MB = tl.maximum(sum_MB, 0.0, propagate_nan=tl.PropagateNan.ALL)
        sum_MB = sum_MB * sum_MB
    _store_rows(out_p + part * B * M, sum_MB, B, block, M, BM, BB)


@triton.jit(do_not_specialize=["B"])
def multiply_few(W_p, x_p, index_p, value_p, out_p, B, M: tl.constexpr, K: tl.constexpr, S: tl.constexpr,
                 BM: tl.constexpr, BK: tl.constexpr, BS: tl.constexpr):
    """out [S, 1, M] = x W in S parts, for W [K, M] and one x [K], of which most is 0: rows of W that meet a 0 are not read.

    Each program first lists what is not 0 in its part, in order, in BS (at least K/S) places of its own at `index` and `value`.
    """
    block, part = tl.program_id(0) // S, tl.program_id(0) % S
    m, k, first = block * BM + tl.arange(0, BM), tl.arange(0, BS), part * (K // S)
    index_p += tl.program_id(0) * BS
    value_p += tl.program_id(0) * BS
    x_S = tl.load(x_p + first + k, mask=k < K // S, other=0.0).to(tl.float32)
    counts_S = (x_S != 0).to(tl.int32)
    place_S, count = tl.cumsum(counts_S, 0) - counts_S, tl.sum(counts_S, 0)
    tl.store(index_p + place_S, first + k, mask=counts_S != 0)
    tl.store(value_p + place_S, x_S, mask=counts_S != 0)
    tl.debug_barrier()
    sum_KM = tl.zeros([BK, BM], tl.float32)
    for start in range(0, count, BK):
        i = start + tl.arange(0, BK)
        k_K, x_K = tl.load(index_p + i, mask=i < count, other=0), tl.load(value_p + i, mask=i < count, other=0.0)
        w_KM = tl.load(W_p + k_K[:, None] * M + m[None, :], mask=(i < count)[:, None] & (m < M)[None, :], other=0.0)
        sum_KM += w_KM.to(tl.float32) * x_K[:, None]
    tl.store(out_p + part * B * M + m, tl.sum(sum_KM, 0), mask=m < M)
