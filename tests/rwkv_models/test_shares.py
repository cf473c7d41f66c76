"""Shares of a batch: together they are the batch, and each is as much work as the other."""

import pytest
import torch

from rwkv_models.batch import Batch
from rwkv_models.chunks import learn_chunks, learn_windows
from rwkv_models.shares import rows_of, share, share_of_state, to_words
from tests.rwkv_models.networks import error, random_network, tokens


def batch(rows):
    """Rows of different lengths, with weights of both signs, and positions that are not trained."""
    made = []
    for i in range(rows):
        length = 17 - 3 * (i % 4)
        made.append((tokens(length, seed=i)[0].tolist(), [(-0.5 if j == length - 1 else 1.0) * (j > 2 * i) for j in range(length)]))
    return Batch.of(made).normalised()


def learned(network, parts, cut, *settings):
    """(The sum of losses, the gradients, how many positions each part's head saw, call by call)."""
    network.zero_grad()
    total, seen = 0.0, []
    hook = network.head.register_forward_pre_hook(lambda _, arguments: seen[-1].append(len(arguments[0])))
    for part in parts:
        seen.append([])
        total += sum(cut(network, part, *settings))
    hook.remove()
    return total, [p.grad.clone() for p in network.parameters()], seen


@pytest.mark.parametrize("size", [2, 3, 4])
@pytest.mark.parametrize("rows", [1, 2, 5])
@pytest.mark.parametrize(("cut", "settings"), [
    (learn_windows, (torch.Tensor.backward, 8, 2)),
    (learn_chunks, (None, torch.Tensor.backward, 6)),
    (learn_chunks, (None, torch.Tensor.backward, 6, 1)),
])
def test_shares_add_up_and_do_the_same_things(size, rows, cut, settings):
    network, whole = random_network(dtype=torch.float32), batch(rows)
    loss, gradients, _ = learned(network, [whole], cut, *settings)
    together, added, seen = learned(network, [share(whole, rank, size) for rank in range(size)], cut, *settings)
    assert together == pytest.approx(loss, rel=1e-6, abs=1e-6)
    assert max(error(a, g) for a, g in zip(added, gradients, strict=True)) < 1e-5
    assert all(calls == seen[0] for calls in seen)


def test_a_single_row_is_the_first_processs_alone_and_costs_the_others_nothing_in_weight():
    whole = batch(1)
    assert torch.equal(share(whole, 0, 3).weights_BT, whole.weights_BT)
    assert share(whole, 1, 3).weights_BT.to(torch.float32).abs().sum() == 0


def test_a_state_follows_its_rows():
    network = random_network()
    with torch.no_grad():
        _, state = network(tokens(4, rows=5))
    parts = [share_of_state(state, rank, 2) for rank in range(2)]
    assert rows_of(5, 2).tolist() == [[0, 1], [2, 3], [4, 0]]
    assert torch.equal(parts[0].wkv[1], state.wkv[1][[0, 2, 4]]) and torch.equal(parts[1].wkv[1], state.wkv[1][[1, 3, 0]])


def test_a_batch_survives_its_way_to_another_process():
    whole = batch(3)
    about, tensors = to_words(whole)
    again = Batch(**about, **tensors)
    assert all(torch.equal(getattr(again, name), tensor) for name, tensor in tensors.items()) and again.unlikely is whole.unlikely
    assert share(again, 1, 2).lengths_B.tolist() == [whole.lengths_B[1], whole.lengths_B[0]]
