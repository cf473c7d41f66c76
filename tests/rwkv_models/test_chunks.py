"""The one loop over chunks: wani-bot is plain training, pico is its truncation, masks mean what they say."""

import pytest
import torch

from rwkv_models.chunks import Batch, even_spans, learn_chunks, learn_windows, measure
from tests.rwkv_models.networks import error, random_network, tokens

SAMPLES = [(tokens(n, seed=n)[0].tolist(), [float(i % 3 != 0) * (1 + i % 2) for i in range(n)]) for n in (41, 17, 30)]


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


def test_spans_are_even_and_leave_no_single_token():
    for length in range(2, 200):
        for limit in (2, 3, 7, 64):
            sizes = [b - a for a, b in even_spans(length, limit)]
            assert sum(sizes) == length and max(sizes) <= limit and max(sizes) - min(sizes) <= 1
            assert min(sizes) > 1 or limit < 4
