"""The GPU's kernels against the recurrence in float64: on a GPU if there is one, else in Triton's interpreter."""

import pytest
import torch

pytest.importorskip("triton", reason="triton is missing: torch's CUDA builds bring it, and it runs anywhere in its interpreter")

from rwkv_models import wkv7_triton as module  # noqa: E402
from rwkv_models.wkv7 import wkv7, wkv7_sequential, wkv7_step  # noqa: E402
from rwkv_models.wkv7_triton import serves, wkv7_triton  # noqa: E402

pytestmark = pytest.mark.usefixtures("interpreter")
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
NAMES = ("y", "state", "dr", "dw", "dk", "dv", "da", "db", "dstate")
BOUND = {torch.float32: 1e-5, torch.bfloat16: 5e-3}


def inputs(T, dtype, B=1, H=2, N=64, seed=0, decay=None, same_key=0.0):
    """Like the network's: w in fp32, kk of unit length, b = kk times a rate; `same_key` of every key is one direction."""
    g = torch.Generator().manual_seed(seed)
    normal = lambda *shape: torch.randn(*shape, generator=g)  # noqa: E731
    r, k, v = (normal(B, T, H, N) for _ in range(3))
    w = -0.6065306597 * torch.sigmoid(3 * normal(B, T, H, N)) if decay is None else torch.full((B, T, H, N), decay)
    kk = torch.nn.functional.normalize((1 - same_key) * normal(B, T, H, N) + same_key * normal(B, 1, H, N), dim=-1)
    b = kk * torch.sigmoid(normal(B, T, H, N) + 3 * same_key)
    r, k, v, a, b = (x.to(dtype) for x in (r, k, v, -kk, b))
    return [x.to(DEVICE).requires_grad_() for x in (r, w, k, v, a, b, normal(B, H, N, N))]


def outputs_and_gradients(f, x):
    """y, state, and the gradients of a random sum of both; its factors are exact in every dtype used here."""
    y, state = f(*x)
    g = torch.Generator().manual_seed(1)
    towards = [torch.randn(z.shape, generator=g).bfloat16().to(z.device, z.dtype) for z in (y, state)]
    return [y, state, *torch.autograd.grad([y, state], x, towards)]


def errors(got, x):
    """Relative errors ‖x - reference‖ / ‖reference‖ by name; the reference is the recurrence in float64 on the same inputs."""
    wanted = outputs_and_gradients(wkv7_sequential, [z.detach().double().requires_grad_() for z in x])
    with torch.no_grad():
        return {name: float((a.double() - b).norm() / b.norm().clamp(min=1e-30)) for name, a, b in zip(NAMES, got, wanted, strict=True)}


@pytest.mark.parametrize("dtype", BOUND)
@pytest.mark.parametrize("T", [1, 15, 16, 17, 64, 100])
def test_outputs_state_and_every_gradient_equal_the_recurrence(T, dtype):
    x = inputs(T, dtype, B=2 if T == 17 else 1)
    got = outputs_and_gradients(wkv7_triton, x)
    assert [z.dtype for z in got[2:]] == [z.dtype for z in x] and got[0].dtype == dtype and got[1].dtype == torch.float32
    found = errors(got, x)
    assert max(found.values()) < BOUND[dtype], found


@pytest.mark.parametrize("N", [16, 32, 128])
def test_other_head_sizes(N):
    x = inputs(37, torch.float32, N=N)
    assert max(errors(outputs_and_gradients(wkv7_triton, x), x).values()) < BOUND[torch.float32]


@pytest.mark.parametrize("dtype", BOUND)
@pytest.mark.parametrize("case", [{"decay": -0.6065306597}, {"decay": 0.0}, {"decay": -1e-3, "same_key": 1.0}, {"same_key": 0.7}], ids=str)
def test_the_strongest_and_no_decay_and_a_text_that_repeats_one_token(case, dtype):
    x = inputs(70, dtype, **case)
    found = errors(outputs_and_gradients(wkv7_triton, x), x)
    assert max(found.values()) < BOUND[dtype], found


def test_a_split_anywhere_with_the_state_passed_on_is_the_whole():
    x = inputs(70, torch.float32)
    wanted = outputs_and_gradients(wkv7_triton, x)

    def in_parts(*x):
        state, ys = x[6], []
        for part in zip(*(t.split([33, 1, 36], dim=1) for t in x[:6]), strict=True):
            y, state = wkv7_triton(*part, state)
            ys.append(y)
        return torch.cat(ys, dim=1), state

    for a, b in zip(outputs_and_gradients(in_parts, x), wanted, strict=True):
        assert float((a - b).detach().norm() / b.detach().norm()) < 1e-6


def test_only_some_inputs_want_a_gradient():
    x = inputs(20, torch.float32)
    wanted = outputs_and_gradients(wkv7_triton, x)[5]
    for z in (*x[:3], *x[4:]):
        z.requires_grad_(False)
    y, state = wkv7_triton(*x)
    g = torch.Generator().manual_seed(1)
    towards = [torch.randn(z.shape, generator=g).bfloat16().to(z.device, z.dtype) for z in (y, state)]
    assert torch.equal(torch.autograd.grad([y, state], x[3], towards)[0], wanted)
    (dv,) = torch.autograd.grad(wkv7_triton(*x)[0].sum(), x[3])  # the state's gradient may be none at all
    assert dv.isfinite().all() and dv.any()


@pytest.mark.parametrize("T", [1, 40])
def test_without_a_graph_the_result_is_the_same(T):
    x = inputs(T, torch.bfloat16)
    y, state = wkv7_triton(*x)
    with torch.no_grad():
        y_free, state_free = wkv7_triton(*x)
    assert not y_free.requires_grad and not state_free.requires_grad
    for a, b in ((y_free, y), (state_free, state)):
        assert float((a.float() - b.detach().float()).norm() / b.detach().float().norm()) < (5e-3 if T == 1 else 1e-30)


def test_the_same_bits_each_time():
    x = inputs(50, torch.bfloat16)
    for a, b in zip(*(outputs_and_gradients(wkv7_triton, x) for _ in range(2)), strict=True):
        assert torch.equal(a, b)


def test_nothing_is_written_outside_of_its_place_and_no_input_is_changed(monkeypatch):
    """Every buffer lies between sentinels, and begins as NaN: what is not written shows."""
    MARGIN, buffers = 1024, []

    def guarded(shape, like, dtype=None):
        whole = torch.full((MARGIN * 2 + torch.Size(shape).numel(),), float("nan"), dtype=dtype or like.dtype, device=like.device)
        whole[:MARGIN], whole[-MARGIN:] = 7.0, 7.0
        buffers.append(whole)
        return whole[MARGIN:-MARGIN].view(shape)

    x = inputs(45, torch.bfloat16)
    between = [guarded(z.shape, z).copy_(z.detach()).requires_grad_() for z in x]
    with monkeypatch.context() as patch:
        patch.setattr(module.torch, "empty_like", lambda z: guarded(z.shape, z))
        plain = torch.Tensor.new_empty  # the interpreter calls it too, with a device
        patch.setattr(torch.Tensor, "new_empty", lambda z, *shape, **device: plain(z, *shape, **device) if device else guarded(shape, z))
        got = outputs_and_gradients(wkv7_triton, between)
    assert len(buffers) > 15
    for whole in buffers:
        assert (whole[:MARGIN] == 7).all() and (whole[-MARGIN:] == 7).all()
    for a, b in zip(got, outputs_and_gradients(wkv7_triton, x), strict=True):
        assert a.isfinite().all() and torch.equal(a, b)
    for a, b in zip(between, x, strict=True):
        assert torch.equal(a, b)


def test_views_of_any_layout_and_address():
    x = inputs(20, torch.float32)
    wanted = outputs_and_gradients(wkv7_triton, x)
    views = [z.detach().transpose(1, 2).contiguous().transpose(1, 2).requires_grad_() for z in x]
    odd = torch.empty(x[3].numel() + 1, device=DEVICE)[1:].view_as(x[3]).copy_(x[3].detach())
    views[3] = odd.requires_grad_()
    for a, b in zip(outputs_and_gradients(wkv7_triton, views), wanted, strict=True):
        assert torch.equal(a, b)


def test_one_token_is_the_step():
    x = [z.detach() for z in inputs(1, torch.float32)]
    y, state = wkv7_triton(*x)
    y_step, state_step = wkv7_step(*(z[:, 0] for z in x[:6]), x[6])
    assert torch.allclose(y[:, 0], y_step, atol=1e-5) and torch.allclose(state, state_step, atol=1e-5)


def test_what_the_kernels_do_not_serve_goes_to_plain_torch():
    x = inputs(3, torch.float32)
    assert serves(*x) and not serves(*(z.double() for z in x)) and not serves(*(z[..., :48] for z in x))


@pytest.mark.skipif(DEVICE == "cpu", reason="needs a CUDA device: which implementation runs there")
def test_on_a_gpu_the_operator_is_these_kernels():
    x = inputs(100, torch.bfloat16)
    for a, b in zip(outputs_and_gradients(wkv7, x), outputs_and_gradients(wkv7_triton, x), strict=True):
        assert torch.equal(a, b)
    wide = [z.detach().double() for z in x]
    y, _ = wkv7(*wide)
    assert y.dtype == torch.float64 and float((y - wkv7_sequential(*wide)[0]).norm() / y.norm()) < 1e-10
