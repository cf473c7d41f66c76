"""The native step of RWKV-4, 5 and 6 against the network itself."""

import pytest
import torch

from rwkv_models.native_decode import NativeDecode
from rwkv_models.native_library import NativeUnavailable
from rwkv_models.native_prefill import NativePrefill
from tests.rwkv_models.family_networks import OLD, random_of
from tests.rwkv_models.networks import error, tokens

SIZES = {"rank_mix": 16, "rank_decay": 32}


def network_of(kind, **sizes):
    return random_of(kind, torch.float32, **({"rank_mix": 16, "rank_decay": 32} if kind == "6.0" else {}), **sizes)


@pytest.mark.parametrize("batch", [1, 2, 5])
@pytest.mark.parametrize("kind", OLD)
def test_steps_equal_the_networks(kind, batch):
    network, read = network_of(kind), tokens(12, rows=batch)
    native, mine, theirs = NativeDecode(network), network.zero_state(batch), network.zero_state(batch)
    with torch.no_grad():
        for t in range(12):
            logits, mine = native.step(read[:, t], mine, into=mine if t % 2 else None)
            wanted, theirs = network(read[:, t : t + 1], theirs, head="last")
            assert error(logits, wanted) < 1e-5
    assert all(error(a, b) < 1e-5 for a, b in zip(mine.tensors(), theirs.tensors(), strict=True))


@pytest.mark.parametrize("kind", OLD)
def test_rows_and_threads_change_no_bit(kind, threads):
    network, read = network_of(kind), tokens(1, rows=5)[:, 0]
    with torch.no_grad():
        _, state = network(tokens(7, rows=5))
    native, state = NativeDecode(network), state.map(torch.clone)
    threads(1)
    logits, new = native.step(read, state)
    threads(3)
    again, new2 = native.step(read, state)
    alone, new3 = native.step(read[3:4], state.row(3))
    assert torch.equal(logits, again) and torch.equal(logits[3:4], alone)
    for a, b, c in zip(new.tensors(), new2.tensors(), new3.tensors(), strict=True):
        assert torch.equal(a, b) and torch.equal(a[3:4], c)


@pytest.mark.parametrize("kind", OLD)
def test_bf16_weights_are_read_as_they_are(kind):
    network, read = network_of(kind), tokens(1, rows=2)[:, 0]
    half = network.bfloat16()
    rounded = network_of(kind)
    rounded.load_state_dict({name: t.float() for name, t in half.state_dict().items()})
    logits, _ = NativeDecode(half).step(read, half.zero_state(2))
    assert error(logits, NativeDecode(rounded).step(read, rounded.zero_state(2))[0]) < 1e-2


def test_what_it_does_not_take_is_told_in_one_sentence():
    with pytest.raises(NativeUnavailable, match="multiples of 16, this network's rank_mix is 8"):
        NativeDecode(random_of("6.0", torch.float32))
    with pytest.raises(NativeUnavailable, match="multiples of 16, this network's head_size is 8"):
        NativeDecode(network_of("5.2", head_size=8))
    with pytest.raises(NativeUnavailable, match="takes RWKV-4 to RWKV-7, this network is RWKV-7a"):
        NativeDecode(random_of("7a", torch.float32))
    with pytest.raises(NativeUnavailable, match="native reading takes RWKV-7, this network is RWKV-4"):
        NativePrefill(NativeDecode(network_of("4")))
