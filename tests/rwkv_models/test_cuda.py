"""On a GPU: the network computes what it computes on the CPU, and a step is the same step each time it is taken."""

import pytest
import torch

from rwkv_models.chunks import Batch, learn_chunks
from tests.rwkv_models.networks import error, random_network, tokens

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device here")]


def learnt(network, device, ctx_len=16):
    """(logits, state and gradients) of one padded batch, on the CPU."""
    rows = [(tokens(n, seed=n)[0].tolist(), [1.0] * n) for n in (41, 30)]
    network = network.to(device)
    batch = Batch.of(rows, device).normalised()
    network.zero_grad(set_to_none=True)
    *_, loss = learn_chunks(network, batch, None, lambda objective: objective.backward(), ctx_len)
    with torch.no_grad():
        logits, state = network(batch.inputs_BT, None, batch.lengths_B, head="last")
    return [t.detach().cpu().clone() for t in (logits, *state.tensors(), *(p.grad for p in network.parameters()))]


@pytest.mark.parametrize(("dtype", "bound"), [(torch.float64, 1e-10), (torch.float32, 1e-4)])  # tf32 would miss the latter by far
def test_it_computes_what_the_cpu_computes(dtype, bound):
    on_cpu = learnt(random_network(dtype=dtype), "cpu")
    on_gpu = learnt(random_network(dtype=dtype), "cuda")
    assert max(error(a, b) for a, b in zip(on_gpu, on_cpu, strict=True)) < bound


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_it_computes_the_same_bits_again(dtype):
    first, second = (learnt(random_network(dtype=dtype, channels=256), "cuda") for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
