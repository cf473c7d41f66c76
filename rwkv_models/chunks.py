"""Training on samples of any length: one loop over chunks serves plain, wani-bot and pico.

Shape letters: B samples, T targets of the longest sample, C channels, K trained positions.

A sample of n tokens has n - 1 inputs and as many targets. It is cut into even chunks. Chunks are taken in groups: the
gradient crosses every border inside a group and none between groups.
  wani-bot   one group: the exact gradient of the whole sample
  pico       groups of `bptt_range` chunks: truncated
  plain      one chunk that is the sample; a longer sample is cut into windows that overlap and share no state
Within a group only the states at the borders are kept: a first pass carries the state forward without a graph, then the
chunks are run again from the last to the first, each with the gradient of the state that it hands on. The peak of memory
is that of one chunk.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from rwkv_models.state import State

Backward = Callable[[Tensor], None]


@dataclass(frozen=True)
class Batch:
    """Samples side by side, padded at the end: weights are 0 there, and `lengths` tells where each ends (None: nowhere)."""

    inputs_BT: Tensor
    targets_BT: Tensor
    weights_BT: Tensor
    lengths_B: Tensor | None

    @classmethod
    def of(cls, samples: Sequence[tuple[Sequence[int], Sequence[float]]], device: torch.device | str = "cpu") -> Batch:
        """From (tokens, weights) pairs of equal length; weights[i] is that of predicting tokens[i], so weights[0] goes unused."""
        lengths = [len(tokens) - 1 for tokens, _ in samples]
        if min(lengths) < 1:
            raise ValueError("a sample needs at least two tokens: one to read and one to predict")
        T = max(lengths)
        pad = lambda row, n, zero: list(row) + [zero] * (T - n)  # noqa: E731
        inputs = [pad(tokens[:-1], n, 0) for (tokens, _), n in zip(samples, lengths, strict=True)]
        targets = [pad(tokens[1:], n, 0) for (tokens, _), n in zip(samples, lengths, strict=True)]
        weights = [pad(weights[1:], n, 0.0) for (_, weights), n in zip(samples, lengths, strict=True)]
        ragged = torch.tensor(lengths, device=device) if min(lengths) < T else None
        return cls(torch.tensor(inputs, device=device), torch.tensor(targets, device=device),
                   torch.tensor(weights, dtype=torch.float64, device=device), ragged)

    def normalised(self) -> Batch:
        """The same with each sample's weights summing to 1 (a sample without any stays at 0): the loss is a sum of means."""
        total_B1 = self.weights_BT.sum(dim=1, keepdim=True)
        return replace(self, weights_BT=self.weights_BT / torch.where(total_B1 > 0, total_B1, 1.0))

    def span(self, start: int, stop: int) -> Batch:
        """Targets `start` to `stop` of every sample."""
        lengths = None if self.lengths_B is None else (self.lengths_B - start).clamp(0, stop - start)
        return Batch(self.inputs_BT[:, start:stop], self.targets_BT[:, start:stop], self.weights_BT[:, start:stop], lengths)

    @property
    def length(self) -> int:
        """T."""
        return self.inputs_BT.shape[1]


def weighted_loss(network, hidden_BTC: Tensor, batch: Batch) -> Tensor | None:
    """Sum over trained positions of weight times negative log likelihood, nats; None where nothing is trained.

    Logits are made at trained positions only.
    """
    trained_BT = batch.weights_BT != 0
    if not trained_BT.any():
        return None
    logits_KV = network.head(hidden_BTC[trained_BT])
    dtype = torch.promote_types(logits_KV.dtype, torch.float32)
    nll_K = F.cross_entropy(logits_KV.to(dtype), batch.targets_BT[trained_BT], reduction="none")
    return (nll_K * batch.weights_BT[trained_BT].to(dtype)).sum()


@torch.no_grad()
def measure(network, batch: Batch, state: State | None = None, ctx_len: int = 1024) -> float:
    """The loss of a batch, nats, with nothing changed; the state crosses every border."""
    total = 0.0
    for start, stop in even_spans(batch.length, ctx_len):
        part = batch.span(start, stop)
        hidden, state = network(part.inputs_BT, state, part.lengths_B, head="none")
        loss = weighted_loss(network, hidden, part)
        total += 0.0 if loss is None else float(loss)
    return total


def even_spans(length: int, limit: int) -> list[tuple[int, int]]:
    """Cut `length` positions into the fewest spans of at most `limit`, as even as can be: no span of one left at the end."""
    count = -(-length // limit)
    edges = [length * i // count for i in range(count + 1)]
    return list(zip(edges, edges[1:], strict=False))


def learn_chunks(network, batch: Batch, state: State | None, backward: Backward, ctx_len: int,
                 bptt_range: int | None = None) -> Generator[float, None, tuple[State, State]]:
    """Run `backward` over all chunks of a batch; yield each chunk's loss, 0.0 after a chunk that only carried the state.

    bptt_range: chunks that one gradient may cross; None is all of them (wani-bot). Weights of the batch should be
    normalised over whole samples. Returns (the state after the batch, the gradient of the state before its first group).
    """
    spans = even_spans(batch.length, ctx_len)
    size = len(spans) if bptt_range is None else bptt_range
    state = network.initial_state(batch.inputs_BT.shape[0]) if state is None else state
    first_gradient = None
    for start in range(0, len(spans), size):
        group = [batch.span(*span) for span in spans[start : start + size]]
        borders = [state.detach()]
        for part in group[:-1]:
            with torch.no_grad():
                borders.append(network(part.inputs_BT, borders[-1], part.lengths_B, head="none")[1])
            yield 0.0
        gradient: State | None = None
        for part, border in zip(reversed(group), reversed(borders), strict=True):
            entry = border.leaf()
            hidden, out = network(part.inputs_BT, entry, part.lengths_B, head="none")
            if gradient is None:
                state = out.detach()
            loss = weighted_loss(network, hidden, part)
            handed_on = None if gradient is None else out.dot(gradient)
            objective = loss if handed_on is None else handed_on if loss is None else loss + handed_on.to(loss.dtype)
            if objective is not None:
                backward(objective)
            gradient = entry.gradient()
            yield 0.0 if loss is None else float(loss.detach())
        first_gradient = first_gradient or gradient
    return state, first_gradient


def learn_windows(network, batch: Batch, backward: Backward, ctx_len: int, window: int) -> Generator[float, None, None]:
    """Plain training: the whole sample in one pass; beyond ctx_len, windows that overlap by `window` tokens of context.

    Every target is trained once: in a later window the overlap is read and not trained.
    """
    start = 0
    while True:
        stop = min(start + ctx_len, batch.length)
        part = batch.span(start, stop)
        if start:
            weights = part.weights_BT.clone()
            weights[:, :window] = 0
            part = replace(part, weights_BT=weights)
        yield from learn_chunks(network, part, None, backward, part.length)
        if stop == batch.length:
            return
        start = stop - window
