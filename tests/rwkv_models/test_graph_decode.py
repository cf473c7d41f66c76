"""Decoding by CUDA graphs: the same numbers as the network, whatever the weights and the batch do. Where there is no GPU, the kernels run in
Triton's interpreter, and what a graph would replay is started afresh."""

from __future__ import annotations

import pytest
import torch

pytest.importorskip("triton", reason="triton is missing: torch's CUDA builds bring it, and it runs anywhere in its interpreter")

from rwkv_models import decode_step, trained  # noqa: E402
from rwkv_models.graph_decode import GraphDecode  # noqa: E402
from rwkv_models.native_library import NativeUnavailable  # noqa: E402
from rwkv_models.rwkv7 import RWKV7, Shape  # noqa: E402
from tests.rwkv_models.native import network as on_cpu  # noqa: E402
from tests.rwkv_models.native import relative, same, worst  # noqa: E402

pytestmark = pytest.mark.usefixtures("interpreter")
ON_GPU = torch.cuda.is_available()
DEVICE = "cuda" if ON_GPU else "cpu"
needs_gpu = pytest.mark.skipif(not ON_GPU, reason="there is no CUDA device here")
TINY = Shape(layers=2, channels=32, vocabulary=21, head_size=16, ffn=48, rank_w=16, rank_a=32, rank_v=16, rank_g=48)
STEPS = 50 if ON_GPU else 3  # the interpreter takes tenths of a second for each
SHAPES = [TINY, Shape(1, 128, 101, head_size=128, ffn=208, rank_w=16, rank_a=48, rank_v=32, rank_g=80),
          Shape(2, 192, 77, head_size=64, ffn=256), Shape(2, 32, 40, head_size=32, ffn=64)]
ODD = Shape(1, 640, 33, head_size=128, ffn=64, rank_w=16, rank_a=16, rank_v=16, rank_g=32)  # five blocks of 128 and ten of 64, as 2560 has of more

BLOCK = decode_step.ONE_ROW["BM"]


@pytest.fixture(autouse=True)
def large_blocks(monkeypatch):
    """The interpreter's time goes by programs; test_the_blocks_of_a_card runs those of a card."""
    if not ON_GPU:
        monkeypatch.setitem(decode_step.ONE_ROW, "BM", 64)


def network(shape=TINY, seed=0, dtype=torch.float32):
    return on_cpu(shape, seed, dtype).to(DEVICE)


def tokens(net, batch, seed=1, count=None):
    size = (batch,) if count is None else (batch, count)
    return torch.randint(net.shape.vocabulary, size, generator=torch.Generator().manual_seed(seed))


def read(net, tokens_B, state):
    """What the network says."""
    with torch.no_grad():
        logits, state = net(tokens_B[:, None].to(DEVICE), state, head="last")
    return logits.float().cpu(), state


def warm_state(net, batch):
    with torch.no_grad():
        return net(tokens(net, batch, seed=7, count=5).to(DEVICE), None, head="last")[1]


@pytest.mark.parametrize("batch", [1, 17] if not ON_GPU else [1, 2, 5, 19])
@pytest.mark.parametrize("shape", SHAPES, ids=lambda s: f"L{s.layers}C{s.channels}N{s.head_size}")
def test_it_computes_what_the_network_computes(shape, batch):
    net = network(shape)
    state, now = warm_state(net, batch), tokens(net, batch)
    before = state.map(torch.clone)
    logits, new = GraphDecode(net).step(now, state)
    expected, expected_state = read(net, now, state)
    assert logits.shape == (batch, shape.vocabulary) and logits.dtype is torch.float32 and not logits.requires_grad
    assert relative(logits, expected) < 1e-5 and worst((new, expected_state)) < 1e-5
    assert all(torch.equal(a, b) for a, b in zip(state.tensors(), before.tensors(), strict=True))


@pytest.mark.parametrize("batch", [1, 2])
def test_sums_cut_into_an_odd_number_of_blocks_are_whole(batch):
    net = network(ODD)
    state, now = warm_state(net, batch), tokens(net, batch)
    logits, new = GraphDecode(net).step(now, state)
    expected, expected_state = read(net, now, state)
    assert relative(logits, expected) < 1e-5 and worst((new, expected_state)) < 1e-5


def test_the_blocks_of_a_card(monkeypatch):
    monkeypatch.setitem(decode_step.ONE_ROW, "BM", BLOCK)
    net = network(Shape(1, 32, 21, head_size=16, ffn=48, rank_w=16, rank_a=16, rank_v=16, rank_g=16))
    state, now = warm_state(net, 1), tokens(net, 1)
    assert relative(GraphDecode(net).step(now, state)[0], read(net, now, state)[0]) < 1e-5


@pytest.mark.parametrize("rows", [1, 2, 64])
@pytest.mark.parametrize("channels", [768, 1024, 2048, 2560, 4096, 6144])
def test_parts_and_blocks_make_up_each_sum_at_the_widths_there_are(channels, rows):
    shape = Shape(1, channels, 65536)
    with torch.device("meta"):
        net = RWKV7(shape)
        step = decode_step.DecodeStep(net, net.zero_state(rows), rows)
    for K, S, BK in ((channels, step.low["LOW_S"], step.low["LOW_BK"]), (shape.ffn, step.down["S"], step.down["BK"]),
                     *((channels, cut["S"], cut["BK"]) for cut in (step.attention, step.output, step.up, step.head))):
        assert K % (S * BK) == 0 and BK >= 64
    assert all(rank <= step.widen["BR"] if rows == 1 else rank % step.widen["BR"] == 0 for rank in step.ranks.values())


@pytest.mark.parametrize("batch", [1, 2])
def test_many_steps_do_not_drift(batch):
    net = network()
    graph, ours, theirs = GraphDecode(net), net.zero_state(batch), net.zero_state(batch)
    for i in range(STEPS):
        now = tokens(net, batch, seed=i)
        logits, ours = graph.step(now, ours, into=ours)
        expected, theirs = read(net, now, theirs)
        assert relative(logits, expected) < 3e-5, i
    assert worst((ours, theirs)) < 3e-5


@pytest.mark.parametrize("batch", [1, 2])
def test_in_bf16_it_is_no_further_from_the_truth_than_the_network(batch):
    net, truth = network(dtype=torch.bfloat16), network(dtype=torch.bfloat16).double()
    graph, ours, theirs, exact = GraphDecode(net), net.zero_state(batch), net.zero_state(batch), truth.zero_state(batch)
    far = []
    for i in range(STEPS):
        now = tokens(net, batch, seed=i)
        logits, ours = graph.step(now, ours, into=ours)
        expected, theirs = read(net, now, theirs)
        wanted, exact = read(truth, now, exact)
        far.append((relative(logits, wanted), relative(expected, wanted)))
    mine, plain = torch.tensor(far).mean(0)
    # The interpreter cuts bits where the card rounds to the nearest.
    assert mine < (1.2 if ON_GPU else 2.0) * plain and worst((ours, exact)) < (1.2 if ON_GPU else 2.0) * worst((theirs, exact))


def test_large_and_tiny_activations_saturate_as_the_functions_do():
    net = network()
    with torch.no_grad():
        for block in net.blocks:
            for name, scale in (("w1", 1e3), ("a1", 1e3), ("g1", 1e3), ("w2", 30.0), ("a2", 30.0)):
                getattr(block.att, name).mul_(scale)
            block.att.k_k[..., :16] = 0  # a head without direction: the norm's eps decides
    state, now = warm_state(net, 2), tokens(net, 2)
    logits, _ = GraphDecode(net).step(now, state)
    assert torch.isfinite(logits).all() and relative(logits, read(net, now, state)[0]) < 1e-5
    with torch.no_grad():
        net.emb.weight.mul_(3e-3)
        for block in net.blocks:
            block.att.value.weight.mul_(0.02)
    assert relative(GraphDecode(net).step(now, net.zero_state(2))[0], read(net, now, net.zero_state(2))[0]) < 1e-5


def test_weights_changed_moved_or_replaced_are_seen_at_once():
    net = network()
    graph, state, now = GraphDecode(net), warm_state(net, 1), tokens(net, 1)
    before, _ = graph.step(now, state)
    before = before.clone()
    for i, p in enumerate(net.parameters()):
        with torch.no_grad():
            p.add_(0.01)
            if i % 9 == 0:
                p.data = p.data * 1.01 + 0.003
        if i % (3 if ON_GPU else 18) == 0:
            assert relative(graph.step(now, state)[0], read(net, now, state)[0]) < 1e-5
    assert relative(before, read(net, now, state)[0]) > 1e-3
    other = network(seed=9)
    net.load_state_dict(other.state_dict(), assign=True)
    assert same(graph.step(now, state), GraphDecode(other).step(now, state))


def test_under_a_known_stamp_addresses_are_not_looked_at(monkeypatch):
    net = network()
    graph, state, now, looks = GraphDecode(net), net.zero_state(1), tokens(net, 1), []
    addresses = graph._addresses_now
    monkeypatch.setattr(graph, "_addresses_now", lambda: looks.append(1) or addresses())
    for stamp, wanted in ((3, 1), (3, 1), (4, 2), (None, 3), (4, 4)):
        _, state = graph.step(now, state, into=state, stamp=stamp)
        assert len(looks) == wanted
    net.head.weight.data = net.head.weight.data * 1.5
    assert relative(graph.step(now, state, stamp=5)[0], read(net, now, state)[0]) < 1e-5


@pytest.mark.parametrize("data", [lambda t: t.t().contiguous().t(), lambda t: t.double(), lambda t: t[:0], lambda t: t.to("meta")],
                         ids=["strided", "float64", "partitioned", "elsewhere"])
def test_weights_it_cannot_read_are_refused(data):
    net = network()
    graph, state = GraphDecode(net), net.zero_state(1)
    whole = net.blocks[1].ffn.key.weight
    net.blocks[1].ffn.key.weight = torch.nn.Parameter(data(whole.data), requires_grad=False)
    for refused in (lambda: graph.step(tokens(net, 1), state), lambda: GraphDecode(net)):
        with pytest.raises(NativeUnavailable, match=r"blocks\.1\.ffn\.key\.weight"):
            refused()
    net.blocks[1].ffn.key.weight = whole
    graph.step(tokens(net, 1), state)  # and as before once they are back


def test_an_adapter_is_refused_and_a_tuned_state_is_not():
    net = network()
    graph = GraphDecode(net)
    trained.apply(net, trained.Trains("state"))
    graph.step(tokens(net, 1), net.initial_state(1))
    trained.apply(net, trained.Trains("lora", rank=2, alpha=2.0))
    for refused in (lambda: graph.step(tokens(net, 1), net.zero_state(1)), lambda: GraphDecode(net)):
        with pytest.raises(NativeUnavailable, match="adapter"):
            refused()


def test_a_state_in_the_slots_goes_on_from_there_and_any_other_is_taken_in():
    net = network()
    graph, first = GraphDecode(net), warm_state(net, 3)
    chain, now = [first], tokens(net, 3)
    for _ in range(3):
        chain.append(graph.step(now, chain[-1])[1])
    state = first
    for wanted in chain[1:]:
        logits, state = graph.step(now, state, into=state.map(torch.Tensor.contiguous))
        assert worst((state, wanted)) == 0
    kept, ahead = state.map(torch.clone), read(net, now, state)
    graph.step(now[:1], first.row(0))  # another batch works on the same slots
    logits, state = graph.step(now, kept, into=kept)
    assert relative(logits, ahead[0]) < 1e-5 and worst((state, ahead[1])) < 1e-5
    more = warm_state(net, 7)  # and a larger one gets larger slots
    assert worst((graph.step(tokens(net, 7), more)[1], read(net, tokens(net, 7), more)[1])) < 1e-5
    logits, after = graph.step(now, state, into=state)
    assert worst((after, read(net, now, ahead[1])[1])) < 1e-5


def test_a_row_does_not_depend_on_the_other_rows():
    net = network()
    graph, state, now = GraphDecode(net), warm_state(net, 4), tokens(net, 4)
    logits, new = graph.step(now, state)
    logits = logits.clone()
    assert same(graph.step(now, state), (logits, new))
    three = graph.step(now[:3], state.rows([0, 1, 2]))
    assert same(three, (logits[:3], new.rows([0, 1, 2])))


def test_nothing_is_written_beside_the_buffers_nor_left_unwritten(monkeypatch):
    margin, buffers, empty = 256, [], torch.empty

    def guarded(size, dtype, device):
        whole = empty(2 * margin + torch.Size(size).numel(), dtype=dtype, device=device).fill_(7)
        buffers.append(whole)
        whole[margin:-margin] = 7 if dtype == torch.int64 else torch.nan
        return whole[margin:-margin].view(size)

    net = network(SHAPES[2])
    state, now = warm_state(net, 2), tokens(net, 2)
    with monkeypatch.context() as patch:
        patch.setattr(decode_step.torch, "empty", guarded)
        step = decode_step.DecodeStep(net, state.map(torch.clone), 2)
    step.tokens.copy_(now)
    step.launch()
    assert relative(step.logits.cpu(), read(net, now, state)[0]) < 1e-5 and len(buffers) > 10
    for whole in buffers:
        assert (whole[:margin] == 7).all() and (whole[-margin:] == 7).all()


@pytest.mark.parametrize("name", ["blocks.0.att.w2", "blocks.0.att.w1", "blocks.1.att.k_k", "blocks.1.att.ln_x.weight", "blocks.0.ffn.key.weight",
                                  "blocks.0.ffn.value.weight", "blocks.1.att.receptance.weight", "ln_out.bias", "head.weight"])
def test_nan_passes_through(name):
    net = network()
    net.get_parameter(name).data.view(-1)[3] = torch.nan
    logits, new = GraphDecode(net).step(tokens(net, 1), net.zero_state(1))
    expected, expected_state = read(net, tokens(net, 1), net.zero_state(1))
    assert torch.equal(logits.isnan(), expected.isnan()) and logits.isnan().any()
    assert all(torch.equal(a.isnan(), b.isnan()) for a, b in zip(new.tensors(), expected_state.tensors(), strict=True))


def test_wrong_input_is_refused():
    net = network()
    graph = GraphDecode(net)
    for token in (-1, net.shape.vocabulary):
        with pytest.raises(IndexError, match="vocabulary of 21"):
            graph.step(torch.tensor([0, token]), net.zero_state(2))
    for state in (net.zero_state(3), network(dtype=torch.bfloat16).zero_state(2)):
        with pytest.raises(ValueError, match="this step needs"):
            graph.step(torch.tensor([0, 1]), state)
    with pytest.raises(ValueError, match="one dimension"):
        graph.step(torch.tensor([[0, 1]]), net.zero_state(1))
    with pytest.raises(ValueError, match="layers"):
        graph.step(torch.tensor([0]), network(SHAPES[1]).zero_state(1))
    with pytest.raises(NativeUnavailable, match="64 rows"):
        graph.step(torch.zeros(65, dtype=torch.long), net.zero_state(65))


def test_shapes_there_are_no_kernels_for_are_refused():
    for shape in (Shape(1, 24, 50, head_size=8), Shape(1, 64, 50, ffn=100), Shape(1, 64, 50, rank_w=20), Shape(1, 256, 50, head_size=256)):
        with pytest.raises(NativeUnavailable, match="decoding by CUDA graphs takes"):
            GraphDecode(RWKV7(shape).to(DEVICE))


@pytest.mark.gpu
@needs_gpu
@pytest.mark.parametrize("batch", [1, 2, 8, 16, 64])
def test_on_a_gpu_a_real_width_in_bf16(batch):
    net = network(Shape(3, 2560, 4096), dtype=torch.bfloat16)
    graph, state, now = GraphDecode(net), warm_state(net, batch), tokens(net, batch)
    logits, new = graph.step(now, state)
    expected, expected_state = read(net, now, state)
    assert relative(logits, expected) < 2e-2 and worst((new, expected_state)) < 2e-2
    logits = logits.clone()
    assert all(same(graph.step(now, state), (logits, new)) for _ in range(20))


@pytest.mark.gpu
@needs_gpu
def test_training_between_replays_is_seen_and_takes_none_of_their_memory():
    net = network(SHAPES[2])
    graph, state, now = GraphDecode(net), warm_state(net, 2), tokens(net, 2)
    _, ours = graph.step(now, state, into=state)
    theirs = read(net, now, state)[1]
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3)
    for i in range(5):
        loss = net(tokens(net, 4, seed=i, count=30 + i).to(DEVICE))[0].square().mean()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        held = torch.cuda.memory_allocated()
        logits, ours = graph.step(now, ours, into=ours)
        assert torch.cuda.memory_allocated() == held
        expected, theirs = read(net, now, theirs)
        assert relative(logits, expected) < 3e-5 and worst((ours, theirs)) < 3e-5
