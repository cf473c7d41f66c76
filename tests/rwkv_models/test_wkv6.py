"""The wkv operator of RWKV-5 and 6: every implementation against the recurrence as it is written."""

import pytest
import torch

from rwkv_models.wkv6 import wkv6, wkv6_chunked, wkv6_sequential
from tests.rwkv_models.networks import error
from tests.rwkv_models.test_wkv7 import outputs_and_gradients

BOUND = {torch.float64: 1e-10, torch.float32: 5e-6}
NAMES = ("y", "state", *"rkvwu", "state_in")


def inputs(T, dtype=torch.float64, B=2, H=3, N=16, seed=0, decays=(2.0, -2.0)):
    """`decays`: spread and middle of log(-log decay), from what hardly fades to what is gone at once."""
    g = torch.Generator().manual_seed(seed)
    normal = lambda *shape: torch.randn(*shape, generator=g, dtype=dtype)  # noqa: E731
    r, k, v = (normal(B, T, H, N) for _ in range(3))
    w = -(decays[0] * normal(B, T, H, N) + decays[1]).exp()
    return [x.requires_grad_() for x in (r, k, v, w, normal(H, N), normal(B, H, N, N))]


@pytest.mark.parametrize("dtype", BOUND)
@pytest.mark.parametrize("T", [1, 2, 31, 32, 33, 100])
def test_outputs_state_and_every_gradient_equal_the_recurrence(T, dtype):
    x = inputs(T, dtype)
    for name, a, b in zip(NAMES, outputs_and_gradients(wkv6, x), outputs_and_gradients(wkv6_sequential, x), strict=True):
        assert error(a, b) < BOUND[dtype], name


@pytest.mark.parametrize("chunk", [1, 2, 16, 128])
def test_any_chunk_length_gives_the_same(chunk):
    x = inputs(75)
    wanted = outputs_and_gradients(wkv6_sequential, x)
    for a, b in zip(outputs_and_gradients(lambda *x: wkv6_chunked(*x, chunk=chunk), x), wanted, strict=True):
        assert error(a, b) < 1e-10


@pytest.mark.parametrize("decays", [(0.0, 5.0), (4.0, 0.0), (0.0, -20.0), (0.0, 80.0)])
def test_any_decay_neither_overflows_nor_loses_precision_in_fp32(decays):
    """From one token to the next exp(-148) is left, or all but 2e-9, or anything between, or nothing at all."""
    x = inputs(128, torch.float32, decays=decays)
    wanted = outputs_and_gradients(wkv6_sequential, [t.detach().double().requires_grad_() for t in x])
    for name, a, b in zip(NAMES, outputs_and_gradients(wkv6, x), wanted, strict=True):
        assert error(a.double(), b) < 5e-6 or float((a.double() - b).norm()) < 1e-30, name


def test_a_split_anywhere_with_the_state_passed_on_is_the_whole():
    x = inputs(40)
    y, state = wkv6(*x)
    for at in (1, 13, 39):
        y1, middle = wkv6(*(t[:, :at] for t in x[:4]), *x[4:])
        y2, end = wkv6(*(t[:, at:] for t in x[:4]), x[4], middle)
        assert error(torch.cat((y1, y2), 1), y) < 1e-12 and error(end, state) < 1e-12


def test_one_decay_for_all_tokens_may_be_a_view():
    r, k, v, w, u, state = inputs(50)
    view = w[:1, :1].expand_as(w)
    for a, b in zip(wkv6(r, k, v, view, u, state), wkv6_sequential(r, k, v, view, u, state), strict=True):
        assert error(a, b) < 1e-12
