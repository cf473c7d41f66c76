"""Every family trains in every mode: exact through its state, the same however a sample is cut, with adapters and tuned states."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from rwkv_models import objectives
from rwkv_models.adapters import TimeState
from rwkv_models.chunks import Batch, learn_chunks, learn_windows
from rwkv_models.optimizer import Recipe, parameter_groups
from rwkv_models.quantized import quantize
from rwkv_models.state import State
from rwkv_models.trained import Trains, apply, part_of
from rwkv_models.weights_file import WeightsError, load_state, save_weights
from tests.rwkv_models.family_networks import KINDS, OLD, random_of
from tests.rwkv_models.networks import error, tokens

SAMPLES = [(tokens(n, seed=n)[0].tolist(), [float(i % 3 != 0) * (1 + i % 2) for i in range(n)]) for n in (41, 17, 30)]
WITH_STATE = [kind for kind in KINDS if kind != "4"]


def run(network, loop):
    """(loss, every gradient, final state, gradient of the initial state)."""
    network.zero_grad(set_to_none=True)
    losses, end = [], None
    while end is None:
        try:
            losses.append(next(loop))
        except StopIteration as stop:
            end = stop.value or (None, None)
    return sum(losses), [p.grad.clone() for p in network.parameters() if p.requires_grad], *end


def chunks(network, batch, state=None, **how):
    return run(network, learn_chunks(network, batch, state, lambda objective: objective.backward(), **how))


@pytest.mark.parametrize("kind", KINDS)
def test_wani_bot_over_chunks_is_plain_autograd_over_the_whole(kind):
    network, batch = random_of(kind), Batch.of(SAMPLES).normalised()
    start = network(tokens(6, rows=3))[1].leaf()
    network.zero_grad()
    whole = objectives.weighted_loss(network, network(batch.inputs_BT, start, batch.lengths_B, head="none")[0], batch)
    whole.backward()
    gradients = [p.grad.clone() for p in network.parameters()]
    for ctx_len in (1, 7, 39):
        loss, again, _, entry = chunks(network, batch, start.detach(), ctx_len=ctx_len)
        assert abs(loss - float(whole.detach())) < 1e-10
        for a, b in zip([*again, *entry.tensors()], [*gradients, *start.gradient().tensors()], strict=True):
            assert b.any() and error(a, b) < 1e-10


@pytest.mark.parametrize("kind", OLD)
def test_plain_is_the_same_and_pico_is_its_truncation(kind):
    network, batch = random_of(kind), Batch.of(SAMPLES).normalised()
    loss, gradients, state, _ = chunks(network, batch, ctx_len=1000)
    plain, again, *_ = run(network, learn_windows(network, batch, lambda o: o.backward(), 1000, 4))
    assert plain == loss and all(torch.equal(a, b) for a, b in zip(again, gradients, strict=True))
    loss1, gradients1, state1, _ = chunks(network, batch, ctx_len=7, bptt_range=1)
    assert abs(loss - loss1) < 1e-10 and error(state1.wkv[0], state.wkv[0]) < 1e-10
    assert max(error(a, b) for a, b in zip(gradients1, gradients, strict=True)) > 1e-3
    _, gradients2, *_ = chunks(network, batch, ctx_len=7, bptt_range=99)
    assert max(error(a, b) for a, b in zip(gradients2, gradients, strict=True)) < 1e-10


@pytest.mark.parametrize("kind", OLD)
def test_running_blocks_again_in_the_backward_changes_nothing(kind):
    network, batch = random_of(kind), Batch.of(SAMPLES).normalised()
    _, gradients, *_ = chunks(network, batch, ctx_len=20)
    network.checkpoint_blocks, pauses = True, []
    network.pause = lambda: pauses.append(1)
    _, again, *_ = chunks(network, batch, ctx_len=20)
    assert pauses and all(torch.equal(a, b) for a, b in zip(again, gradients, strict=True))


@pytest.mark.parametrize("kind", WITH_STATE)
def test_a_tuned_state_gets_the_gradient_of_plain_autograd(kind, tmp_path):
    network, batch = random_of(kind), Batch.of(SAMPLES).normalised()
    apply(network, Trains("state"))
    for t in network.adapters["state"].states:
        t.data.normal_(generator=torch.Generator().manual_seed(4))
    _, gradients, *_ = chunks(network, batch, ctx_len=7)
    network.zero_grad()
    objectives.weighted_loss(network, network(batch.inputs_BT, None, batch.lengths_B, head="none")[0], batch).backward()
    for block, a in zip(network.blocks, gradients, strict=True):
        assert a.any() and error(a, block.att.time_state.grad) < 1e-10
    save_weights(network.adapters["state"].tensors(), tmp_path / "state.pth")
    assert torch.equal(load_state(network, tmp_path / "state.pth", "again").states[1], network.blocks[1].att.time_state)


def test_rwkv4_refuses_a_tuned_state_in_one_sentence(tmp_path):
    network = random_of("4")
    for refused in (lambda: apply(network, Trains("state")), lambda: TimeState(network, "state")):
        with pytest.raises(ValueError, match=r"^RWKV-4 has no initial state to tune: .* all, parts, lora or miss$"):
            refused()
    save_weights({"blocks.0.att.time_state": torch.zeros(4, 16, 16)}, tmp_path / "state.pth")
    with pytest.raises(WeightsError, match=r"state.pth: RWKV-4 has no initial state to tune"):
        load_state(network, tmp_path / "state.pth", "state")


@pytest.mark.parametrize("what", ["lora", "miss"])
@pytest.mark.parametrize("kind", OLD)
def test_an_adapter_trains_merges_and_comes_off(kind, what):
    network, batch = random_of(kind), Batch.of(SAMPLES).normalised()
    targets = ("att.receptance", "att.key", "att.value", "att.output", "ffn.key", "ffn.value", "ffn.receptance", "head")
    plain, before = network(batch.inputs_BT)[0].detach(), {n: p.clone() for n, p in network.named_parameters()}
    apply(network, Trains(what, rank=4, targets=targets))
    assert torch.equal(network(batch.inputs_BT)[0], plain)
    for tensor in network.adapters.current.tensors().values():
        tensor.data.normal_(std=0.1, generator=torch.Generator().manual_seed(4))
    _, whole, *_ = chunks(network, batch, ctx_len=1000)
    _, again, *_ = chunks(network, batch, ctx_len=7)
    assert all(b.any() and error(a, b) < 1e-10 for a, b in zip(again, whole, strict=True))
    with_it = network(batch.inputs_BT)[0].detach()
    network.adapters.use(None)
    assert torch.equal(network(batch.inputs_BT)[0], plain) and all(torch.equal(p, before[n]) for n, p in network.named_parameters())
    network.adapters.use(what)
    network.adapters.merge()
    assert error(network(batch.inputs_BT)[0], with_it) < 1e-10


@pytest.mark.parametrize("kind", OLD)
def test_parameters_are_in_the_parts_and_groups_of_their_meaning(kind):
    network = random_of(kind)
    parts = {name: part_of(name) for name, _ in network.named_parameters()}
    assert parts["blocks.1.att.time_decay"] == "vectors" and parts["blocks.1.ffn.receptance.weight"] == "ffn" and parts["emb.weight"] == "emb"
    assert all(part == "att" for name, part in parts.items() if name.endswith(("_w1", "_w2")))
    of = {group["name"]: {id(p) for p in group["params"]} for group in parameter_groups(network, Recipe())}
    assert of["w0"] == {id(block.att.time_decay) for block in network.blocks}
    assert id(network.blocks[0].att.key.weight) in of["decayed"] and id(network.blocks[0].ln1.weight) in of["plain"]


@pytest.mark.parametrize("kind", OLD)
def test_quantized_matrices_stay_near(kind):
    network, read = random_of(kind, torch.float32, channels=128, head_size=128 if kind == "4" else 32, ffn=256), tokens(20)
    with torch.no_grad():
        exact = network(read)[0]
        quantize(network, "int8")
        assert error(network(read)[0], exact) < 0.1


@pytest.mark.parametrize("kind", OLD)
def test_a_state_can_be_named_mixed_and_faded(kind):
    network = random_of(kind)
    with torch.no_grad():
        one, other = network(tokens(9))[1], network(tokens(9, seed=5))[1]
        again = State.from_named(one.named())
        assert again.fits(network.zero_state()) and all(torch.equal(a, b) for a, b in zip(again.tensors(), one.tensors(), strict=True))
        nothing = network.zero_state()
        after = lambda state: network(tokens(5, seed=8), state)[0]  # noqa: E731
        assert error(after(one.blend(other, 0.0)), after(one)) < 1e-10 and error(after(one.blend(other, 1.0)), after(other)) < 1e-10
        assert error(after(one.blend(nothing, 0.4)), after(State(*shifts(one, 0.6), one.faded(0.6).wkv))) < 1e-10
        assert error(after(State(nothing.att_shift, nothing.ffn_shift, one.faded(0.0).wkv)), after(nothing)) < 1e-10


def shifts(state, factor):
    return tuple(tuple(t * factor for t in kind) for kind in (state.att_shift, state.ffn_shift))


STAGES = """
import json, torch
from rwkv_models.chunks import Batch
from rwkv_models.optimizer import Recipe, Trainer, loopback_process_group
from tests.rwkv_models.family_networks import random_of
from tests.rwkv_models.networks import tokens
loopback_process_group()
found = {}
for kind in ("4", "5.2", "6.0", "7a"):
    for stage in (0, 3):
        trainer = Trainer(random_of(kind, torch.float32), Recipe(zero_stage=stage))
        batch, losses = Batch.of([(tokens(20)[0].tolist(), [1.0] * 20)]).normalised(), []
        for _ in range(3):
            losses.append(sum(trainer.learn_chunks(batch, None, trainer.backward, 7)))
            trainer.step(1e-2)
        found[f"{kind} {stage}"] = losses
        trainer.release()
print(json.dumps(found))
"""


@pytest.mark.long
def test_deepspeed_steps_them_whole_or_divided():
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", STAGES], capture_output=True, text=True, timeout=300, cwd=root)
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout.splitlines()[-1])
    for kind in ("4", "5.2", "6.0", "7a"):
        assert found[f"{kind} 0"][2] < found[f"{kind} 0"][0] and found[f"{kind} 3"] == pytest.approx(found[f"{kind} 0"], rel=1e-4)
