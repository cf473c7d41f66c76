"""The wkv operator's Triton kernels. Every formula is in the head of rwkv_models/wkv7_chunked.py and of wkv7_triton.py.

Shape letters: X = B*H, T time, G chunks, L tokens of a chunk, N size of a head (value rows by key columns), V rows of a value block.
Pointers end in _p. Token tensors are [B, T, H, N]; chunk tensors are [X, G, N, N] ("states"), [X, G, N] or [X, G, L, N].

Matrix units read fp32 as tf32, cutting bits off. So with PRECISION "tf32" every tile is rounded to tf32 once, where it is made: the error
has no bias, and terms that cancel in the gradient of the decay are sums of the very same products.
T, H and G are not specialised: one compilation serves every length.
"""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def _rounded(x, PRECISION: tl.constexpr):
    """To the nearest tf32 (10 bits of mantissa), ties away from zero; as it is where products are exact to fp32."""
    if PRECISION == "tf32":
        return ((x.to(tl.int32, bitcast=True) + 0x1000) & -0x2000).to(tl.float32, bitcast=True)
    return x


@triton.jit
def _inverse(A_LL, L: tl.constexpr, PRECISION: tl.constexpr):
    """(I - A)^-1 for a strictly lower triangular A, by inverses X1, X2 of diagonal blocks of 2, 4, … L rows:

    the inverse of [[I-A1, 0], [-A21, I-A2]] is [[X1, 0], [X2 A21 X1, X2]]. Exact up to rounding, as substitution is.
    """
    row, column = tl.arange(0, L)[:, None], tl.arange(0, L)[None, :]
    X_LL = tl.where(row == column, 1.0, tl.where(row // 2 == column // 2, A_LL, 0.0))
    for i in tl.static_range(1, 10):
        if 2**i < L:
            crossing = (row // 2 ** (i + 1) == column // 2 ** (i + 1)) & (row // 2**i != column // 2**i)
            X2A21_LL = tl.dot(_rounded(X_LL, PRECISION), tl.where(crossing, A_LL, 0.0), input_precision=PRECISION)
            X_LL += tl.dot(_rounded(X2A21_LL, PRECISION), _rounded(X_LL, PRECISION), input_precision=PRECISION)
    return _rounded(X_LL, PRECISION)


@triton.jit
def _places(x, g, T, H, L: tl.constexpr, N: tl.constexpr):
    """Offsets [L, 1] of a chunk's tokens in [B, T, H, N], and which of them exist."""
    t = g * L + tl.arange(0, L)
    return (((x // H).to(tl.int64) * T + t) * H + x % H)[:, None] * N, (t < T)[:, None]


@triton.jit
def _load(p, at, exists):
    """A tile in fp32; a token that does not exist is zeros, which leave the state as it is."""
    return tl.load(p + at, mask=exists, other=0.0).to(tl.float32)


@triton.jit
def _local_terms(r_LN, a_LN, b_LN, L: tl.constexpr, PRECISION: tl.constexpr):
    """X = (I - strict(A~ B~^T))^-1, P = X A~, lower(R~ B~^T), and R^ = R~ + lower(R~ B~^T) P, which reads y off the border state."""
    row, column = tl.arange(0, L)[:, None], tl.arange(0, L)[None, :]
    bT_NL = tl.trans(b_LN)
    X_LL = _inverse(_rounded(tl.where(row > column, tl.dot(a_LN, bT_NL, input_precision=PRECISION), 0.0), PRECISION), L, PRECISION)
    P_LN = _rounded(tl.dot(X_LL, a_LN, input_precision=PRECISION), PRECISION)
    rb_LL = _rounded(tl.where(row >= column, tl.dot(r_LN, bT_NL, input_precision=PRECISION), 0.0), PRECISION)
    return X_LL, P_LN, rb_LL, r_LN + tl.dot(rb_LL, P_LN, input_precision=PRECISION)


@triton.jit(do_not_specialize=["T", "H", "G"])
def forward_chunks(r_p, w_p, k_p, v_p, a_p, b_p, M_p, C_p, D_p, R_p, y_p, T, H, G,
                   L: tl.constexpr, N: tl.constexpr, V: tl.constexpr, PRECISION: tl.constexpr):
    """Per chunk: what its border state S will be multiplied with, S_L = S D_L + S M + C and Y = R^ S^T + y."""
    x, g = tl.program_id(0) // G, tl.program_id(0) % G
    chunk = tl.program_id(0).to(tl.int64)
    place_L1, exists = _places(x, g, T, H, L, N)
    key, token = tl.arange(0, N), tl.arange(0, L)
    at = place_L1 + key[None, :]
    row, column = token[:, None], token[None, :]

    w_LN = _load(w_p, at, exists)
    logD_LN = tl.cumsum(w_LN, 0)
    D_N = tl.exp(tl.sum(w_LN, 0))
    r_LN = _rounded(_load(r_p, at, exists) * tl.exp(logD_LN), PRECISION)
    a_LN = _rounded(_load(a_p, at, exists) * tl.exp(logD_LN - w_LN), PRECISION)
    b_LN = _rounded(_load(b_p, at, exists) * tl.exp(-logD_LN), PRECISION)
    k_LN = _rounded(_load(k_p, at, exists) * tl.exp(-logD_LN), PRECISION)

    X_LL, P_LN, rb_LL, R_LN = _local_terms(r_LN, a_LN, b_LN, L, PRECISION)
    tl.store(D_p + chunk * N + key, D_N)
    tl.store(R_p + chunk * L * N + token[:, None] * N + key[None, :], _rounded(R_LN, PRECISION))
    M_NN = tl.dot(tl.trans(P_LN), b_LN, input_precision=PRECISION) * D_N[None, :]
    tl.store(M_p + chunk * N * N + key[:, None] * N + key[None, :], _rounded(M_NN, PRECISION))

    ak_LL = _rounded(tl.where(row > column, tl.dot(a_LN, tl.trans(k_LN), input_precision=PRECISION), 0.0), PRECISION)
    rk_LL = _rounded(tl.where(row >= column, tl.dot(r_LN, tl.trans(k_LN), input_precision=PRECISION), 0.0), PRECISION)
    for block in tl.static_range(N // V):
        value = block * V + tl.arange(0, V)
        v_LV = _load(v_p, place_L1 + value[None, :], exists)
        Z_LV = _rounded(tl.dot(ak_LL, v_LV, input_precision=PRECISION), PRECISION)
        Q_LV = _rounded(tl.dot(X_LL, Z_LV, input_precision=PRECISION), PRECISION)
        y_LV = tl.dot(rb_LL, Q_LV, input_precision=PRECISION) + tl.dot(rk_LL, v_LV, input_precision=PRECISION)
        tl.store(y_p + chunk * L * N + token[:, None] * N + value[None, :], y_LV)
        C_VN = tl.dot(tl.trans(Q_LV), b_LN, input_precision=PRECISION) + tl.dot(tl.trans(v_LV), k_LN, input_precision=PRECISION)
        tl.store(C_p + chunk * N * N + value[:, None] * N + key[None, :], C_VN * D_N[None, :])


@triton.jit(do_not_specialize=["G"])
def border_states(M_p, C_p, D_p, first_p, last_p, G, N: tl.constexpr, V: tl.constexpr, PRECISION: tl.constexpr, BACK: tl.constexpr):
    """In order, for V value rows, which do not depend on other rows: S → S D + S M + C; the S before each chunk takes the place of its C.

    BACK: from the last chunk to the first and with M transposed, which is how the gradient of the state goes.
    """
    x, block = tl.program_id(0) // (N // V), tl.program_id(0) % (N // V)
    key, value = tl.arange(0, N), block * V + tl.arange(0, V)
    rows = value[:, None] * N + key[None, :]
    square = (key[None, :] * N + key[:, None]) if BACK else (key[:, None] * N + key[None, :])
    S_VN = tl.load(first_p + x.to(tl.int64) * N * N + rows)
    for i in range(G):
        chunk = x.to(tl.int64) * G + (G - 1 - i if BACK else i)
        M_NN = tl.load(M_p + chunk * N * N + square)
        C_VN = tl.load(C_p + chunk * N * N + rows)
        D_N = tl.load(D_p + chunk * N + key)
        tl.store(C_p + chunk * N * N + rows, S_VN)
        S_VN = S_VN * D_N[None, :] + C_VN + tl.dot(_rounded(S_VN, PRECISION), M_NN, input_precision=PRECISION)
    tl.store(last_p + x.to(tl.int64) * N * N + rows, S_VN)


@triton.jit(do_not_specialize=["T", "H", "G"])
def forward_outputs(R_p, local_p, S_p, y_p, T, H, G, L: tl.constexpr, N: tl.constexpr, V: tl.constexpr, PRECISION: tl.constexpr):
    """Per chunk and V value rows: Y = R^ S^T + the local part."""
    program, value = tl.program_id(0) // (N // V), (tl.program_id(0) % (N // V)) * V + tl.arange(0, V)
    key, token, chunk = tl.arange(0, N), tl.arange(0, L), program.to(tl.int64)
    place_L1, exists = _places(program // G, program % G, T, H, L, N)
    S_VN = _rounded(tl.load(S_p + chunk * N * N + value[:, None] * N + key[None, :]), PRECISION)
    R_LN = tl.load(R_p + chunk * L * N + token[:, None] * N + key[None, :])
    y_LV = tl.load(local_p + chunk * L * N + token[:, None] * N + value[None, :])
    y_LV += tl.dot(R_LN, tl.trans(S_VN), input_precision=PRECISION)
    tl.store(y_p + place_L1 + value[None, :], y_LV, mask=exists)


@triton.jit(do_not_specialize=["T", "H", "G"])
def backward_chunks(r_p, w_p, a_p, b_p, dy_p, M_p, E_p, D_p, X_p, T, H, G,
                    L: tl.constexpr, N: tl.constexpr, V: tl.constexpr, PRECISION: tl.constexpr):
    """Per chunk: what the gradient dS_L of its last state will be multiplied with, dS = dS_L D + dS_L M^T + E, E = dY^T R^."""
    x, g = tl.program_id(0) // G, tl.program_id(0) % G
    chunk = tl.program_id(0).to(tl.int64)
    place_L1, exists = _places(x, g, T, H, L, N)
    key = tl.arange(0, N)
    at = place_L1 + key[None, :]

    w_LN = _load(w_p, at, exists)
    logD_LN = tl.cumsum(w_LN, 0)
    D_N = tl.exp(tl.sum(w_LN, 0))
    r_LN = _rounded(_load(r_p, at, exists) * tl.exp(logD_LN), PRECISION)
    a_LN = _rounded(_load(a_p, at, exists) * tl.exp(logD_LN - w_LN), PRECISION)
    b_LN = _rounded(_load(b_p, at, exists) * tl.exp(-logD_LN), PRECISION)

    X_LL, P_LN, _, R_LN = _local_terms(r_LN, a_LN, b_LN, L, PRECISION)
    R_LN = _rounded(R_LN, PRECISION)
    token = tl.arange(0, L)
    tl.store(X_p + chunk * L * L + token[:, None] * L + token[None, :], X_LL)
    tl.store(D_p + chunk * N + key, D_N)
    M_NN = tl.dot(tl.trans(P_LN), b_LN, input_precision=PRECISION) * D_N[None, :]
    tl.store(M_p + chunk * N * N + key[:, None] * N + key[None, :], _rounded(M_NN, PRECISION))
    for block in tl.static_range(N // V):
        value = block * V + tl.arange(0, V)
        dy_LV = _load(dy_p, place_L1 + value[None, :], exists)
        E_VN = tl.dot(tl.trans(dy_LV), R_LN, input_precision=PRECISION)
        tl.store(E_p + chunk * N * N + value[:, None] * N + key[None, :], E_VN)


@triton.jit(do_not_specialize=["T", "H", "G"])
def backward_values(r_p, w_p, k_p, v_p, a_p, b_p, dy_p, X_p, S_p, dS_p, U_p, dZ_p, dv_p, T, H, G,
                    L: tl.constexpr, N: tl.constexpr, V: tl.constexpr, PRECISION: tl.constexpr):
    """Per chunk: U, dZ and the gradient of v, from the state S before it and the gradient dS of the state after it."""
    x, g = tl.program_id(0) // G, tl.program_id(0) % G
    chunk = tl.program_id(0).to(tl.int64)
    place_L1, exists = _places(x, g, T, H, L, N)
    key, token = tl.arange(0, N), tl.arange(0, L)
    at = place_L1 + key[None, :]
    row, column = token[:, None], token[None, :]

    w_LN = _load(w_p, at, exists)
    logD_LN = tl.cumsum(w_LN, 0)
    D_N = tl.exp(tl.sum(w_LN, 0))
    r_LN = _rounded(_load(r_p, at, exists) * tl.exp(logD_LN), PRECISION)
    a_LN = _rounded(_load(a_p, at, exists) * tl.exp(logD_LN - w_LN), PRECISION)
    b_LN = _rounded(_load(b_p, at, exists) * tl.exp(-logD_LN), PRECISION)
    k_LN = _rounded(_load(k_p, at, exists) * tl.exp(-logD_LN), PRECISION)
    X_LL = tl.load(X_p + chunk * L * L + row * L + column)
    ak_LL = _rounded(tl.where(row > column, tl.dot(a_LN, tl.trans(k_LN), input_precision=PRECISION), 0.0), PRECISION)
    # [s, t] as they are used, transposed:
    rbT_LL = _rounded(tl.where(row <= column, tl.dot(b_LN, tl.trans(r_LN), input_precision=PRECISION), 0.0), PRECISION)
    rkT_LL = _rounded(tl.where(row <= column, tl.dot(k_LN, tl.trans(r_LN), input_precision=PRECISION), 0.0), PRECISION)
    for block in range(N // V):
        value = block * V + tl.arange(0, V)
        rows = chunk * N * N + value[:, None] * N + key[None, :]
        local = chunk * L * N + token[:, None] * N + value[None, :]
        v_LV = _load(v_p, place_L1 + value[None, :], exists)
        dy_LV = _load(dy_p, place_L1 + value[None, :], exists)
        ST_NV = tl.trans(_rounded(tl.load(S_p + rows), PRECISION))
        Z_LV = tl.dot(a_LN, ST_NV, input_precision=PRECISION) + tl.dot(ak_LL, v_LV, input_precision=PRECISION)
        U_LV = tl.dot(X_LL, _rounded(Z_LV, PRECISION), input_precision=PRECISION)
        tl.store(U_p + local, _rounded(U_LV, PRECISION))
        dST_NV = tl.trans(_rounded(tl.load(dS_p + rows) * D_N[None, :], PRECISION))
        dU_LV = tl.dot(rbT_LL, dy_LV, input_precision=PRECISION) + tl.dot(b_LN, dST_NV, input_precision=PRECISION)
        dZ_LV = _rounded(tl.dot(tl.trans(X_LL), _rounded(dU_LV, PRECISION), input_precision=PRECISION), PRECISION)
        tl.store(dZ_p + local, dZ_LV)
        dv_LV = tl.dot(rkT_LL, dy_LV, input_precision=PRECISION) + tl.dot(k_LN, dST_NV, input_precision=PRECISION)
        dv_LV += tl.dot(tl.trans(ak_LL), dZ_LV, input_precision=PRECISION)
        tl.store(dv_p + place_L1 + value[None, :], dv_LV, mask=exists)


@triton.jit(do_not_specialize=["T", "H", "G"])
def backward_keys(r_p, w_p, k_p, v_p, a_p, b_p, dy_p, U_p, dZ_p, S_p, dS_p, dr_p, dw_p, dk_p, da_p, db_p, T, H, G,
                  L: tl.constexpr, N: tl.constexpr, V: tl.constexpr, K: tl.constexpr, PRECISION: tl.constexpr):
    """Per chunk and block of K key columns: the gradients of r, w, k, a and b."""
    program, key = tl.program_id(0) // (N // K), (tl.program_id(0) % (N // K)) * K + tl.arange(0, K)
    x, g, chunk = program // G, program % G, program.to(tl.int64)
    place_L1, exists = _places(x, g, T, H, L, N)
    token = tl.arange(0, L)
    at = place_L1 + key[None, :]
    strict, lower = token[:, None] > token[None, :], token[:, None] >= token[None, :]

    w_LK = _load(w_p, at, exists)
    D_K = tl.exp(tl.sum(w_LK, 0))
    dr_LK, da_LK = tl.zeros([L, K], tl.float32), tl.zeros([L, K], tl.float32)
    db_LK, dk_LK = tl.zeros([L, K], tl.float32), tl.zeros([L, K], tl.float32)
    dab_LL, dak_LL = tl.zeros([L, L], tl.float32), tl.zeros([L, L], tl.float32)
    drb_LL, drk_LL = tl.zeros([L, L], tl.float32), tl.zeros([L, L], tl.float32)
    dw_K = tl.zeros([K], tl.float32)
    for block in range(N // V):
        value = block * V + tl.arange(0, V)
        rows = chunk * N * N + value[:, None] * N + key[None, :]
        local = chunk * L * N + token[:, None] * N + value[None, :]
        v_LV, dy_LV = _load(v_p, place_L1 + value[None, :], exists), _load(dy_p, place_L1 + value[None, :], exists)
        U_LV, dZ_LV = tl.load(U_p + local), tl.load(dZ_p + local)
        UT_VL, vT_VL = tl.trans(U_LV), tl.trans(v_LV)
        dab_LL = tl.dot(dZ_LV, UT_VL, dab_LL, input_precision=PRECISION)
        dak_LL = tl.dot(dZ_LV, vT_VL, dak_LL, input_precision=PRECISION)
        drb_LL = tl.dot(dy_LV, UT_VL, drb_LL, input_precision=PRECISION)
        drk_LL = tl.dot(dy_LV, vT_VL, drk_LL, input_precision=PRECISION)
        S_VK = _rounded(tl.load(S_p + rows), PRECISION)
        dr_LK = tl.dot(dy_LV, S_VK, dr_LK, input_precision=PRECISION)
        da_LK = tl.dot(dZ_LV, S_VK, da_LK, input_precision=PRECISION)
        dS_VK = _rounded(tl.load(dS_p + rows) * D_K[None, :], PRECISION)
        db_LK = tl.dot(U_LV, dS_VK, db_LK, input_precision=PRECISION)
        dk_LK = tl.dot(v_LV, dS_VK, dk_LK, input_precision=PRECISION)
        dw_K += tl.sum(S_VK * dS_VK, 0)

    dab_LL = _rounded(tl.where(strict, dab_LL, 0.0), PRECISION)
    dak_LL = _rounded(tl.where(strict, dak_LL, 0.0), PRECISION)
    drb_LL = _rounded(tl.where(lower, drb_LL, 0.0), PRECISION)
    drk_LL = _rounded(tl.where(lower, drk_LL, 0.0), PRECISION)

    logD_LK = tl.cumsum(w_LK, 0)
    a_LK = _rounded(_load(a_p, at, exists) * tl.exp(logD_LK - w_LK), PRECISION)
    r_LK = _rounded(_load(r_p, at, exists) * tl.exp(logD_LK), PRECISION)
    b_LK = _rounded(_load(b_p, at, exists) * tl.exp(-logD_LK), PRECISION)
    k_LK = _rounded(_load(k_p, at, exists) * tl.exp(-logD_LK), PRECISION)

    dw_K += tl.sum(b_LK * db_LK + k_LK * dk_LK, 0)
    db_LK = tl.dot(tl.trans(dab_LL), a_LK, db_LK, input_precision=PRECISION)
    db_LK = tl.dot(tl.trans(drb_LL), r_LK, db_LK, input_precision=PRECISION)
    tl.store(db_p + at, db_LK * tl.exp(-logD_LK), mask=exists)
    dk_LK = tl.dot(tl.trans(dak_LL), a_LK, dk_LK, input_precision=PRECISION)
    dk_LK = tl.dot(tl.trans(drk_LL), r_LK, dk_LK, input_precision=PRECISION)
    tl.store(dk_p + at, dk_LK * tl.exp(-logD_LK), mask=exists)
    through_LK = b_LK * db_LK + k_LK * dk_LK
    dr_LK = tl.dot(drb_LL, b_LK, dr_LK, input_precision=PRECISION)
    dr_LK = tl.dot(drk_LL, k_LK, dr_LK, input_precision=PRECISION)
    tl.store(dr_p + at, dr_LK * tl.exp(logD_LK), mask=exists)
    da_LK = tl.dot(dab_LL, b_LK, da_LK, input_precision=PRECISION)
    da_LK = tl.dot(dak_LL, k_LK, da_LK, input_precision=PRECISION)
    tl.store(da_p + at, da_LK * tl.exp(logD_LK - w_LK), mask=exists)
    through_a_LK = a_LK * da_LK
    through_LK = through_a_LK + r_LK * dr_LK - through_LK
    tl.store(dw_p + at, dw_K[None, :] + tl.cumsum(through_LK, 0, reverse=True) - through_a_LK, mask=exists)


@triton.jit
def one_token(r_p, w_p, k_p, v_p, a_p, b_p, S_p, y_p, new_p, N: tl.constexpr, V: tl.constexpr):
    """The recurrence as it is written, for one token and V value rows."""
    x, block = (tl.program_id(0) // (N // V)).to(tl.int64), tl.program_id(0) % (N // V)
    key, value = x * N + tl.arange(0, N), block * V + tl.arange(0, V)
    rows = x * N * N + value[:, None] * N + tl.arange(0, N)[None, :]
    S_VN = tl.load(S_p + rows)
    removed_V = tl.sum(S_VN * tl.load(a_p + key).to(tl.float32)[None, :], 1)
    v_V = tl.load(v_p + x * N + value).to(tl.float32)
    S_VN = S_VN * tl.exp(tl.load(w_p + key).to(tl.float32))[None, :] + removed_V[:, None] * tl.load(b_p + key).to(tl.float32)[None, :]
    S_VN += v_V[:, None] * tl.load(k_p + key).to(tl.float32)[None, :]
    tl.store(new_p + rows, S_VN)
    tl.store(y_p + x * N + value, tl.sum(S_VN * tl.load(r_p + key).to(tl.float32)[None, :], 1))
