"""The losses of many samples under the present weights, a few at a time."""

from __future__ import annotations

from collections.abc import Generator, Sequence

from models.sample import Sample
from rwkv_models.chunks import Batch, token_losses

ROWS = 8  # samples read side by side
CTX_LEN = 512


def losses(network, samples: Sequence[Sample]) -> Generator[None, None, list[float]]:
    """The loss of each sample, nats per trained token, each from an empty state. Yields after every few samples; nothing changes."""
    found = [0.0] * len(samples)
    by_length = sorted(range(len(samples)), key=lambda i: len(samples[i].tokens))
    for first in range(0, len(samples), ROWS):
        rows = by_length[first : first + ROWS]
        batch = Batch.of([(samples[i].tokens, samples[i].weights) for i in rows], network.emb.weight.device).normalised()
        losses_BT, _ = token_losses(network, batch, None, CTX_LEN)
        for row, loss in zip(rows, (losses_BT * batch.weights_BT).sum(dim=1).tolist(), strict=True):
            found[row] = loss
        yield
    return found
