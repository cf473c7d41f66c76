"""What is trained can change at any time: only it moves, the rest stays to the bit, and no engine leaves anything behind."""

import os
import subprocess
import sys
from collections import Counter

import pytest
import torch

from rwkv_models.optimizer import Recipe, parameter_groups
from rwkv_models.trained import PARTS, Trains, apply, part_of
from tests.rwkv_models.networks import random_network

SWITCHES = r"""
import gc, math, sys, torch
from rwkv_models.chunks import Batch, learn_chunks
from rwkv_models.footprints import HOOKS
from rwkv_models.optimizer import Recipe, Trainer, loopback_process_group
from rwkv_models.trained import Trains, apply, switch
from tests.rwkv_models.networks import random_network, tokens

dtype = getattr(torch, sys.argv[1])
stages = [int(s) for s in sys.argv[2]]
batch = Batch.of([(tokens(14)[0].tolist(), [1.0] * 14)]).normalised()
loopback_process_group()
WAYS = [Trains(), Trains("lora", rank=4, dropout=0.3), Trains("state"), Trains("miss", rank=6, parts=("ln",)), Trains("parts", parts=("vectors", "head")),
        Trains()]

def learn(trainer, seed):
    network = trainer.network
    state = network.initial_state(1)
    loop = learn_chunks(network, batch, state, trainer.backward, 5)
    while True:
        try:
            with network.dropout(seed):
                next(loop)
        except StopIteration as end:
            _, gradient = end.value
            break
    if state.wkv[0].requires_grad:
        trainer.backward(state.dot(gradient))
    return trainer.step(0.01)

def values(trainer):
    return {name: t.detach().clone() for name, t in trainer.parameters().items()}

def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(t, b[name]) for name, t in a.items())

def footprint(network):
    hooks = sum(len(getattr(m, name, ())) for m in network.modules() for name in HOOKS)
    return hooks, sorted({name for p in network.parameters() for name in vars(p)}), {type(m._parameters) for m in network.modules()}, \
        len(vars(network)), sum(p._backward_hooks is not None for p in network.parameters())

def alive():
    gc.collect()
    storages = [t.untyped_storage() for t in gc.get_objects() if type(t) in (torch.Tensor, torch.nn.Parameter) and t.device.type == "cpu"]
    return sum({s.data_ptr(): s.nbytes() for s in storages}.values())

norms = {}
for stage in stages:
    network = random_network(dtype=dtype, layers=2, channels=32, head_size=16)
    network.checkpoint_blocks = stage % 2 == 1
    clean, trainer, memory = footprint(network), None, []
    for i, trains in enumerate(WAYS):
        if stage == 3 and trains.what == "state":
            continue  # refused where a program could ask for it
        if trainer is None:
            apply(network, trains)
            trainer = Trainer(network, Recipe(zero_stage=stage))
        else:
            base = values(trainer)
            trainer = switch(trainer, trains)
            assert same(*({name: t for name, t in of.items() if name in plain} for of in (base, values(trainer)))), (stage, trains, "a switch moved weights")
        if i == 0:
            plain = set(values(trainer))
        wanted = {name for name, p in network.named_parameters() if p.requires_grad}
        start = values(trainer)
        undo = trainer.snapshot(moments=False)
        assert sum(t.numel() for t in trainer.weights()) <= 2.1 * sum(start[name].numel() for name in wanted), "the undo copy holds more than what moves"
        norms.setdefault(i, []).append((learn(trainer, 1), learn(trainer, 2)))
        end = values(trainer)
        moved = {name for name in start if not torch.equal(start[name], end[name])}
        assert moved <= wanted, (stage, trains, "moved besides", sorted(moved - wanted)[:3])
        assert dtype == torch.bfloat16 or moved == wanted, (stage, trains, "did not move", sorted(wanted - moved)[:3])
        undo()
        assert same(start, values(trainer)), (stage, trains, "undone is not as before")
        learn(trainer, 3)  # something of this way remains for the ways after it
        base = start = end = undo = None
        if trains == Trains():
            memory.append(alive())
    assert memory[-1] <= memory[0] + sum(t.nbytes for name in network.adapters.names() for t in network.adapters[name].tensors().values()) + 10_000, \
        (stage, memory, "memory grows with every switch")
    trainer.release()
    del trainer
    gc.collect()
    assert footprint(network) == clean, (stage, footprint(network), clean)
    assert alive() < memory[-1]
    assert math.isfinite(float(network(tokens(5))[0].detach().sum()))
for i, rows in norms.items():
    for row, bound in zip(zip(*rows), (1e-5, 1e-2)):  # a first step of Adam has the sign even of a gradient that is mostly rounding
        assert max(row) - min(row) <= bound * max(row), (WAYS[i], row, "the stages do not agree")
print("ok")
"""


@pytest.mark.parametrize(("dtype", "stages"), [("float32", "0123"), ("bfloat16", "2")])
def test_switching_under_every_stage(dtype, stages):
    result = subprocess.run([sys.executable, "-c", SWITCHES, dtype, stages], capture_output=True, text=True, timeout=300,
                            env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert result.returncode == 0 and result.stdout.strip().endswith("ok"), result.stdout[-2000:] + result.stderr[-3000:]


def test_every_parameter_belongs_to_one_part():
    names = [name for name, _ in random_network().named_parameters()]
    parts = Counter(part_of(name) for name in names)
    assert set(parts) == set(PARTS) - {"ffn.value"} and sum(parts.values()) == len(names)
    expected = {"blocks.0.ln0.weight": "ln", "blocks.1.att.ln_x.bias": "ln", "ln_out.weight": "ln", "blocks.0.att.w1": "att", "blocks.1.att.v2": "att",
                "blocks.1.att.output.weight": "att", "blocks.1.ffn.key.weight": "ffn", "emb.weight": "emb", "head.weight": "head",
                **{f"blocks.1.att.{name}": "vectors" for name in ("x_r", "x_g", "w0", "a0", "v0", "k_k", "k_a", "r_k")}, "blocks.1.ffn.x_k": "vectors"}
    assert {name: part_of(name) for name in expected} == expected
    network = random_network()
    apply(network, Trains("parts", parts=("ffn", "vectors")))
    assert {part_of(name) for name, p in network.named_parameters() if p.requires_grad} == {"ffn", "vectors"}
    apply(network, Trains("parts", parts=("ffn.value",)))
    assert [name for name, p in network.named_parameters() if p.requires_grad] == [f"blocks.{i}.ffn.value.weight" for i in range(len(network.blocks))]


def test_groups_of_adapters_and_states():
    network = random_network()
    apply(network, Trains("lora", parts=("ffn",)))
    groups = {g["name"]: g for g in parameter_groups(network, Recipe(weight_decay=0.1))}
    factors = {id(p) for p in network.adapters.current.tensors().values()}
    assert groups.keys() == {"plain", "decayed"} and {id(p) for p in groups["plain"]["params"]} == factors
    assert groups["plain"]["weight_decay"] == 0 and groups["plain"]["rate"] == 1
    apply(network, Trains("state"))
    state, = parameter_groups(network, Recipe(lr=1e-5, weight_decay=0.1, state_rate=1e5))
    assert state["name"] == "state" and state["weight_decay"] == 0 and state["lr"] == pytest.approx(1.0)
    assert len(state["params"]) == 3


@pytest.mark.parametrize(("given", "sentence"), [
    ({"what": "dora"}, "'dora'; it is one of all, parts, lora, miss, state"), ({"what": "parts"}, "trains.parts is empty"),
    ({"what": "parts", "parts": ("attn",)}, "'attn'; parts are att"), ({"what": "all", "parts": ("att",)}, "trains no parts"),
    ({"what": "lora", "rank": 0}, "rank is 0"), ({"what": "lora", "dropout": 1.0}, "dropout is 1.0"), ({"what": "lora", "alpha": 0}, "alpha is 0"),
    ({"what": "miss", "targets": ()}, "targets is empty"),
])
def test_a_way_that_means_nothing_is_refused(given, sentence):
    with pytest.raises(ValueError, match="^[^\n]+$") as refusal:
        Trains(**given)
    assert sentence in str(refusal.value)


def test_a_refused_way_changes_nothing():
    network = random_network()
    apply(network, Trains("lora", rank=4))
    before = {name: (p, p.requires_grad) for name, p in network.named_parameters()}
    for trains, sentence in ((Trains("lora", rank=8), "has rank 4"), (Trains("miss", name="lora"), "of the kind lora"),
                             (Trains("lora", name="b", targets=("att.kye",)), "'att.kye', which is no matrix"),
                             (Trains("miss", name="b", rank=65), "narrowest target has 64")):
        with pytest.raises(ValueError, match=sentence):
            apply(network, trains)
        assert {name: (p, p.requires_grad) for name, p in network.named_parameters()} == before and network.adapters.names() == ["lora"]
    apply(network, Trains())
    assert all(p.requires_grad for p in network.parameters()) and network.adapters.active is None
    torch.testing.assert_close(network(torch.tensor([[1, 2]]))[0], random_network()(torch.tensor([[1, 2]]))[0], rtol=0, atol=0)
