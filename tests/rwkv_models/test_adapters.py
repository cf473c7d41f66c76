"""Adapters: the formulas that they claim, one function of dropout for all chunks, merging, swapping, and the tuned state."""

import subprocess
import sys

import pytest
import torch
from torch.func import functional_call

from rwkv_models.chunks import Batch, learn_chunks, measure
from rwkv_models.linear import linears
from rwkv_models.native_decode import NativeDecode, NativeUnavailable
from rwkv_models.state import State
from rwkv_models.trained import Trains, apply
from rwkv_models.weights_file import WeightsError, load_network, load_state, save_state, save_weights
from tests.rwkv_models.networks import error, random_network, tokens

WAYS = [Trains("lora", rank=5, alpha=7.0, dropout=0.4, targets=("att.receptance", "att.output", "ffn.key", "ffn.value", "head")),
        Trains("miss", rank=6, dropout=0.4), Trains("state")]
ids = [w.what for w in WAYS]
BATCH = Batch.of([(tokens(n, seed=n)[0].tolist(), [float(i % 3 != 0) for i in range(n)]) for n in (23, 17)]).normalised()


def adapted(trains, seed=0, dtype=torch.float64, **sizes):
    """A network with an adapter whose every number matters."""
    network = random_network(dtype=dtype, layers=2, **sizes)
    apply(network, trains)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in network.adapters.current.tensors().values():
            p.add_(0.1 * torch.randn(p.shape, generator=generator, dtype=p.dtype))
    return network


def learn(network, batch=BATCH, ctx_len=1000, seed=None):
    """(loss, gradients of what is trained by name), with the gradient of a tuned initial state added."""
    network.zero_grad(set_to_none=True)
    state = network.initial_state(batch.inputs_BT.shape[0])
    loop, loss = learn_chunks(network, batch, state, lambda objective: objective.backward(), ctx_len), 0.0
    while True:
        try:
            with network.dropout(seed):
                loss += next(loop)
        except StopIteration as end:
            if state.wkv[0].requires_grad:
                state.dot(end.value[1]).backward()
            return loss, {name: p.grad.clone() for name, p in network.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("trains", WAYS, ids=ids)
def test_the_gradient_is_that_of_the_formula(trains):
    network = adapted(trains)
    loss, gradients = learn(network, seed=11)
    assert gradients.keys() == network.adapters.current.tensors().keys()
    leaves = {name: p.detach().clone().requires_grad_() for name, p in network.adapters.current.tensors().items()}
    weights, state = {name: p.detach() for name, p in network.named_parameters() if name not in leaves}, None
    masks = {path: module.mask for path, module in getattr(network.adapters.current, "layers", {}).items()}
    for path, mask in masks.items():
        weight = weights[f"{path}.weight"]
        with network.dropout(11):
            kept_I = mask(torch.ones(weight.shape[1], dtype=torch.float64))
        if trains.what == "lora":
            A, B = (leaves[f"{path}.adapter.lora_{x}"] for x in "AB")
            change = 7.0 / 5 * B @ A
        else:
            D = leaves[f"{path}.adapter.miss_block"]
            change = torch.stack([D[i % 6] for i in range(weight.shape[1])], dim=1)
        weights[f"{path}.weight"] = weight + change * kept_I
    plain = random_network(layers=2)
    if trains.what == "state":
        zero = plain.zero_state(2)
        state = State(zero.att_shift, zero.ffn_shift, tuple(torch.stack((s, s)) for s in leaves.values()))
    logits, _ = functional_call(plain, weights, (BATCH.inputs_BT, state, BATCH.lengths_B))
    nll = -logits.log_softmax(-1).gather(2, BATCH.targets_BT.unsqueeze(2)).squeeze(2)
    expected = (nll * BATCH.weights_BT).sum()
    expected.backward()
    assert abs(loss - float(expected.detach())) < 1e-10
    for name, leaf in leaves.items():
        assert leaf.grad.norm() > 0 and error(gradients[name], leaf.grad) < 1e-10, name


@pytest.mark.parametrize("trains", WAYS, ids=ids)
@pytest.mark.parametrize("ctx_len", [3, 8])
def test_chunks_of_any_size_are_the_whole_with_dropout_on(trains, ctx_len):
    network = adapted(trains)
    loss, gradients = learn(network, seed=4)
    loss2, gradients2 = learn(network, ctx_len=ctx_len, seed=4)
    assert abs(loss - loss2) < 1e-10 and gradients.keys() == gradients2.keys()
    assert all(error(gradients2[name], g) < 1e-10 for name, g in gradients.items())


@pytest.mark.parametrize("trains", WAYS, ids=ids)
def test_blocks_run_again_give_the_same_gradient_also_outside_of_the_dropout(trains):
    network = adapted(trains)
    _, gradients = learn(network, seed=4)
    network.checkpoint_blocks = True
    network.zero_grad(set_to_none=True)
    with network.dropout(4):
        hidden, _ = network(BATCH.inputs_BT, None, BATCH.lengths_B)
    nll = torch.nn.functional.cross_entropy(hidden.flatten(0, 1), BATCH.targets_BT.flatten(), reduction="none")
    (nll * BATCH.weights_BT.flatten()).sum().backward()
    assert all(error(network.get_parameter(name).grad, g) < 1e-10 for name, g in gradients.items())


def test_dropout_is_seeded_and_only_where_asked_for():
    network = adapted(WAYS[0])
    undropped = measure(network, BATCH)
    first, g1 = learn(network, seed=1)
    again, g2 = learn(network, seed=1)
    other, _ = learn(network, seed=2)
    assert first == again == learn(network, seed=1)[0] and all(torch.equal(g1[name], g) for name, g in g2.items())
    assert len({first, other, undropped}) == 3 and learn(network)[0] == pytest.approx(undropped, abs=1e-12)
    assert measure(network, BATCH) == undropped
    masks = [module.mask for module in network.adapters.current.layers.values()]
    wide = torch.ones(4000)
    with network.dropout(3):
        drawn = [mask(wide) for mask in masks]
        assert not torch.equal(drawn[0], drawn[1]) and torch.equal(drawn[0], masks[0](wide))
    for mask in drawn:
        assert abs(float((mask == 0).float().mean()) - 0.4) < 0.04 and set(mask.tolist()) == {0.0, mask.max().item()}
        assert mask.max().item() == pytest.approx(1 / 0.6)
    assert masks[0](wide) is wide


@pytest.mark.parametrize("trains", WAYS[:2], ids=ids[:2])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_merged_weights_are_the_sum_rounded_once(trains, dtype):
    network = adapted(trains, dtype=dtype)
    adapter, read = network.adapters.current, tokens(30)
    sums = {path: linears(network)[path].weight.double() + module.delta() for path, module in adapter.layers.items()}
    with torch.no_grad():
        before, _ = network(read)
        network.adapters.merge()
        after, _ = network(read)
    for path, exact in sums.items():
        assert torch.equal(linears(network)[path].weight, exact.to(dtype))
    bound = {torch.float64: 1e-12, torch.float32: 2e-5, torch.bfloat16: 0.1}[dtype]
    assert 0 < error(after.double(), before.double()) < bound
    assert network.adapters.active is None and not network.adapters.names() and not any(".adapter." in name for name in network.state_dict())


def test_adapters_are_swapped_by_name_and_touch_no_weight():
    network, read = random_network(dtype=torch.float32, layers=2), tokens(12)
    kept = {name: (p, p.data_ptr(), p.clone()) for name, p in network.named_parameters()}
    logits = {None: network(read)[0].detach()}
    for name, what in (("a", "lora"), ("b", "lora"), ("m", "miss"), ("s", "state")):
        apply(network, Trains(what, name=name, rank=4))
        assert torch.equal(network(read)[0], logits[None]), "a new adapter changes answers"
        with torch.no_grad():
            for i, p in enumerate(network.adapters.current.tensors().values()):
                p.normal_(generator=torch.Generator().manual_seed(i + len(logits) * 100), std=0.1)
        logits[name] = network(read)[0].detach()
    assert len({t.sum().item() for t in logits.values()}) == 5
    for name in ("b", None, "s", "a", "m", None):
        network.adapters.use(name)
        assert torch.equal(network(read)[0], logits[name])
    now = dict(network.named_parameters())
    assert now.keys() == kept.keys()
    assert all(now[k] is p and p.data_ptr() == at and torch.equal(p, value) for k, (p, at, value) in kept.items())
    network.adapters.remove("a")
    with pytest.raises(ValueError, match="there is no adapter a; there are b, m, s"):
        network.adapters.use("a")
    network.adapters.use("s")
    for refused in (lambda: network.adapters.remove("s"), network.adapters.merge):
        with pytest.raises(ValueError):
            refused()
    assert torch.equal(network(read)[0], logits["s"])


def test_first_values_depend_on_the_seed_alone():
    def first(seed):
        network = random_network(layers=2)
        apply(network, Trains("lora", rank=4, seed=seed))
        return torch.cat([p.flatten() for p in network.adapters.current.tensors().values()])
    assert torch.equal(first(1), first(1)) and not torch.equal(first(1), first(2))


def test_a_state_shares_no_memory_with_the_parameter_that_it_comes_from():
    network = adapted(WAYS[2], dtype=torch.float32)
    state = network.initial_state(1)
    kept = network.blocks[0].att.time_state.detach().clone()
    with torch.no_grad():
        state.wkv[0].zero_()
    assert torch.equal(network.blocks[0].att.time_state, kept)


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_a_state_is_saved_alone_and_loaded_to_the_bit(suffix, tmp_path):
    network, read = adapted(WAYS[2], dtype=torch.float32), tokens(9)
    logits = network(read)[0]
    path = tmp_path / f"state{suffix}"
    save_state(network.adapters.current, path)
    fresh = random_network(dtype=torch.float32, layers=2)
    load_state(fresh, path, "mine")
    fresh.adapters.use("mine")
    assert torch.equal(fresh(read)[0], logits)
    save_weights(network.state_dict(), tmp_path / f"merged{suffix}")
    assert torch.equal(load_network(tmp_path / f"merged{suffix}")(read)[0], logits)
    for wrong, sentence in ((random_network(dtype=torch.float32), "missing"), (random_network(dtype=torch.float32, layers=1), "no state"),
                            (random_network(dtype=torch.float32, layers=2, head_size=16), "shape")):
        with pytest.raises(WeightsError, match=sentence) as refusal:
            load_state(wrong, path, "mine")
        assert path.name in str(refusal.value) and "\n" not in str(refusal.value) and not wrong.adapters.names()


def test_the_rwkv_package_starts_from_our_state_as_it_lies_in_the_file(tmp_path):
    """RWKV-7's convention is value rows by key columns on both sides: nobody transposes."""
    network = adapted(WAYS[2], dtype=torch.float32, head_size=64, channels=128)
    save_weights({k: v for k, v in network.state_dict().items() if not k.endswith("time_state")}, tmp_path / "model.pth")
    save_state(network.adapters.current, tmp_path / "state.pth")
    script = """
import os, sys, torch
os.environ.update(RWKV_V7_ON="1", RWKV_JIT_ON="1", RWKV_CUDA_ON="0")
from rwkv.model import RWKV
model = RWKV("model", strategy="cpu fp32")
state = model.generate_zero_state()
for i in range(2):
    state[3 * i + 1] = torch.load("state.pth", weights_only=True)[f"blocks.{i}.att.time_state"].float()
torch.save(model.forward([3, 1, 4, 1, 5], state, full_output=True)[0], "logits.pt")
"""
    subprocess.run([sys.executable, "-c", script], check=True, cwd=tmp_path, capture_output=True)
    theirs = torch.load(tmp_path / "logits.pt", weights_only=True)
    ours, _ = network(torch.tensor([[3, 1, 4, 1, 5]]))
    assert error(ours[0].detach(), theirs) < 1e-4
    network.adapters.use(None)
    assert error(network(torch.tensor([[3, 1, 4, 1, 5]]))[0][0].detach(), theirs) > 1e-3


def test_native_decoding_leaves_adapters_to_the_network_and_knows_states():
    network = random_network(dtype=torch.float32, layers=2, channels=64, head_size=64, ffn=64, vocabulary=50)
    try:
        native = NativeDecode(network)
    except NativeUnavailable as reason:
        pytest.skip(str(reason))
    apply(network, Trains("lora", rank=4))
    for refused in (lambda: NativeDecode(network), lambda: native.step(torch.tensor([1]), network.zero_state())):
        with pytest.raises(NativeUnavailable, match="the adapter lora is in use"):
            refused()
    apply(network, Trains("state"))
    with torch.no_grad():
        for p in network.adapters.current.tensors().values():
            p.normal_(generator=torch.Generator().manual_seed(1))
        expected, _ = network(torch.tensor([[7]]), head="last")
        for decode in (native, NativeDecode(network)):
            assert error(decode.step(torch.tensor([7]), network.initial_state())[0], expected) < 1e-5
