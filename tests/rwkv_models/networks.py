"""Small random networks for tests, no parameter of which is zero."""

import torch

from rwkv_models.initialise import initialise
from rwkv_models.rwkv7 import RWKV7, Shape


def random_network(seed=0, dtype=torch.float64, **sizes):
    torch.manual_seed(seed)
    network = initialise(RWKV7(Shape(**{"layers": 3, "channels": 64, "vocabulary": 50, "head_size": 32, **sizes})))
    with torch.no_grad():
        for p in network.parameters():
            if not p.any() or (p == p.flatten()[0]).all():
                p.add_(0.1 * torch.randn_like(p))
        network.emb.weight.normal_()
    return network.to(dtype)


def tokens(count, vocabulary=50, seed=0, rows=1):
    return torch.randint(0, vocabulary, (rows, count), generator=torch.Generator().manual_seed(seed))


def error(a, b):
    return float((a - b).norm() / b.norm().clamp(min=1e-30))


def same_state(a, b, bound=1e-10):
    return all(error(x, y) < bound for x, y in zip(a.tensors(), b.tensors(), strict=True))


def check_rows_alone(network, read, lengths, before, last, state):
    """What rows of these lengths came to together, from these states, is what each comes to alone; one of no length stays as it was."""
    for i, n in enumerate(lengths.tolist()):
        if n == 0:
            assert same_state(state.row(i), before.row(i), 1e-30)
            continue
        alone, alone_state = network(read[i : i + 1, :n], before.row(i), head="last")
        assert error(last[i : i + 1], alone) < 1e-10 and same_state(state.row(i), alone_state)
