"""The network: one signature, and the same numbers however the tokens are cut."""

import pytest
import torch

from rwkv_models.state import join
from tests.rwkv_models.networks import check_rows_alone, error, random_network, same_state, tokens


def test_prefill_equals_token_by_token_decoding():
    network, read = random_network(), tokens(45, rows=2)
    logits, state = network(read)
    step_state, steps = None, []
    for t in range(45):
        out, step_state = network(read[:, t : t + 1], step_state)
        steps.append(out)
    assert error(torch.cat(steps, 1), logits) < 1e-10 and same_state(step_state, state)


def test_a_split_at_any_point_with_the_state_passed_is_the_whole():
    network, read = random_network(), tokens(20)
    logits, state = network(read)
    for at in range(1, 20):
        a, middle = network(read[:, :at])
        b, end = network(read[:, at:], middle)
        assert error(torch.cat((a, b), 1), logits) < 1e-10 and same_state(end, state)


def test_rows_of_unequal_length_equal_each_row_alone():
    network, read = random_network(), tokens(33, rows=4)
    lengths = torch.tensor([33, 1, 20, 0])
    before = join([network(tokens(5, seed=i))[1] for i in range(4)])
    last, state = network(read, before, lengths, head="last")
    check_rows_alone(network, read, lengths, before, last, state)


def test_a_state_is_never_changed_in_place():
    network = random_network()
    _, state = network(tokens(9))
    kept = state.map(torch.clone)
    network(tokens(1), state)
    network(tokens(30), state)
    assert all(torch.equal(a, b) for a, b in zip(state.tensors(), kept.tensors(), strict=True))


def test_the_gradient_reaches_every_parameter_and_the_state_before():
    network = random_network()
    entry = network(tokens(4))[1].leaf()
    logits, out = network(tokens(12), entry)
    (logits.square().sum() + sum(t.square().sum() for t in out.tensors())).backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters())
    assert all(t.grad.abs().sum() > 0 for t in entry.tensors())


def test_bf16_stays_near_fp32_and_keeps_an_fp32_memory():
    network, read = random_network(dtype=torch.float32), tokens(60)
    exact, _ = network(read)
    rough, state = network.bfloat16()(read)
    assert error(rough.float(), exact) < 0.05 and state.wkv[0].dtype == torch.float32


@pytest.mark.parametrize("T", [1, 7, 70])
def test_a_state_keeps_nothing_alive_but_itself(T):
    """The border states of a long sample are kept: were they views, all its activations would be."""
    network = random_network(layers=2, channels=64, head_size=32)
    with torch.no_grad():
        _, state = network(torch.randint(1, 20, (1, T)), head="none")
    assert all(t.untyped_storage().nbytes() == t.nbytes for t in state.tensors())
