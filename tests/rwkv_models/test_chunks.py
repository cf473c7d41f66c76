"""The one loop over chunks: wani-bot is plain training, pico is its truncation, masks mean what they say."""

import pytest
import torch

import rwkv_models.objectives as objectives
from rwkv_models.chunks import Batch, learn_chunks, learn_windows, measure, measure_windows, token_losses
from rwkv_models.rwkv7 import RWKV7
from rwkv_models.spans import even_spans, windows
from rwkv_models.state import State
from tests.rwkv_models.networks import error, random_network, tokens

SAMPLES = [(tokens(n, seed=n)[0].tolist(), [float(i % 3 != 0) * (1 + i % 2) for i in range(n)]) for n in (41, 17, 30)]


SMALL = {"layers": 2, "channels": 32, "head_size": 16}


def run(network, batch, loop):
    """(loss, every gradient, final state, gradient of the initial state)."""
    network.zero_grad(set_to_none=True)
    losses, end = [], (None, None)
    while True:
        try:
            losses.append(next(loop))
        except StopIteration as stop:
            end = stop.value or end
            break
    return sum(losses), [p.grad.clone() for p in network.parameters()], *end


def chunks(network, batch, state=None, **how):
    return run(network, batch, learn_chunks(network, batch, state, lambda objective: objective.backward(), **how))


@pytest.mark.parametrize("ctx_len", [1, 2, 7, 16, 39])
@pytest.mark.parametrize("bptt_range", [None, 99])
def test_exact_over_any_chunk_size(ctx_len, bptt_range):
    network, batch = random_network(), Batch.of(SAMPLES).normalised()
    start = network(tokens(6, rows=3))[1].detach()
    loss, gradients, state, entry = chunks(network, batch, start, ctx_len=1000)
    loss2, gradients2, state2, entry2 = chunks(network, batch, start, ctx_len=ctx_len, bptt_range=bptt_range)
    assert abs(loss - loss2) < 1e-10
    for a, b in zip([*gradients2, *state2.tensors(), *entry2.tensors()], [*gradients, *state.tensors(), *entry.tensors()], strict=True):
        assert error(a, b) < 1e-10


def test_plain_autograd_over_the_whole_sample_is_the_same_gradient():
    network, batch = random_network(), Batch.of(SAMPLES[:1]).normalised()
    _, gradients, *_ = chunks(network, batch, ctx_len=7)
    network.zero_grad()
    logits, _ = network(batch.inputs_BT)
    nll = torch.nn.functional.cross_entropy(logits[0], batch.targets_BT[0], reduction="none")
    (nll * batch.weights_BT[0]).sum().backward()
    for p, g in zip(network.parameters(), gradients, strict=True):
        assert error(g, p.grad) < 1e-10


def test_the_gradient_of_the_initial_state_is_plain_autograds():
    network, batch = random_network(**SMALL), Batch.of(SAMPLES).normalised()
    start = network(tokens(6, rows=3))[1].leaf()
    *_, entry = chunks(network, batch, start, ctx_len=7)
    hidden, _ = network(batch.inputs_BT, start, batch.lengths_B, head="none")
    objectives.weighted_loss(network, hidden, batch).backward()
    for a, b in zip(entry.tensors(), start.tensors(), strict=True):
        assert b.grad.any() and error(a, b.grad) < 1e-10


class StateTuned(RWKV7):
    """A network whose initial state is trained: rows of one parameter a layer."""

    def tune(self):
        kinds = self.zero_state(1)
        self.starts = torch.nn.ParameterList(torch.nn.Parameter(torch.randn_like(t[0])) for t in kinds.tensors())
        return self

    def initial_state(self, batch=1):
        tensors = [p.expand(batch, *p.shape) for p in self.starts]
        n = self.shape.layers
        return State(*(tuple(tensors[i : i + n]) for i in (0, n, 2 * n)))


@pytest.mark.parametrize(("ctx_len", "bptt_range", "frozen"), [(7, None, False), (7, 99, True), (100, None, True)])
def test_a_trained_initial_state_gets_the_gradient_of_plain_autograd(ctx_len, bptt_range, frozen):
    network = random_network(**SMALL)
    network.__class__ = StateTuned
    network.tune()
    for name, p in network.named_parameters():
        p.requires_grad_(not frozen or name.startswith("starts"))
    batch = Batch.of(SAMPLES).normalised()
    for _ in learn_chunks(network, batch, None, lambda o: o.backward(), ctx_len, bptt_range):
        pass
    gradients = {n: p.grad.clone() for n, p in network.named_parameters() if p.requires_grad}
    network.zero_grad(set_to_none=True)
    objectives.weighted_loss(network, network(batch.inputs_BT, None, batch.lengths_B, head="none")[0], batch).backward()
    assert any(name.startswith("starts") for name in gradients)
    for name, p in network.named_parameters():
        if p.requires_grad:
            assert p.grad.any() and error(gradients[name], p.grad) < 1e-10, name


def test_fp32_stays_within_its_bound():
    network, batch = random_network(dtype=torch.float32), Batch.of(SAMPLES).normalised()
    _, gradients, *_ = chunks(network, batch, ctx_len=1000)
    _, again, *_ = chunks(network, batch, ctx_len=5)
    assert max(error(a, b) for a, b in zip(again, gradients, strict=True)) < 1e-4


def test_pico_has_the_loss_of_the_whole_and_another_gradient():
    network, batch = random_network(), Batch.of(SAMPLES).normalised()
    loss, gradients, state, _ = chunks(network, batch, ctx_len=1000)
    loss1, gradients1, state1, _ = chunks(network, batch, ctx_len=7, bptt_range=1)
    assert abs(loss - loss1) < 1e-10 and error(state1.wkv[0], state.wkv[0]) < 1e-10
    assert max(error(a, b) for a, b in zip(gradients1, gradients, strict=True)) > 1e-3


def test_padding_and_masked_chunks_add_nothing():
    network = random_network()
    masked = (SAMPLES[0][0], [0.0] * 35 + [1.0] * 6)
    _, together, *_ = chunks(network, Batch.of([masked, SAMPLES[1]]).normalised(), ctx_len=5)
    _, first, *_ = chunks(network, Batch.of([masked]).normalised(), ctx_len=5)
    _, second, *_ = chunks(network, Batch.of([SAMPLES[1]]).normalised(), ctx_len=50)
    for whole, a, b in zip(together, first, second, strict=True):
        assert error(whole, a + b) < 1e-10 and torch.isfinite(whole).all()


def test_windows_train_every_target_once():
    network, batch = random_network(), Batch.of(SAMPLES[:1]).normalised()
    seen = []
    loss, *_ = run(network, batch, learn_windows(network, batch, lambda o: (seen.append(float(o.detach())), o.backward()), 16, 4))
    assert len(seen) == 3 and abs(sum(seen) - loss) < 1e-12
    whole, *_ = run(network, batch, learn_windows(network, batch, lambda o: o.backward(), 40, 4))
    assert abs(whole - measure(network, batch)) < 1e-10


WEIGHTS = {
    "odd": [0.3, 0.0, 1.7, 0.0, 0.0, 2.5],
    "one": [0.0] * 17 + [4.0] + [0.0] * 23,
    "huge": [1e308, 3e307],
    "tiny": [1e-300, 0.0, 3e-300],
    "huge and tiny": [1e308, 1e-308],
    "whole chunks masked": [0.0] * 12 + [1.0] * 3 + [0.0] * 26,
    "none": [0.0],
}


@pytest.mark.parametrize("kind", WEIGHTS)
def test_masks_mean_the_same_in_all_modes(kind):
    network = random_network(**SMALL)
    read = SAMPLES[0][0]
    weights = (WEIGHTS[kind] * 41)[: len(read)]
    batch = Batch.of([(read, weights)]).normalised()
    logits = network(batch.inputs_BT)[0][0]
    largest = max(weights[1:]) or 1.0
    shares = torch.tensor([w / largest for w in weights[1:]], dtype=torch.float64)
    expected = (torch.nn.functional.cross_entropy(logits, batch.targets_BT[0], reduction="none") * shares).sum() / shares.sum().clamp(min=1)
    ways = {
        "plain": lambda: learn_windows(network, batch, lambda o: o.backward(), 100, 0),
        "wani-bot": lambda: learn_chunks(network, batch, None, lambda o: o.backward(), 7),
        "pico, all": lambda: learn_chunks(network, batch, None, lambda o: o.backward(), 7, 99),
        "pico": lambda: learn_chunks(network, batch, None, lambda o: o.backward(), 7, 1),
    }
    for way in ways.values():
        network.zero_grad(set_to_none=True)
        assert sum(way()) == pytest.approx(float(expected.detach()), rel=1e-10, abs=1e-12)
        found = [p.grad for p in network.parameters() if p.grad is not None]
        assert all(torch.isfinite(g).all() for g in found) and any(g.any() for g in found) == (kind != "none")


def test_weights_are_divided_by_their_sum_and_negative_ones_by_their_size():
    normal = lambda weights: Batch.of([(list(range(len(weights) + 1)), [9.0, *weights])]).normalised().weights_BT[0].tolist()  # noqa: E731
    assert normal([1.0, 3.0]) == [0.25, 0.75]
    assert normal([2.0, -2.0]) == [0.5, -0.5]
    assert normal([0.0, 0.0]) == [0.0, 0.0]
    assert normal([1e308, 1e308]) == [0.5, 0.5]


def test_spans_are_even_and_leave_no_single_token():
    assert even_spans(3, 2) == [(0, 3)] and even_spans(5, 2) == [(0, 2), (2, 5)] and even_spans(1, 2) == [(0, 1)]
    for length in range(2, 200):
        for limit in (2, 3, 7, 64):
            sizes = [b - a for a, b in even_spans(length, limit)]
            assert sum(sizes) == length and max(sizes) <= max(limit, 3) and max(sizes) - min(sizes) <= 1 and min(sizes) > 1


def test_windows_are_even_and_every_position_is_new_once():
    assert windows(10, 10, 4) == [(0, 0, 10)]
    for length in range(2, 120):
        for ctx_len, overlap in ((2, 0), (2, 1), (16, 0), (16, 4), (16, 15), (64, 10)):
            parts = windows(length, ctx_len, overlap)
            assert [i for _, new, stop in parts for i in range(new, stop)] == list(range(length))
            assert all(stop - start <= max(ctx_len, overlap + 3) for start, _, stop in parts)
            assert all(new - start == (overlap if start else 0) and stop - new > 1 for start, new, stop in parts)


def test_what_is_measured_is_what_is_learned():
    network, batch = random_network(**SMALL), Batch.of(SAMPLES[:1]).normalised()
    learned = sum(learn_windows(network, batch, lambda o: None, 16, 4))
    losses_BT = measure_windows(network, batch, 16, 4)
    assert float((losses_BT * batch.weights_BT).sum()) == pytest.approx(learned, rel=1e-12)
    whole_BT, state = token_losses(network, batch, None, 7)
    assert not whole_BT[batch.weights_BT == 0].any() and abs(float((losses_BT - whole_BT).abs().max())) > 1e-6
    assert error(state.wkv[1], network(batch.inputs_BT)[1].wkv[1].detach()) < 1e-10


def test_logits_are_made_in_slices(monkeypatch):
    network, batch = random_network(**SMALL), Batch.of(SAMPLES).normalised()
    rows, real = [], network.head.forward
    monkeypatch.setattr(network.head, "forward", lambda x: (rows.append(len(x)), real(x))[1])
    loss, gradients, *_ = chunks(network, batch, ctx_len=100)
    trained = int((batch.weights_BT != 0).sum())
    assert rows == [trained]
    rows.clear()
    monkeypatch.setattr(objectives, "SLICE_LOGITS", 10 * network.shape.vocabulary)
    sliced, again, *_ = chunks(network, batch, ctx_len=100)
    assert max(rows) <= 10 and sum(rows) == 2 * trained, "each slice once forward and once again for its gradient"
    assert abs(sliced - loss) < 1e-12 and all(error(a, b) < 1e-10 for a, b in zip(again, gradients, strict=True))
