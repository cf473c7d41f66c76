"""DeepSpeed as the optimizer engine: groups, shared memory, refusals and undo, for every ZeRO stage that one device allows."""

import os
import subprocess
import sys

import pytest
import torch

from rwkv_models.optimizer import Recipe, in_parts, parameter_groups
from tests.rwkv_models.networks import random_network

ONE_STAGE = r"""
import sys, torch
import rwkv_models.optimizer
from rwkv_models import flat_adamw
from rwkv_models.optimizer import Recipe, StepRefused, Trainer, loopback_process_group
from tests.rwkv_models.networks import random_network, tokens

rwkv_models.optimizer.PART = 10_000  # several parts, and tensors larger than one
stage, dtype, offload = int(sys.argv[1]), getattr(torch, sys.argv[2]), sys.argv[3]
if len(sys.argv) > 4:  # in Triton's interpreter, where there is no GPU
    flat_adamw.PLACES = ("cpu", "cuda")
device = "cuda" if torch.cuda.is_available() else "cpu"
network = random_network(dtype=dtype).to(device)
before = {k: v.clone() for k, v in network.state_dict().items()}
read = tokens(20).to(device)
objective = lambda: torch.nn.functional.cross_entropy(network(read[:, :-1])[0][0].float(), read[0, 1:])
objective().backward()
true_norm = float(torch.nn.utils.get_total_norm([p.grad.double() for p in network.parameters()]))
network.zero_grad()
loopback_process_group()
trainer = Trainer(network, Recipe(lr=1e-3, zero_stage=stage, offload_optimizer=offload))
assert trainer.network is network
assert all(torch.equal(before[k], v) for k, v in trainer.parameters().items()), "making the engine moved the weights"
stepped = sum(p.numel() for p in network.parameters() if not hasattr(p, "ds_tensor")) or sum(p.ds_numel for p in network.parameters())
assert sum(m.numel() for m in trainer.moments() if m.ndim) >= 2 * stepped, "Adam's memory is not there before the first step"

class Break(torch.autograd.Function):
    forward = staticmethod(lambda context, x: x.clone())

    @staticmethod
    def backward(context, gradient):
        raise MemoryError

def step():
    trainer.backward(objective() * 0.5)
    trainer.backward(objective() * 0.5)
    return trainer.step(1e-3)

# The tensor that decode reads is the engine's parameter, after a step too.
read_by_decode = {}
hooks = [m.register_forward_pre_hook(lambda m, a, n=n: read_by_decode.__setitem__(n, m.weight.data_ptr()))
         for n, m in network.named_modules() if isinstance(m, torch.nn.LayerNorm)]
first = float(objective())
assert abs(step() / true_norm - 1) < (1e-2 if dtype == torch.bfloat16 else 1e-5), "the gradient of a step is not that of its objectives"
with torch.no_grad():
    network(read[:, :1])
engine_side = {n: p.data_ptr() for n, p in trainer.parameters().items()}
assert read_by_decode and all(engine_side[n + ".weight"] == at for n, at in read_by_decode.items()), "decode reads a copy"
assert float(objective()) < first

copies = lambda: [t.clone() for t in [*trainer.weights(), *trainer.moments()]]
same = lambda a, b: len(a) == len(b) and all(torch.equal(x, y) for x, y in zip(a, b))

# A refused step changes no bit.
for poison in (float("nan"), float("inf")):
    kept = copies()
    trainer.backward(objective() * poison)
    try:
        trainer.step(1e-3)
        raise SystemExit("a poisoned step was taken")
    except StepRefused:
        pass
    assert same(kept, copies()), "a refused step moved something"

# Undone and done again is the same to the bit, with Adam's memory forgotten or carried on.
for carry in (False, True):
    if not carry:
        trainer.forget_moments()
    before, loss, restore = copies(), float(objective()), trainer.snapshot(moments=carry)
    norm = step()
    once = copies()
    assert not same(before, once)
    step()
    restore()
    assert same(before, copies()) and float(objective()) == loss, "the snapshot did not bring everything back"
    assert step() == norm and same(once, copies()), "undo and redo differ"
    restore()

    # Backwards that were discarded leave nothing in the next step.
    trainer.backward(objective() * 3)
    trainer.discard_gradients()
    trainer.backward(objective() * 5)
    trainer.backward(objective() * 7)
    trainer.discard_gradients()
    assert step() == norm and same(once, copies()), "a discarded gradient was stepped on"
    restore()

    # Nor does one that broke off half-way (ZeRO-3 does not survive that).
    if stage < 3:
        trainer.backward(objective())
        breaking = network.blocks[1].register_forward_hook(lambda m, a, out: (Break.apply(out[0]), *out[1:]))
        broken = objective()
        breaking.remove()
        try:
            trainer.backward(broken)
            raise SystemExit("the backward should have broken off")
        except MemoryError:
            trainer.discard_gradients()
        assert step() == norm and same(once, copies()), "a broken backward left something behind"
trainer.discard_gradients()

# Gradient descent goes lr times the clipped gradient (att.w0 twice as far), however often Adam stepped before.
stepped_on = lambda: [t.clone() for t in trainer.masters() or trainer.weights()]
begin, ways = stepped_on(), []
for lr in (1e-2, 2e-2):
    restore = trainer.snapshot(moments=True)
    trainer.backward(objective())
    norm = trainer.step(lr, "sgd")
    ways.append([now - old for now, old in zip(stepped_on(), begin)])
    restore()
length = [float(torch.nn.utils.get_total_norm([d.double() for d in way])) for way in ways]
assert 0.99 * 1e-2 * min(norm, 1.0) <= length[0] <= 2 * 1e-2 * min(norm, 1.0), (length, norm)
assert abs(length[1] / length[0] - 2) < 1e-2, length
once = copies()
step()
assert not same(once, copies()), "Adam does not step any more"
print("ok")
"""
STAGES = [(0, "float32"), (1, "float32"), (2, "float32"), (3, "float32"), (1, "bfloat16"), (2, "bfloat16")]
OFFLOADED = [(2, "float32", "cpu"), (3, "float32", "cpu"), (2, "bfloat16", "cpu")]


def check_one_stage(*arguments):
    one_thread = {**os.environ, "OMP_NUM_THREADS": "1"}  # so small a network gains nothing from more, and a busy machine costs minutes
    result = subprocess.run([sys.executable, "-c", ONE_STAGE, *map(str, arguments)], capture_output=True, text=True, timeout=300,
                            env=one_thread)
    assert result.returncode == 0 and result.stdout.strip().endswith("ok"), result.stdout[-2000:] + result.stderr[-3000:]


@pytest.mark.parametrize(("stage", "dtype", "offload"), [*((*kind, "none") for kind in STAGES), *OFFLOADED])
def test_one_stage(stage, dtype, offload):
    check_one_stage(stage, dtype, offload)


def test_one_stage_by_the_steps_of_a_gpu():
    pytest.importorskip("triton", reason="triton is missing: torch's CUDA builds bring it, and it runs anywhere in its interpreter")
    check_one_stage(1, "float32", "none", "flat")


def test_groups_follow_the_recipe():
    network = random_network(dtype=torch.float32)
    groups = {g["name"]: g for g in parameter_groups(network, Recipe(lr=1e-4, weight_decay=0.1))}
    names = {id(p): n for n, p in network.named_parameters()}
    of = {name: {names[id(p)] for p in g["params"]} for name, g in groups.items()}
    assert of["w0"] == {f"blocks.{i}.att.w0" for i in range(3)} and groups["w0"]["lr"] == 2e-4
    assert {"emb.weight", "head.weight", "blocks.0.att.key.weight", "blocks.1.ffn.value.weight"} <= of["decayed"]
    assert {"blocks.0.att.w1", "blocks.0.att.r_k", "blocks.0.ln1.weight", "blocks.0.att.x_r"} <= of["plain"]
    assert sum(len(v) for v in of.values()) == len(names)
    assert groups["decayed"]["weight_decay"] == 0.1 and not groups["plain"]["weight_decay"] and not groups["w0"]["weight_decay"]


def test_parts_are_the_groups_in_order_and_none_is_too_large():
    network = random_network(dtype=torch.float32)
    groups = parameter_groups(network, Recipe())
    parts = in_parts(groups, 10_000)
    for group in groups:
        own = [part for part in parts if part["name"] == group["name"]]
        assert [id(p) for part in own for p in part["params"]] == [id(p) for p in group["params"]]
        assert all(part | {"params": 0} == group | {"params": 0} for part in own)
    assert all(len(part["params"]) == 1 or sum(p.numel() for p in part["params"]) <= 10_000 for part in parts)
    assert [len(part["params"]) for part in in_parts(groups, 10**9)] == [len(group["params"]) for group in groups]
