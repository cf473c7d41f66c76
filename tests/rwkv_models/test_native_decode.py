"""The native decoding step: the same numbers as the network, whatever the weights, the batch and the threads do."""

from __future__ import annotations

import pytest
import torch

from rwkv_models.native_decode import NativeDecode
from rwkv_models.native_library import NativeUnavailable
from rwkv_models.rwkv7 import RWKV7, Shape
from tests.rwkv_models.native import SMALL, needs_native, network, relative, same, shapes, tokens, warm_state, worst


@needs_native
@pytest.mark.parametrize("batch", [1, 2, 5, 32])
@pytest.mark.parametrize("shape", list(shapes()), ids=lambda s: f"L{s.layers}C{s.channels}N{s.head_size}")
def test_it_computes_what_the_network_computes(shape, batch):
    net = network(shape)
    state, read = warm_state(net, batch), tokens(net, batch)
    logits, new = NativeDecode(net).step(read, state)
    with torch.no_grad():
        expected, expected_state = net(read[:, None], state, head="last")
    assert relative(logits, expected) < 1e-5
    assert worst((new, expected_state)) < 1e-5
    assert not logits.requires_grad


@needs_native
def test_two_hundred_steps_do_not_drift():
    net = network(SMALL)
    native, ours, theirs = NativeDecode(net), net.zero_state(3), net.zero_state(3)
    with torch.no_grad():
        for i in range(200):
            read = tokens(net, 3, seed=i)
            logits, ours = native.step(read, ours)
            expected, theirs = net(read[:, None], theirs, head="last")
            assert relative(logits, expected) < 3e-5, i
    assert worst((ours, theirs)) < 3e-5


@needs_native
def test_large_and_tiny_activations_saturate_as_the_functions_do():
    net = network(SMALL)
    with torch.no_grad():
        for block in net.blocks:
            for name, scale in (("w1", 1e3), ("a1", 1e3), ("g1", 1e3), ("w2", 30.0), ("a2", 30.0)):
                getattr(block.att, name).mul_(scale)
            block.att.k_k[..., :64] = 0  # a head without direction: the norm's eps decides
    state, read = warm_state(net, 2), tokens(net, 2)
    logits, _ = NativeDecode(net).step(read, state)
    with torch.no_grad():
        expected = net(read[:, None], state, head="last")[0]
    assert torch.isfinite(logits).all() and relative(logits, expected) < 1e-5
    with torch.no_grad():
        for block in net.blocks:
            block.att.w1.mul_(1e-9)
            block.att.w2.mul_(1e6)
    logits, _ = NativeDecode(net).step(read, state)
    with torch.no_grad():
        assert relative(logits, net(read[:, None], state, head="last")[0]) < 1e-5


@needs_native
def test_where_activations_are_small_the_epsilons_of_the_norms_count():
    net = network(SMALL)
    with torch.no_grad():
        net.emb.weight.mul_(3e-3)
        for block in net.blocks:
            block.att.value.weight.mul_(0.02)
    read = tokens(net, 2)
    logits, new = NativeDecode(net).step(read, net.zero_state(2))
    with torch.no_grad():
        expected, expected_state = net(read[:, None], None, head="last")
    assert relative(logits, expected) < 1e-5 and worst((new, expected_state)) < 1e-5


@needs_native
def test_weights_changed_in_place_are_seen_at_once():
    net = network(SMALL)
    native, state, read = NativeDecode(net), warm_state(net, 2), tokens(net, 2)
    before, _ = native.step(read, state)
    for p in net.parameters():
        with torch.no_grad():
            p.add_(0.01)
            expected = net(read[:, None], state, head="last")[0]
        assert relative(native.step(read, state)[0], expected) < 1e-5
    assert relative(before, expected) > 1e-3


@needs_native
def test_moved_and_replaced_weights_are_seen_at_once():
    net = network(SMALL)
    native, state, read = NativeDecode(net), warm_state(net, 2), tokens(net, 2)
    for p in net.parameters():
        p.data = p.data * 1.01 + 0.003
        with torch.no_grad():
            expected = net(read[:, None], state, head="last")[0]
        assert relative(native.step(read, state)[0], expected) < 1e-5
    other = network(SMALL, seed=9)
    net.load_state_dict(other.state_dict(), assign=True)
    assert same(native.step(read, state), NativeDecode(other).step(read, state))
    net.to(torch.bfloat16)
    with pytest.raises(ValueError, match=r"torch\.float32 \[2, 128\]"):
        native.step(read, state)


@needs_native
@pytest.mark.parametrize("data", [lambda t: t.t().contiguous().t(), lambda t: t.double(), lambda t: t[:0], lambda t: t.to("meta")],
                         ids=["strided", "float64", "partitioned", "elsewhere"])
def test_weights_it_cannot_read_are_refused(data):
    net = network(SMALL)
    native, state = NativeDecode(net), net.zero_state(1)
    whole = net.blocks[1].ffn.key.weight
    net.blocks[1].ffn.key.weight = torch.nn.Parameter(data(whole.data), requires_grad=False)
    with pytest.raises(NativeUnavailable, match=r"blocks\.1\.ffn\.key\.weight"):
        native.step(tokens(net, 1), state)
    with pytest.raises(NativeUnavailable, match=r"blocks\.1\.ffn\.key\.weight"):
        NativeDecode(net)
    net.blocks[1].ffn.key.weight = whole
    native.step(tokens(net, 1), state)  # and as before once they are back


@needs_native
def test_inputs_stay_as_they_are():
    net = network(SMALL)
    state, read = warm_state(net, 5), tokens(net, 5)
    before, read_before = state.map(torch.clone), read.clone()
    _, new = NativeDecode(net).step(read, state)
    assert all(torch.equal(a, b) for a, b in zip(state.tensors(), before.tensors(), strict=True)) and torch.equal(read, read_before)
    assert not {t.data_ptr() for t in new.tensors()} & {t.data_ptr() for t in state.tensors()}


@needs_native
def test_the_new_state_may_take_the_place_of_an_old_one():
    net = network(SMALL)
    native, state, read = NativeDecode(net), warm_state(net, 5).map(torch.clone), tokens(net, 5)
    fresh = native.step(read, state)
    other = net.zero_state(5)
    assert same(native.step(read, state, into=other), fresh)
    logits, new = native.step(read, state, into=state)
    assert new is state and same((logits, state), fresh)
    with pytest.raises(ValueError, match="not in one piece"):
        native.step(read, state, into=state.map(lambda t: t.transpose(-1, -2).contiguous().transpose(-1, -2)))
    with pytest.raises(ValueError, match="this step needs"):
        native.step(read, state, into=net.zero_state(4))


@needs_native
@pytest.mark.parametrize("batch", [1, 2, 5, 32])
def test_a_row_depends_neither_on_threads_nor_on_the_other_rows(batch, threads):
    net = network(SMALL)
    native, state, read = NativeDecode(net), warm_state(net, batch), tokens(net, batch)
    threads(1)
    one = native.step(read, state)
    for count in (2, 3):
        threads(count)
        for _ in range(5):
            assert same(native.step(read, state), one)
    for i in range(batch):
        assert same(native.step(read[i : i + 1], state.row(i)), (one[0][i : i + 1], one[1].row(i)))


@needs_native
@pytest.mark.parametrize("name", [
    "blocks.0.att.w2", "blocks.0.att.w1", "blocks.1.att.k_k", "blocks.1.att.ln_x.weight", "blocks.0.ffn.key.weight",
    "blocks.0.ffn.value.weight", "blocks.1.att.receptance.weight", "ln_out.bias", "head.weight"])
def test_nan_passes_through(name):
    net = network(SMALL)
    net.get_parameter(name).data.view(-1)[3] = torch.nan
    native, state, read = NativeDecode(net), net.zero_state(2), tokens(net, 2)
    with torch.no_grad():
        expected, expected_state = net(read[:, None], state, head="last")
    logits, new = native.step(read, state)
    assert torch.equal(logits.isnan(), expected.isnan()) and logits.isnan().any()
    assert all(torch.equal(a.isnan(), b.isnan()) for a, b in zip(new.tensors(), expected_state.tensors(), strict=True))


@needs_native
def test_infinite_weights_give_no_crash():
    net = network(SMALL)
    net.blocks[0].att.w0.data[0, 0, 5] = torch.inf
    net.blocks[0].att.a0.data[0, 0, 6] = -torch.inf
    state, read = net.zero_state(1), tokens(net, 1)
    with torch.no_grad():
        expected = net(read[:, None], state, head="last")[0]
    assert relative(NativeDecode(net).step(read, state)[0], expected) < 1e-5


@needs_native
def test_bf16_weights_are_computed_in_fp32():
    half = network(SMALL, dtype=torch.bfloat16)
    whole = network(SMALL, dtype=torch.bfloat16).float()
    state, read = half.zero_state(5), tokens(half, 5)
    logits, new = NativeDecode(half).step(read, state)
    expected, expected_state = NativeDecode(whole).step(read, whole.zero_state(5))
    assert logits.dtype is torch.float32 and relative(logits, expected) < 1e-6
    assert all(torch.equal(a, b.bfloat16()) for a, b in zip(new.att_shift, expected_state.att_shift, strict=True))
    second, _ = NativeDecode(half).step(read, new)
    with torch.no_grad():
        assert relative(second, whole(read[:, None], new.map(torch.Tensor.float), head="last")[0]) < 1e-5
        assert relative(second, half(read[:, None], new, head="last")[0]) < 0.1  # which rounds every product to bf16


@needs_native
def test_wrong_input_is_refused_and_reads_no_foreign_memory():
    net = network(SMALL)
    native = NativeDecode(net)
    for token in (-1, SMALL.vocabulary):
        with pytest.raises(IndexError, match="vocabulary of 101"):
            native.step(torch.tensor([0, token]), net.zero_state(2))
    with pytest.raises(ValueError, match="this step needs"):
        native.step(torch.tensor([0, 1]), net.zero_state(3))
    with pytest.raises(ValueError, match="one dimension"):
        native.step(torch.tensor([[0, 1]]), net.zero_state(1))
    with pytest.raises(ValueError, match="tensors"):
        native.step(torch.tensor([0]), network(Shape(3, 128, 101)).zero_state(1))


def test_shapes_it_has_no_code_for_are_refused():
    for shape in (Shape(1, 24, 50, head_size=8), Shape(1, 64, 50, ffn=100), Shape(1, 64, 50, rank_w=20), Shape(1, 512, 50, head_size=512)):
        with pytest.raises(NativeUnavailable, match="native decoding takes"):
            NativeDecode(RWKV7(shape))
