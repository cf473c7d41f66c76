"""A trainer without DeepSpeed, for tests that must see every gradient."""

import torch

from rwkv_models.chunks import learn_chunks, learn_windows
from rwkv_models.null_space import NullSpace


class PlainTrainer:
    """Gradient descent that keeps every step's gradient and the weights under which it was taken."""

    rows = 1

    def __init__(self, network):
        self.network, self.seen, self.rates = network, [], []

    def learn_chunks(self, *arguments):
        return learn_chunks(self.network, *arguments)

    def learn_windows(self, *arguments):
        return learn_windows(self.network, *arguments)

    def backward(self, objective):
        objective.backward()

    def step(self, lr, rule="adam"):
        self.seen.append(({n: p.detach().clone() for n, p in self.network.named_parameters()},
                          {n: p.grad.clone() for n, p in self.network.named_parameters()}))
        self.rates.append(lr)
        with torch.no_grad():
            for p in self.network.parameters():
                p -= lr * p.grad
        self.discard_gradients()

    def null_space(self, ridge):
        return NullSpace(self.network, ridge)

    def discard_gradients(self):
        self.network.zero_grad(set_to_none=True)

    def forget_moments(self):
        pass

    def moments(self):
        return []

    def weights(self):
        return [p.data for p in self.network.parameters()]

    def snapshot(self, moments):
        kept = [p.detach().clone() for p in self.network.parameters()]

        def restore():
            for p, before in zip(self.weights(), kept, strict=True):
                p.copy_(before)

        return restore
