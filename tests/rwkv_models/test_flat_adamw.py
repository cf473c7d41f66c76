"""AdamW over flat groups against torch's own: on a GPU if there is one, else in Triton's interpreter."""

from types import SimpleNamespace

import pytest
import torch

pytest.importorskip("triton", reason="triton is missing: torch's CUDA builds bring it, and it runs anywhere in its interpreter")

from rwkv_models.flat_adamw import FlatAdamW, serves  # noqa: E402
from rwkv_models.linear import Linear  # noqa: E402
from tests.rwkv_models.networks import error  # noqa: E402

pytestmark = pytest.mark.usefixtures("interpreter")
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
SIZES = [[(40, 33), (7,)], [(1500,)]]  # more than a block, and less


def groups(dtype, seed=0):
    """What ZeRO makes of two groups: parameters that are views of flat tensors, and the fp32 masters of these."""
    g = torch.Generator().manual_seed(seed)
    flats = [torch.randn(sum(torch.Size(s).numel() for s in sizes) + 3, generator=g).to(DEVICE, dtype) for sizes in SIZES]
    parameters = []
    for flat, sizes in zip(flats, SIZES, strict=True):
        pieces = flat[:-3].split([torch.Size(s).numel() for s in sizes])
        parameters.append([torch.nn.Parameter(piece.view(s)) for piece, s in zip(pieces, sizes, strict=True)])
    return SimpleNamespace(_grad_acc_hooks=[], bit16_groups=parameters, bit16_groups_flat=flats,
                           single_partition_of_fp32_groups=[flat.float() for flat in flats])


def adam_of(zero):
    adam = torch.optim.AdamW([{"params": [m], "lr": lr, "weight_decay": decay} for m, lr, decay in
                              zip(zero.single_partition_of_fp32_groups, (1e-3, 2e-3), (0.1, 0.0), strict=True)], betas=(0.9, 0.99), eps=1e-18)
    for group in adam.param_groups:
        for p in group["params"]:
            adam.state[p] = {"step": torch.zeros(()), "exp_avg": torch.zeros_like(p), "exp_avg_sq": torch.zeros_like(p)}
    return adam


@pytest.mark.parametrize("dtype", [torch.float32] + [torch.bfloat16] * (DEVICE == "cuda"))  # the interpreter cuts off where a GPU rounds
@pytest.mark.parametrize("size", [0.01, 10.0])  # below the clipping, and above
def test_three_steps_are_those_of_torch(dtype, size):
    zero, other = groups(dtype), groups(dtype)
    flat, oracle = FlatAdamW(zero, adam_of(zero), 1.0), adam_of(other)
    masters = other.single_partition_of_fp32_groups
    for i in range(3):
        generator = torch.Generator().manual_seed(i)
        for mine, master in zip(zero.bit16_groups, masters, strict=True):
            towards = [(size * torch.randn(p.shape, generator=generator)).to(DEVICE, dtype) for p in mine]
            for p, g in zip(mine, towards, strict=True):
                (p * g).sum().backward()
            master.grad = torch.cat([*(g.flatten().float() for g in towards), torch.zeros(3, device=DEVICE)])
        norm = torch.nn.utils.clip_grad_norm_(masters, 1.0)
        oracle.step()
        assert abs(flat.step(1e8) / norm - 1) < 1e-5
        for (mine, weight), master in zip(zip(zero.single_partition_of_fp32_groups, zero.bit16_groups_flat, strict=True), masters, strict=True):
            assert error(mine, master) < 1e-6 and torch.equal(weight, mine.to(dtype))
        assert not any(p.grad.any() for group in zero.bit16_groups for p in group), "a gradient outlived its step"


def test_moments_that_were_forgotten_count_as_zeros_and_are_when_read():
    zero, fresh = groups(torch.float32), groups(torch.float32)
    adam, other = adam_of(zero), adam_of(fresh)
    flat, oracle = FlatAdamW(zero, adam, 1.0), FlatAdamW(fresh, other, 1.0)
    for state in adam.state.values():
        for t in state.values():
            t.fill_(7)
    flat.forget()
    for each in (zero, fresh):
        for p in (p for group in each.bit16_groups for p in group):
            p.grad.fill_(0.01)
    for _ in range(2):
        assert flat.step(1e8) == oracle.step(1e8)
    same = lambda a, b: all(map(torch.equal, a, b))  # noqa: E731
    assert same(zero.bit16_groups_flat, fresh.bit16_groups_flat)
    assert all(same(a.values(), b.values()) for a, b in zip(adam.state.values(), other.state.values(), strict=True))
    flat.forget()
    flat.settle()
    assert not any(t.any() for state in adam.state.values() for t in state.values())


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), 1e9])
def test_a_broken_gradient_moves_nothing(bad):
    zero = groups(torch.float32)
    flat = FlatAdamW(zero, adam_of(zero), 1.0)
    before = [t.clone() for t in (*zero.bit16_groups_flat, *zero.single_partition_of_fp32_groups)]
    zero.bit16_groups[1][0].grad[5] = bad
    norm = flat.step(1e8)
    assert not 0 <= norm <= 1e8
    assert all(torch.equal(a, b) for a, b in zip(before, (*zero.bit16_groups_flat, *zero.single_partition_of_fp32_groups), strict=True))
    flat.discard()
    assert flat.step(1e8) == 0.0


def test_a_product_adds_to_a_gradient_where_it_lies():
    layer = Linear(6, 5).double()
    x = torch.randn(2, 3, 6, dtype=torch.float64, requires_grad=True)
    layer(x).square().sum().backward()
    plain, dx = layer.weight.grad.clone(), x.grad.clone()
    x.grad, place = None, torch.ones_like(plain)
    layer.weight.grad, layer.weight.gathered = place, True
    layer(x).square().sum().backward()
    assert error(layer.weight.grad, plain + 1) < 1e-14 and layer.weight.grad is place and error(x.grad, dx) < 1e-14


def test_it_is_for_one_process_on_one_device():
    p = torch.nn.Parameter(torch.zeros(1, device="meta"))
    assert not serves(1, 1, False, [p]) and not serves(1, 1, False, [torch.nn.Parameter(torch.zeros(1))])
    if DEVICE == "cuda":
        alike = [torch.nn.Parameter(torch.zeros(1, device="cuda"))]
        assert serves(1, 1, False, alike) and not serves(1, 2, False, alike) and not serves(2, 1, True, alike) and not serves(3, 1, False, alike)
