"""Reading many tokens in native code: the numbers of the network, and of decoding the same tokens one by one."""

from __future__ import annotations

import pytest
import torch

from rwkv_models import native_prefill
from rwkv_models.native_decode import NativeDecode
from rwkv_models.native_library import NativeUnavailable
from rwkv_models.native_prefill import NativePrefill
from rwkv_models.rwkv7 import RWKV7, Shape
from tests.rwkv_models.native import SMALL, needs_native, network, relative, same, shapes, warm_state, worst


def prefill(net: RWKV7) -> NativePrefill:
    """The reading of a network."""
    return NativePrefill(NativeDecode(net))


def prompt(net: RWKV7, batch: int, length: int, seed: int = 3) -> torch.Tensor:
    """Random tokens."""
    return torch.randint(net.shape.vocabulary, (batch, length), generator=torch.Generator().manual_seed(seed))


def one_by_one(net: RWKV7, read: torch.Tensor, state):
    """Logits and state after decoding the tokens in turn."""
    native = NativeDecode(net)
    for t in range(read.shape[1]):
        logits, state = native.step(read[:, t], state)
    return logits, state


@needs_native
@pytest.mark.parametrize(("batch", "length"), [(1, 1), (1, 2), (1, 17), (2, 16), (3, 40), (1, 130)])
@pytest.mark.parametrize("shape", list(shapes()), ids=lambda s: f"L{s.layers}C{s.channels}N{s.head_size}")
def test_it_computes_what_the_network_computes(shape, batch, length):
    net = network(shape)
    state, read, native = warm_state(net, batch), prompt(net, batch, length), prefill(net)
    for head in ("last", "none"):
        output, new = native.read(read, state, head)
        with torch.no_grad():
            expected, expected_state = net(read, state, head=head)
        assert output.shape == expected.shape and not output.requires_grad
        assert relative(output, expected) < 1e-5
        assert worst((new, expected_state)) < 1e-5
    output, new = native.read(read, state, "nothing")
    assert not output.numel() and same((output, new), (output, native.read(read, state)[1]))


@needs_native
@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("shape", [*shapes(), SMALL], ids=lambda s: f"L{s.layers}C{s.channels}N{s.head_size}")
def test_reading_is_decoding_token_by_token(shape, batch):
    net = network(shape)
    state, read = warm_state(net, batch), prompt(net, batch, 50)
    (logits, new), (expected, expected_state) = prefill(net).read(read, state), one_by_one(net, read, state)
    assert relative(logits, expected) < 1e-5 and worst((new, expected_state)) < 1e-5


@needs_native
def test_a_prompt_may_be_cut_anywhere(monkeypatch):
    net = network(SMALL)
    native, state, read = prefill(net), warm_state(net, 2), prompt(net, 2, 41)
    whole, none = native.read(read, state), native.read(read, state, "none")
    for cut in (1, 2, 17, 40):
        _, between = native.read(read[:, :cut], state)
        logits, new = native.read(read[:, cut:], between)
        assert relative(logits, whole[0]) < 1e-5 and worst((new, whole[1])) < 1e-5
    for limit in (1, 8, 33, 82):  # tokens of all rows in a slice
        monkeypatch.setattr(native_prefill, "SLICE", limit)
        for expected, (output, new) in ((whole, native.read(read, state)), (none, native.read(read, state, "none"))):
            assert relative(output, expected[0]) < 1e-5 and worst((new, expected[1])) < 1e-5


@needs_native
def test_without_a_state_it_begins_as_the_network_does():
    net = network(SMALL)
    read = prompt(net, 1, 20)
    with torch.no_grad():
        expected = net(read, None, head="last")
    logits, new = prefill(net).read(read)
    assert relative(logits, expected[0]) < 1e-5 and worst((new, expected[1])) < 1e-5
    for block in net.blocks:  # a state of its own that sequences begin from
        block.att.time_state = torch.nn.Parameter(torch.randn(SMALL.heads, SMALL.head_size, SMALL.head_size))
    logits, new = prefill(net).read(read)
    assert relative(logits, expected[0]) > 1e-4
    with torch.no_grad():
        expected = net(read, None, head="last")
    assert relative(logits, expected[0]) < 1e-5 and worst((new, expected[1])) < 1e-5 and not logits.requires_grad


@needs_native
@pytest.mark.parametrize("shape", [SMALL, Shape(2, 64, 101), Shape(1, 128, 101, head_size=128), Shape(2, 48, 101, head_size=48)],
                         ids=["two heads", "one head", "large head", "head of three parts"])
def test_the_result_does_not_depend_on_threads(shape, threads):
    net = network(shape)
    native, state, read = prefill(net), warm_state(net, 1), prompt(net, 1, 60)
    threads(1)
    one = native.read(read, state)
    for count in (2, 3, 5, 9):  # more than heads: these are then cut into parts
        threads(count)
        logits, new = native.read(read, state)
        assert relative(logits, one[0]) < 1e-6 and worst((new, one[1])) < 1e-6  # the last bits are those of torch's products
        assert same(native.read(read, state), (logits, new))


@needs_native
def test_large_and_tiny_activations_saturate_as_the_functions_do():
    net = network(SMALL)
    with torch.no_grad():
        for block in net.blocks:
            for name, scale in (("w1", 1e3), ("a1", 1e3), ("g1", 1e3), ("w2", 30.0), ("a2", 30.0)):
                getattr(block.att, name).mul_(scale)
            block.att.k_k[..., :64] = 0  # a head without direction: the norm's eps decides
    state, read = warm_state(net, 2), prompt(net, 2, 20)
    logits, new = prefill(net).read(read, state)
    expected, expected_state = one_by_one(net, read, state)
    assert torch.isfinite(logits).all() and relative(logits, expected) < 1e-4 and worst((new, expected_state)) < 1e-4


@needs_native
@pytest.mark.parametrize("name", [
    "blocks.0.att.w2", "blocks.0.att.w1", "blocks.1.att.k_k", "blocks.1.att.ln_x.weight", "blocks.0.ffn.key.weight",
    "blocks.0.ffn.value.weight", "blocks.1.att.receptance.weight", "ln_out.bias", "head.weight"])
def test_nan_passes_through(name):
    net = network(SMALL)
    net.get_parameter(name).data.view(-1)[3] = torch.nan
    state, read = net.zero_state(2), prompt(net, 2, 20)
    logits, new = prefill(net).read(read, state)
    expected, expected_state = one_by_one(net, read, state)
    assert torch.equal(logits.isnan(), expected.isnan()) and logits.isnan().any()
    assert all(torch.equal(a.isnan(), b.isnan()) for a, b in zip(new.tensors(), expected_state.tensors(), strict=True))


@needs_native
def test_a_nan_in_a_state_stays_in_its_row():
    net = network(SMALL)
    state, read = warm_state(net, 3).map(torch.clone), prompt(net, 3, 30)
    state.wkv[0][1, 0, 5, 7] = torch.nan
    logits, new = prefill(net).read(read, state)
    assert logits[1].isnan().any() and torch.isfinite(logits[[0, 2]]).all()
    assert all(torch.isfinite(t[[0, 2]]).all() for t in new.tensors())


@needs_native
def test_bf16_rounds_only_what_products_take_and_give():
    half, whole = network(SMALL, dtype=torch.bfloat16), network(SMALL, dtype=torch.bfloat16).float()
    read = prompt(half, 2, 60)
    with torch.no_grad():
        exact, exact_state = whole(read, None, head="last")
        rounded, rounded_state = half(read, None, head="last")
    logits, new = prefill(half).read(read)
    assert logits.dtype is torch.float32 and new.att_shift[0].dtype is torch.bfloat16 and new.wkv[0].dtype is torch.float32
    assert relative(logits, exact) < relative(rounded, exact) < 0.1
    assert worst((new, exact_state)) < worst((rounded_state, exact_state))
    hidden, _ = prefill(half).read(read, None, "none")
    with torch.no_grad():
        assert hidden.dtype is torch.bfloat16 and relative(hidden, whole(read, None, head="none")[0]) < 0.05
    assert relative(NativeDecode(half).step(read[:, 0], new)[0], half(read[:, :1], new, head="last")[0].detach()) < 0.1


@needs_native
def test_weights_changed_moved_and_replaced_are_seen_at_once():
    net = network(SMALL)
    native, state, read = prefill(net), warm_state(net, 1), prompt(net, 1, 9)
    for i, p in enumerate(net.parameters()):
        with torch.no_grad():
            if i % 2:
                p.add_(0.01)
            else:
                p.data = p.data * 1.01 + 0.003
            expected = net(read, state, head="last")[0]
        assert relative(native.read(read, state)[0], expected) < 1e-5
    other = network(SMALL, seed=9)
    net.load_state_dict(other.state_dict(), assign=True)
    assert same(native.read(read, state), prefill(other).read(read, state))
    net.to(torch.bfloat16)
    assert torch.isfinite(native.read(read)[0]).all()
    net.blocks[1].ffn.key.weight = torch.nn.Parameter(net.blocks[1].ffn.key.weight.data.double())
    with pytest.raises(NativeUnavailable, match=r"blocks\.1\.ffn\.key\.weight"):
        native.read(read)


@needs_native
def test_results_and_inputs_stay_as_they_are_while_it_reads_on():
    net = network(SMALL)
    native, state, read = prefill(net), warm_state(net, 2), prompt(net, 2, 30)
    before, read_before = state.map(torch.clone), read.clone()
    first = native.read(read, state)
    kept = first[0].clone(), first[1].map(torch.clone)
    with torch.inference_mode():
        for length in (7, 50, 30):  # smaller, larger and the same memory
            native.read(prompt(net, 2, length, seed=length), state)
    native.read(prompt(net, 1, 64), None, "none")
    assert same(first, kept)
    assert all(torch.equal(a, b) for a, b in zip(state.tensors(), before.tensors(), strict=True)) and torch.equal(read, read_before)
    assert same(native.read(read, state), kept)


@needs_native
def test_wrong_input_is_refused_and_reads_no_foreign_memory():
    net = network(SMALL)
    native = prefill(net)
    for token in (-1, SMALL.vocabulary):
        with pytest.raises(IndexError, match="vocabulary of 101"):
            native.read(torch.tensor([[0, 5, token]]))
    with pytest.raises(ValueError, match="this step needs"):
        native.read(torch.tensor([[0, 1]]), net.zero_state(3))
    for wrong in (torch.tensor([0, 1]), torch.empty(1, 0, dtype=torch.int64)):
        with pytest.raises(ValueError, match="at least one"):
            native.read(wrong)
    with pytest.raises(ValueError, match="head last, none or nothing"):
        native.read(torch.tensor([[0, 1]]), None, "all")
