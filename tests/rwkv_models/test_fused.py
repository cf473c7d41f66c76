"""The kernels between matrix products against plain torch in float64: on a GPU if there is one, else in Triton's interpreter."""

import pytest
import torch
import torch.nn.functional as F

pytest.importorskip("triton", reason="triton is missing: torch's CUDA builds bring it, and it runs anywhere in its interpreter")

from rwkv_models import fused, pointwise  # noqa: E402
from tests.rwkv_models.networks import random_network, tokens  # noqa: E402

pytestmark = pytest.mark.usefixtures("interpreter")
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
BOUND = {torch.float32: 1e-5, torch.bfloat16: 5e-3}
SIZES = [(1, 1, 2, 16), (2, 5, 3, 32), (1, 67, 2, 64), (3, 33, 1, 128)]  # B, T, H, N: one token; less than a tile, and more; widths no power of two
EPS = 64e-5


def normal(generator, dtype, *shape):
    return torch.randn(*shape, generator=generator).to(DEVICE, dtype).requires_grad_()


def case(module, what, B, T, H, N, dtype, g):
    """(A function, its inputs): six mixes, one, the first layer's preparation and a later one's with padding, …"""
    C = H * N
    if what in ("six mixes", "one mix"):
        return module.shift_mix, [normal(g, dtype, B, T, C), normal(g, dtype, B, C), normal(g, dtype, 6 if what == "six mixes" else 1, C)]
    if what.startswith("prepare"):
        x = [normal(g, dtype, B, T, C) for _ in range(6)] + [normal(g, dtype, 1, 1, C) for _ in range(5)]
        keep = (torch.rand(B, T, 1, generator=g) < 0.7).to(DEVICE) if "padded" in what else None

        def run(k, v, w, a, towards, v_first, w0, a0, v0, k_k, k_a):
            mask, state = None if keep is None else keep.to(k.dtype), torch.promote_types(k.dtype, torch.float32)
            if "first" in what:
                decay, key, _, erase, write = module.prepare(k, v, w, a, None, None, mask, w0, a0, None, k_k, k_a, H, state)
                return decay, key, erase, write
            return module.prepare(k, v, w, a, towards, v_first, mask, w0, a0, v0, k_k, k_a, H, state)

        return run, x
    if what == "finish":
        x = [normal(g, dtype, B, T, C) for _ in range(5)] + [normal(g, dtype, C), normal(g, dtype, C), normal(g, dtype, H, N)]
        return (lambda *x: module.finish(*x, EPS)), x
    if what == "squared relu":
        return module.squared_relu, [normal(g, dtype, B, T, C)]
    targets = torch.randint(C, (B * T,), generator=g).to(DEVICE)
    if module is fused:
        return (lambda x: fused.likelihood(x, targets)), [normal(g, dtype, B * T, C)]
    return (lambda x: F.cross_entropy(x, targets, reduction="none")), [normal(g, dtype, B * T, C)]


CASES = ("six mixes", "one mix", "prepare", "prepare padded", "prepare first", "finish", "squared relu", "likelihood")


def outputs_and_gradients(f, x):
    """What f gives, and the gradients of a random sum of it; its factors are exact in every dtype used here. None where none flows."""
    out = f(*x)
    out = list(out) if isinstance(out, tuple) else [out]
    g = torch.Generator().manual_seed(1)
    towards = [torch.randn(z.shape, generator=g).bfloat16().to(z.device, z.dtype) for z in out]
    return [*out, *torch.autograd.grad(out, x, towards, allow_unused=True)]


def far(got, wanted):
    """The largest ‖a - b‖ / ‖b‖; the same must be None."""
    assert [a is None for a in got] == [b is None for b in wanted]
    pairs = [(a.detach().double(), b.detach()) for a, b in zip(got, wanted, strict=True) if a is not None]
    return max(float((a - b).norm() / b.norm().clamp(min=1e-30)) for a, b in pairs)


@pytest.mark.parametrize("dtype", BOUND, ids=str)
@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("what", CASES)
def test_outputs_and_every_gradient_equal_plain_torch_in_float64(what, size, dtype):
    f, x = case(fused, what, *size, dtype, torch.Generator().manual_seed(0))
    exact, _ = case(pointwise, what, *size, dtype, torch.Generator().manual_seed(0))
    got = outputs_and_gradients(f, x)
    wanted = outputs_and_gradients(exact, [t.detach().double().requires_grad_() for t in x])
    assert far(got, wanted) < BOUND[dtype]
    for a, t in zip(got[-len(x):], x, strict=True):
        assert a is None or (a.dtype == dtype and a.shape == t.shape)


@pytest.mark.parametrize("what", CASES)
def test_a_program_that_sums_over_several_tiles_sums_all_of_them_the_same_each_time(what, monkeypatch):
    monkeypatch.setattr(fused, "PROGRAMS", 4)
    f, x = case(fused, what, 2, 150, 2, 64, torch.float32, torch.Generator().manual_seed(0))
    exact, _ = case(pointwise, what, 2, 150, 2, 64, torch.float32, torch.Generator().manual_seed(0))
    got, again = outputs_and_gradients(f, x), outputs_and_gradients(f, x)
    assert far(got, outputs_and_gradients(exact, [t.detach().double().requires_grad_() for t in x])) < 1e-5
    assert all(a is b or torch.equal(a, b) for a, b in zip(got, again, strict=True))


@pytest.mark.parametrize("what", CASES)
def test_nothing_is_written_outside_of_its_place_and_no_input_is_changed(what, monkeypatch):
    """Every buffer lies between sentinels, and begins as NaN: what is not written shows."""
    MARGIN, buffers, empty = 512, [], torch.empty

    def guarded(*shape, dtype, device):
        whole = torch.full((MARGIN * 2 + torch.Size(shape).numel(),), float("nan"), dtype=dtype, device=device)
        whole[:MARGIN], whole[-MARGIN:] = 7.0, 7.0
        buffers.append(whole)
        return whole[MARGIN:-MARGIN].view(shape)

    f, x = case(fused, what, 2, 37, 3, 32, torch.bfloat16, torch.Generator().manual_seed(0))
    before = [t.detach().clone() for t in x]
    with monkeypatch.context() as patch:
        patch.setattr(fused.torch, "empty_like", lambda z: guarded(*z.shape, dtype=z.dtype, device=z.device))
        patch.setattr(fused.torch, "empty", lambda *shape, dtype=None, device=None, **more:
                      guarded(*shape, dtype=dtype, device=device) if dtype and len(shape) > 1 and not more
                      else empty(*shape, dtype=dtype, device=device, **more))
        got = outputs_and_gradients(f, x)
    assert buffers
    for whole in buffers:
        assert (whole[:MARGIN] == 7).all() and (whole[-MARGIN:] == 7).all()
    for a, b in zip(got, outputs_and_gradients(f, x), strict=True):
        assert a is b or (a.isfinite().all() and torch.equal(a, b))
    assert all(torch.equal(a, b) for a, b in zip(x, before, strict=True))


def test_a_logit_of_minus_infinity_has_no_share_and_nan_passes():
    x = torch.tensor([[0.0, -torch.inf, 1.0], [0.0, torch.nan, 1.0]], device=DEVICE)
    targets = torch.tensor([2, 0], device=DEVICE)
    got, wanted = fused.likelihood(x, targets), F.cross_entropy(x, targets, reduction="none")
    assert abs(float(got[0] - wanted[0])) < 1e-6 and got[1].isnan()
    assert fused.squared_relu(torch.tensor([torch.nan, -1.0], device=DEVICE)).isnan().tolist() == [True, False]


@pytest.mark.parametrize("padded", [False, True])
def test_the_network_computes_the_same_with_and_without_them(padded, monkeypatch):
    net = random_network(dtype=torch.float32).to(DEVICE)
    exact = random_network(dtype=torch.float64).to(DEVICE)
    now = tokens(19, rows=2).to(DEVICE)
    lengths = torch.tensor([19, 11], device=DEVICE) if padded else None

    def learnt(net):
        logits, state = net(now, None, lengths, head="last")
        loss = logits.double().square().sum() + sum(t.double().square().sum() for t in state.tensors())
        return [logits, *state.tensors(), *torch.autograd.grad(loss, list(net.parameters()))]

    with monkeypatch.context() as patch:
        patch.setattr("rwkv_models.rwkv7.implementation", lambda *_: fused)
        got = learnt(net)
    assert far(got, learnt(exact)) < 1e-4
