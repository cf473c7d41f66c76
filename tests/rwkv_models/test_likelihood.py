"""Slices of positions through the head give the likelihoods and the gradients of all at once, and never hold all logits."""

import torch
import torch.nn.functional as F

from rwkv_models import likelihood
from rwkv_models.likelihood import negative_log_likelihoods
from tests.rwkv_models.networks import error


def test_slices_are_the_whole(monkeypatch):
    torch.manual_seed(0)
    head, hidden, targets = torch.nn.Linear(16, 50, bias=False).double(), torch.randn(33, 16, dtype=torch.float64), torch.randint(0, 50, (33,))
    results, largest = [], []
    head.register_forward_hook(lambda module, given, logits: largest.append(logits.shape[0]))
    for logits in (50 * 7, 50 * 100, 1):
        monkeypatch.setattr(likelihood, "LOGITS", logits)
        entry = hidden.clone().requires_grad_()
        head.zero_grad()
        nll = negative_log_likelihoods(head, entry, targets, 50)
        nll.square().sum().backward()
        results.append((nll.detach(), entry.grad, head.weight.grad.clone()))
        assert max(largest) == min(33, max(1, logits // 50))
        largest.clear()
        with torch.no_grad():
            assert torch.equal(negative_log_likelihoods(head, hidden, targets, 50), results[-1][0])
        largest.clear()
    expected = F.cross_entropy(head(hidden), targets, reduction="none").detach()
    for result in results:
        assert error(result[0], expected) < 1e-12
        assert all(error(a, b) < 1e-12 for a, b in zip(result, results[1], strict=True))
    assert negative_log_likelihoods(head.bfloat16(), hidden.bfloat16(), targets, 50).dtype == torch.float32
