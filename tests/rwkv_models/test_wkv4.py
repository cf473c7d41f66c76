"""The wkv operator of RWKV-4: both implementations against the sum that defines it."""

import math

import pytest
import torch

from rwkv_models.wkv4 import mixed, scaled, wkv4, wkv4_sequential, zero_memory
from tests.rwkv_models.networks import error

BOUND = {torch.float64: 1e-10, torch.float32: 1e-5}


def inputs(T, dtype=torch.float64, B=2, C=6, seed=0, spread=1.0):
    g = torch.Generator().manual_seed(seed)
    normal = lambda *shape: torch.randn(*shape, generator=g, dtype=dtype)  # noqa: E731
    w = -(2 * normal(C) - 2).exp()
    return [x.requires_grad_() for x in (spread * normal(B, T, C), normal(B, T, C), w, normal(C))]


def definition(k, v, w, u):
    """Over all tokens before, and the token itself (arXiv 2305.13048, eq. 16)."""
    T = k.shape[1]
    out = []
    for t in range(T):
        age = torch.arange(t - 1, -1, -1, dtype=k.dtype)[:, None]
        weights = torch.cat((age * w + k[:, :t], (u + k[:, t])[:, None]), dim=1).softmax(dim=1)
        out.append((weights * v[:, : t + 1]).sum(dim=1))
    return torch.stack(out, dim=1)


def outputs_and_gradients(f, x):
    y = f(*x)
    g = torch.Generator().manual_seed(1)
    goal = (y * torch.randn(y.shape, generator=g, dtype=torch.float64).to(y.dtype)).sum()
    return [y, *torch.autograd.grad(goal, x, materialize_grads=True)]


def from_nothing(operator, **how):
    return lambda k, v, w, u: operator(k, v, w, u, zero_memory(k.shape[0], k.shape[2], k.detach()), **how)[0]


@pytest.mark.parametrize("dtype", BOUND)
@pytest.mark.parametrize("T", [1, 2, 3, 16, 50])
@pytest.mark.parametrize("operator", [wkv4, wkv4_sequential])
def test_outputs_and_every_gradient_equal_the_definition(operator, T, dtype):
    x = inputs(T, dtype)
    for name, a, b in zip(("y", *"kvwu"), outputs_and_gradients(from_nothing(operator), x), outputs_and_gradients(definition, x), strict=True):
        assert error(a, b) < BOUND[dtype] or T == 1 and name in "kwu" and a.abs().max() < BOUND[dtype], name  # weights of 1, to the rounding


@pytest.mark.parametrize("chunk", [1, 2, 7, 64])
def test_any_chunk_length_and_a_split_anywhere_give_the_whole(chunk):
    x = inputs(40)
    wanted = outputs_and_gradients(definition, x)
    for at in (1, 20, 39):
        def split(k, v, w, u, at=at):
            first, memory = wkv4(k[:, :at], v[:, :at], w, u, zero_memory(2, 6, k.detach()), chunk=chunk)
            return torch.cat((first, wkv4(k[:, at:], v[:, at:], w, u, memory, chunk=chunk)[0]), dim=1)

        for a, b in zip(outputs_and_gradients(split, x), wanted, strict=True):
            assert error(a, b) < 1e-10


def test_keys_far_apart_neither_overflow_nor_vanish_in_fp32():
    x = inputs(200, torch.float32, spread=60.0)
    wanted = outputs_and_gradients(definition, [t.detach().double().requires_grad_() for t in x])
    for a, b in zip(outputs_and_gradients(from_nothing(wkv4), x), wanted, strict=True):
        assert error(a.double(), b) < 1e-4  # 180 in fp32 is known to 1.5e-5, and so is the weight of such a key


def read_on(memory, k, v, w, u):
    return wkv4_sequential(k, v, w, u, memory)[0]


def test_a_scaled_memory_weighs_that_share_of_what_it_did():
    k, v, w, u = (x.detach() for x in inputs(10))
    memory = wkv4(k, v, w, u, zero_memory(2, 6, k))[1]
    lighter = memory.clone()
    lighter[:, 2] += math.log(0.3)
    assert error(read_on(scaled(memory, 0.3), k, v, w, u), read_on(lighter, k, v, w, u)) < 1e-10
    assert error(read_on(scaled(memory, 0.0), k, v, w, u), definition(k, v, w, u)) < 1e-10


def test_a_memory_between_two_holds_a_share_of_each():
    k, v, w, u = (x.detach() for x in inputs(10))
    one, other = wkv4(k, v, w, u, zero_memory(2, 6, k))[1], wkv4(k.flip(0), v.flip(0), w, u, zero_memory(2, 6, k))[1]
    held = lambda m: m[:, 2:].exp() * m[:, :2]  # noqa: E731
    assert error(held(mixed(one, other, 0.25)), 0.75 * held(one) + 0.25 * held(other)) < 1e-10
    for share, wanted in ((0.0, one), (1.0, other)):
        assert error(held(mixed(one, other, share)), held(wanted)) < 1e-10
    nothing = zero_memory(2, 6, k)
    assert torch.equal(mixed(nothing, nothing, 0.5), nothing)
    assert error(read_on(mixed(one, nothing, 0.5), k, v, w, u), read_on(scaled(one, 0.5), k, v, w, u)) < 1e-10
