"""The wkv operator: every implementation against the recurrence as it is written."""

import pytest
import torch

from rwkv_models.wkv7 import wkv7, wkv7_sequential
from rwkv_models.wkv7_chunked import wkv7_chunked

BOUND = {torch.float64: 1e-10, torch.float32: 5e-6}


def inputs(T, dtype=torch.float64, B=2, H=3, N=16, seed=0):
    g = torch.Generator().manual_seed(seed)
    normal = lambda *shape: torch.randn(*shape, generator=g, dtype=dtype)  # noqa: E731
    r, k, v = (normal(B, T, H, N) for _ in range(3))
    w = -0.6065306597 * torch.sigmoid(3 * normal(B, T, H, N))
    kk = torch.nn.functional.normalize(normal(B, T, H, N), dim=-1)
    b = kk * torch.sigmoid(normal(B, T, H, N))
    return [x.requires_grad_() for x in (r, w, k, v, -kk, b, normal(B, H, N, N))]


def outputs_and_gradients(f, x, seed=1):
    y, state = f(*x)
    g = torch.Generator().manual_seed(seed)
    towards = lambda x: (x * torch.randn(x.shape, generator=g, dtype=torch.float64).to(x.dtype)).sum()  # noqa: E731
    goal = towards(y) + towards(state)
    return [y, state, *torch.autograd.grad(goal, x)]


def error(a, b):
    return float((a - b).norm() / b.norm().clamp(min=1e-30))


@pytest.mark.parametrize("dtype", BOUND)
@pytest.mark.parametrize("T", [1, 2, 31, 32, 33, 64, 100])
def test_outputs_state_and_every_gradient_equal_the_recurrence(T, dtype):
    x = inputs(T, dtype)
    wanted = outputs_and_gradients(wkv7_sequential, x)
    for name, a, b in zip(("y", "state", *"rwkvab", "state_in"), outputs_and_gradients(wkv7, x), wanted, strict=True):
        if T == 1 and name == "w" and not b.any():
            continue
        assert error(a, b) < BOUND[dtype], name


@pytest.mark.parametrize("chunk", [1, 7, 16, 64, 200])
def test_any_chunk_length_gives_the_same(chunk):
    x = inputs(75)
    wanted = outputs_and_gradients(wkv7_sequential, x)
    for a, b in zip(outputs_and_gradients(lambda *x: wkv7_chunked(*x, chunk=chunk), x), wanted, strict=True):
        assert error(a, b) < 1e-10


def test_the_strongest_decay_neither_overflows_nor_loses_precision_in_fp32():
    x = inputs(128, torch.float32)
    x[1] = torch.full_like(x[1], -0.6065306597).requires_grad_()
    wanted = outputs_and_gradients(wkv7_sequential, [t.detach().double().requires_grad_() for t in x])
    for a, b in zip(outputs_and_gradients(lambda *x: wkv7_chunked(*x, chunk=64), x), wanted, strict=True):
        assert error(a.double(), b) < 2e-5


def test_a_split_anywhere_with_the_state_passed_on_is_the_whole():
    x = inputs(40)
    y, state = wkv7(*x)
    for at in (1, 13, 39):
        y1, middle = wkv7(*(t[:, :at] for t in x[:6]), x[6])
        y2, end = wkv7(*(t[:, at:] for t in x[:6]), middle)
        assert error(torch.cat((y1, y2), 1), y) < 1e-12 and error(end, state) < 1e-12


def test_bf16_inputs_keep_an_fp32_state():
    x = inputs(50, torch.float32)
    y, state = wkv7(*(t.bfloat16() for t in x[:6]), x[6])
    exact, exact_state = wkv7_sequential(*(t.bfloat16().float() for t in x[:6]), x[6])
    assert y.dtype == torch.bfloat16 and state.dtype == torch.float32
    assert error(y.float(), exact) < 5e-3 and error(state, exact_state) < 1e-5
