"""What is left of a change, against the equation that it solves and against what kept texts then read."""

import torch

from rwkv_models.chunks import Batch
from rwkv_models.linear import linears
from rwkv_models.null_space import NullSpace
from tests.rwkv_models.networks import error, random_network, tokens

RIDGE = 0.05
KEPT = [tokens(9, seed=1)[0].tolist(), tokens(5, seed=2)[0].tolist()]


def matrices(network):
    return {path: matrix for path, matrix in linears(network).items() if path.startswith("blocks.")}


def inputs(network, rows):
    """What each matrix reads in these rows, one row at a time: without padding. The last token of a row is only predicted."""
    read = {path: [] for path in matrices(network)}
    hooks = [matrix.register_forward_pre_hook(lambda _, x, path=path: read[path].append(x[0][0])) for path, matrix in matrices(network).items()]
    with torch.no_grad():
        for row in rows:
            network(torch.tensor([row[:-1]]))
    for hook in hooks:
        hook.remove()
    return {path: torch.cat(rows) for path, rows in read.items()}


def changed(network, kept=KEPT, ridge=RIDGE):
    """(The network after an arbitrary change and its projection, the change, the weights before.)"""
    before = {name: p.detach().clone() for name, p in network.named_parameters()}
    null = NullSpace(network, ridge)
    null.read(Batch.of([(row, [1.0] * len(row)) for row in kept]))
    null.begin()
    generator = torch.Generator().manual_seed(3)
    change = {name: 0.1 * torch.randn(p.shape, dtype=p.dtype, generator=generator) for name, p in before.items()}
    with torch.no_grad():
        for name, p in network.named_parameters():
            p += change[name]
    null.project()
    return change, before


def test_what_is_left_solves_the_equation():
    network = random_network(layers=2, channels=32, head_size=16)
    read = inputs(network, KEPT)
    change, before = changed(network)
    for path, matrix in matrices(network).items():
        x_KI, left, whole = read[path], matrix.weight.detach() - before[f"{path}.weight"], change[f"{path}.weight"]
        r = RIDGE * float(x_KI.square().sum()) / x_KI.shape[1]
        gradient = (left - whole) + left @ x_KI.T @ x_KI / r  # of half of what is least
        assert error(gradient + whole, whole) < 1e-10, path


def test_kept_texts_read_as_before_and_others_do_not():
    network, other = random_network(layers=2, channels=32, head_size=16), tokens(9, seed=5)
    kept = torch.tensor([KEPT[0][:-1]])
    old, old_other = network(kept)[0].detach(), network(other)[0].detach()
    changed(network, ridge=1e-6)
    assert error(network(kept)[0], old) < 1e-3 < 0.02 < error(network(other)[0], old_other)


def test_all_but_the_matrices_stays_to_the_bit():
    network = random_network(layers=2, channels=32, head_size=16)
    _, before = changed(network)
    moved = {name for name, p in network.named_parameters() if not torch.equal(p, before[name])}
    assert moved == {f"{path}.weight" for path in matrices(network)}
