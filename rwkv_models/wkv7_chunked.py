"""The wkv operator of RWKV-7 by chunks of L tokens, as matrix products in plain torch. Exact, with autograd's backward.

Shape letters: B batch, T time, H heads, N size of a head, G chunks (T padded to G*L), L chunk length.

Within a chunk let D_t = exp(w_1 + … + w_t) be the decay from its border, S_0 the state at the border, and
    a~_t = D_{t-1} a_t    r~_t = D_t r_t    b~_t = b_t / D_t    k~_t = k_t / D_t
Then u_t = S_{t-1} a_t, the part that token t takes out, solves a unit lower triangular system:
    U = (I - strict(A~ B~^T))^-1 (A~ S_0^T + strict(A~ K~^T) V)          =: P S_0^T + Q
    Y = R~ S_0^T + lower(R~ B~^T) U + lower(R~ K~^T) V
    S_L = (S_0 + U^T B~ + V^T K~) diag(D_L)                               =  S_0 M + C
P, Q, M and C do not depend on S_0, so all chunks make them at once; only S_L = S_0 M + C runs in order.
This is the WY form of DeltaNet (arXiv 2406.06484) with the diagonal decay of RWKV-7.

1/D grows as exp(0.6065 L) at most: L = 64 stays within fp32 (3e16) and each product D_t / D_s, s ≤ t, keeps full
relative precision, as it is a product of two rounded factors and not a difference.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F

CHUNK = 32


def _border_states(state_BHNN, M_GXNN, C_GXNN):
    """All states at chunk borders, S_{g+1} = S_g M_g + C_g, as a list of G+1 tensors [X, N, N] with X = B*H."""
    states = [state_BHNN]
    for M, C in zip(M_GXNN.unbind(0), C_GXNN.unbind(0), strict=True):
        states.append(torch.baddbmm(C, states[-1], M))
    return states


def wkv7_chunked(r_BTHN, w_BTHN, k_BTHN, v_BTHN, a_BTHN, b_BTHN, state_BHNN, chunk: int = CHUNK):
    """As wkv7 (see rwkv_models/wkv7.py), `chunk` tokens at a time. Work is done in the state's dtype, also under autocast."""
    with torch.autocast(r_BTHN.device.type, enabled=False):
        return _wkv7_chunked(r_BTHN, w_BTHN, k_BTHN, v_BTHN, a_BTHN, b_BTHN, state_BHNN, chunk)


def _wkv7_chunked(r_BTHN, w_BTHN, k_BTHN, v_BTHN, a_BTHN, b_BTHN, state_BHNN, chunk):
    B, T, H, N = r_BTHN.shape
    X, L = B * H, min(chunk, T)
    G = -(-T // L)
    dtype = state_BHNN.dtype

    def chunks(x_BTHN):
        """[B, T, H, N] → [G, X, L, N], zero-padded: a token of zeros (w = 0 is no decay) leaves the state as it is."""
        x = F.pad(x_BTHN.to(dtype), (0, 0, 0, 0, 0, G * L - T)) if G * L > T else x_BTHN.to(dtype)
        return x.reshape(B, G, L, H, N).permute(1, 0, 3, 2, 4).reshape(G, X, L, N)

    r, w, k, v, a, b = (chunks(x) for x in (r_BTHN, w_BTHN, k_BTHN, v_BTHN, a_BTHN, b_BTHN))
    logD = w.cumsum(dim=2)
    D = logD.exp()
    grow = (-logD).exp()
    a, r, b, k = a * (logD - w).exp(), r * D, b * grow, k * grow

    ar, bk = torch.cat((a, r), dim=2), torch.cat((b, k), dim=2)
    scores = ar @ bk.transpose(2, 3)  # [G, X, 2L, 2L]: rows a~ then r~, columns b~ then k~
    ab, ak = scores[:, :, :L, :L].tril(-1), scores[:, :, :L, L:].tril(-1)
    rb, rk = scores[:, :, L:, :L].tril(), scores[:, :, L:, L:].tril()

    eye = torch.eye(L, dtype=dtype, device=r.device)
    PQ = torch.linalg.solve_triangular(eye - ab, torch.cat((a, ak @ v), dim=3), upper=False, unitriangular=True)
    P, Q = PQ.split(N, dim=3)

    D_L = D[:, :, -1:, :]
    M = (torch.eye(N, dtype=dtype, device=r.device) + P.transpose(2, 3) @ b) * D_L
    C = (torch.cat((Q, v), dim=2).transpose(2, 3) @ bk) * D_L
    borders = _border_states(state_BHNN.reshape(X, N, N), M, C)
    S0 = torch.stack(borders[:-1])

    from_S0 = torch.cat((P, r), dim=2) @ S0.transpose(2, 3)
    U = from_S0[:, :, :L] + Q
    y = from_S0[:, :, L:] + torch.cat((rb, rk), dim=3) @ torch.cat((U, v), dim=2)
    y_BTHN = y.reshape(G, B, H, L, N).permute(1, 0, 3, 2, 4).reshape(B, G * L, H, N)[:, :T]
    return y_BTHN.to(r_BTHN.dtype), borders[-1].view(B, H, N, N)
