"""What a position is judged by, against the written formulas."""

import math
import subprocess
import sys
from dataclasses import replace

import pytest
import torch

from rwkv_models.chunks import Batch, learn_chunks
from rwkv_models.objectives import divergence, likelihood, preference_scale, unlikelihood
from tests.rwkv_models.networks import error, random_network, tokens

SMALL = {"layers": 2, "channels": 32, "head_size": 16}


def logits(scale=1.0):
    return (scale * torch.randn(6, 20, dtype=torch.float64, generator=torch.Generator().manual_seed(3))).requires_grad_()


def test_the_formulas():
    x, targets = logits(3.0), torch.tensor([0, 3, 3, 19, 7, 1])
    p = torch.softmax(x, dim=1)
    chosen = p[range(6), targets]
    assert torch.allclose(likelihood(x, targets), -chosen.log(), rtol=1e-12)
    assert torch.allclose(unlikelihood(x, targets), -(1 - chosen).log(), rtol=1e-9)
    old = torch.log_softmax(torch.randn_like(x), dim=1)
    assert torch.allclose(divergence(x, old), (old.exp() * (old - p.log())).sum(dim=1), rtol=1e-12)
    assert float(divergence(x, p.log().detach()).detach().abs().max()) < 1e-12


def test_unlikelihood_of_what_is_certain_is_finite():
    x = torch.zeros(1, 20, requires_grad=True)
    x.data[0, 4] = 60.0  # 1 - p is 0 in fp32
    loss = unlikelihood(x, torch.tensor([4]))
    loss.sum().backward()
    assert float(loss.detach()) == pytest.approx(60 - math.log(19), rel=1e-6) and torch.isfinite(x.grad).all() and x.grad[0, 4] > 0.9


@pytest.mark.parametrize("margin", [-3000.0, -20.0, -1.0, 0.0, 0.7, 30.0, 9000.0])
def test_the_size_of_dpos_push_is_the_derivative_of_its_loss(margin):
    m = torch.tensor(margin, dtype=torch.float64, requires_grad=True)
    (-torch.nn.functional.logsigmoid(0.3 * m)).backward()
    assert preference_scale(0.3, margin) == pytest.approx(-float(m.grad), rel=1e-12)


@pytest.mark.parametrize("kind", ["unlikely", "anchored"])
def test_every_kind_of_loss_has_the_gradient_of_the_whole(kind):
    network = random_network(**SMALL)
    read = [tokens(n, seed=n)[0].tolist() for n in (23, 14)]
    plain = Batch.of([(t, [1.0] * len(t)) for t in read]).normalised()
    old = torch.log_softmax(random_network(seed=5, **SMALL)(plain.inputs_BT)[0].detach(), dim=-1)
    batch = replace(plain, unlikely=True) if kind == "unlikely" else replace(plain, old_BTV=old)
    loss = sum(learn_chunks(network, batch, None, lambda o: o.backward(), 5))
    found = [p.grad.clone() for p in network.parameters()]
    network.zero_grad()
    new = torch.log_softmax(network(batch.inputs_BT, None, batch.lengths_B)[0], dim=-1)
    chosen = new.gather(2, batch.targets_BT.unsqueeze(2)).squeeze(2).exp()
    each = -(1 - chosen).log() if kind == "unlikely" else (old.exp() * (old - new)).sum(dim=-1)
    whole = (each * batch.weights_BT).sum()
    whole.backward()
    assert loss == pytest.approx(float(whole.detach()), rel=1e-10)
    assert all(error(a, p.grad) < 1e-10 for a, p in zip(found, network.parameters(), strict=True))


IN_SLICES = r"""
import torch
import rwkv_models.objectives as objectives
from rwkv_models.chunks import Batch, learn_chunks
from rwkv_models.optimizer import Recipe, Trainer, loopback_process_group
from tests.rwkv_models.networks import random_network, tokens

loopback_process_group()
batch = Batch.of([(tokens(41)[0].tolist(), [1.0] * 41)]).normalised()
norms, calls = [], []
for logits in (2**25, 50 * 6):
    objectives.SLICE_LOGITS = logits
    trainer = Trainer(random_network(dtype=torch.float32, layers=2), Recipe(lr=1e-3, zero_stage=3))
    seen = []
    trainer.network.head.register_forward_hook(lambda *a: seen.append(1))
    for _ in learn_chunks(trainer.network, batch, None, trainer.backward, 20):
        pass
    norms.append(trainer.step(1e-3))
    calls.append(len(seen))
assert calls == [2, 16], calls
assert abs(norms[0] - norms[1]) < 1e-6 * norms[0], norms
print("ok")
"""


def test_logits_in_slices_are_made_again_where_zero_3_has_put_the_head_away():
    result = subprocess.run([sys.executable, "-c", IN_SLICES], capture_output=True, text=True, timeout=300)
    assert result.returncode == 0 and result.stdout.strip().endswith("ok"), result.stdout[-2000:] + result.stderr[-3000:]
