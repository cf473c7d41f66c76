"""Batches read by recordings: what the network computes by itself, filled up or not, chunk after chunk. On a GPU these are CUDA graphs."""

import pytest
import torch

from rwkv_models import graph_reading
from rwkv_models.chunks import Batch, learn_chunks, measure
from rwkv_models.graph_reading import GraphReading
from tests.rwkv_models.networks import error, random_network, tokens

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
DTYPE = torch.float32 if DEVICE == "cuda" else torch.float64
BOUND = 1e-4 if DEVICE == "cuda" else 1e-10


def small(recorded: bool):
    network = random_network(dtype=DTYPE).to(DEVICE)
    for p in network.parameters():
        p.grad, p.gathered = torch.zeros_like(p), recorded
    network.graphs = GraphReading(network) if recorded else None
    return network


def batch(*lengths):
    rows = [(tokens(n + 1, seed=n)[0].tolist(), [1.0] * (n + 1)) for n in lengths]
    return Batch.of(rows, DEVICE).normalised()


def learnt(network, given, ctx_len, bptt_range=None):
    """(losses, gradients and state after a batch)."""
    for p in network.parameters():
        p.grad.zero_()
    chunks, losses = learn_chunks(network, given, None, lambda objective: objective.requires_grad and objective.backward(), ctx_len, bptt_range), []
    while True:
        try:
            losses.append(next(chunks))
        except StopIteration as end:
            state, gradient = end.value
            return [torch.tensor(losses), *(p.grad.clone() for p in network.parameters()), *state.tensors(), *gradient.tensors()]


@pytest.mark.parametrize(("lengths", "ctx_len", "bptt_range"), [
    ((16,), 64, None), ((41,), 64, None), ((37, 12, 5), 64, None), ((90,), 32, None), ((90, 50), 32, 2), ((300,), 512, None)])
def test_a_recording_computes_what_the_network_computes(lengths, ctx_len, bptt_range):
    plain, recorded = small(False), small(True)
    given = batch(*lengths)
    for _ in range(2):  # recorded, then run again
        mine, theirs = (learnt(network, given, ctx_len, bptt_range) for network in (recorded, plain))
        assert all(error(a, b) < BOUND for a, b in zip(mine, theirs, strict=True))
    assert recorded.graphs._recordings and not recorded.graphs._broken


def test_a_recording_reads_weights_where_they_lie():
    plain, recorded = small(False), small(True)
    learnt(recorded, batch(20), 64)
    with torch.no_grad():
        for network in (plain, recorded):
            for p in network.parameters():
                p.mul_(1.25)
    kept = dict(recorded.graphs._recordings)
    mine, theirs = (learnt(network, batch(20), 64) for network in (recorded, plain))
    assert all(error(a, b) < BOUND for a, b in zip(mine, theirs, strict=True)) and dict(recorded.graphs._recordings) == kept


def test_what_was_recorded_is_forgotten_where_a_weight_has_moved():
    plain, recorded = small(False), small(True)
    learnt(recorded, batch(20), 64)
    for network in (plain, recorded):
        network.ln_out.weight.data = network.ln_out.weight.data * 2
    mine, theirs = (learnt(network, batch(20), 64) for network in (recorded, plain))
    assert all(error(a, b) < BOUND for a, b in zip(mine, theirs, strict=True))


def test_reading_without_gradients_is_recorded_the_second_time():
    plain, recorded = small(False), small(True)
    given = batch(30)
    with torch.inference_mode():
        for _ in range(3):
            (mine, state), (theirs, other) = (network(given.inputs_BT, None, given.lengths_B, head="last") for network in (recorded, plain))
            assert error(mine, theirs) < BOUND and all(error(a, b) < BOUND for a, b in zip(state.tensors(), other.tensors(), strict=True))
    assert list(recorded.graphs._recordings) == [(1, 32, "read")]
    assert abs(measure(recorded, given) / measure(plain, given) - 1) < BOUND


def test_what_cannot_be_recorded_is_read_by_the_network(monkeypatch, caplog):
    plain, recorded = small(False), small(True)
    monkeypatch.setattr(graph_reading, "every_loss", lambda *_: 1 / 0)
    for given in (batch(20), batch(700)):
        mine, theirs = (learnt(network, given, 1024) for network in (recorded, plain))
        assert all(error(a, b) < BOUND for a, b in zip(mine, theirs, strict=True))
    assert len([r for r in caplog.records if "graphs=off" in r.message]) == 1


def test_few_are_kept(monkeypatch):
    monkeypatch.setattr(graph_reading, "KEPT", 2)
    network = small(True)
    for n in (10, 20, 40):
        learnt(network, batch(n), 64)
    assert [key[1] for key in network.graphs._recordings] == [32, 64]
