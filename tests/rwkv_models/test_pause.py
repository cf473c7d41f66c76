"""A network that pauses between its blocks, and reads something else meanwhile, computes the same bits."""

import pytest
import torch

from rwkv_models.chunks import Batch, measure
from tests.rwkv_models.networks import random_network, tokens
from tests.rwkv_models.test_chunks import SAMPLES, chunks


@pytest.mark.parametrize("again", [False, True], ids=["plain", "checkpoint_blocks"])
def test_the_same_bits_with_something_else_read_in_every_pause(again):
    network, batch, others = random_network(), Batch.of(SAMPLES).normalised(), []
    network.checkpoint_blocks = again
    wanted = chunks(network, batch, ctx_len=100)
    measured, alone = measure(network, batch), network(tokens(5))[0]

    def pause():
        network.pause = None
        with torch.inference_mode():
            others.append(network(tokens(5))[0])
        network.pause = pause

    network.pause = pause
    loss, gradients, state, entry = chunks(network, batch, ctx_len=100)
    assert len(others) == 2 * len(network.blocks)  # in the forward and in the backward
    assert measure(network, batch) == measured and len(others) == 3 * len(network.blocks)
    assert loss == wanted[0] and all(map(torch.equal, gradients, wanted[1])) and all(torch.equal(other, alone) for other in others)
    assert all(torch.equal(a, b) for a, b in zip([*state.tensors(), *entry.tensors()], [*wanted[2].tensors(), *wanted[3].tensors()], strict=True))
