"""Training on samples of any length: one loop over chunks serves plain, wani-bot and pico.

Shape letters: B samples, T targets of the longest sample.

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

from collections.abc import Callable, Generator, Iterator

import torch
from torch import Tensor

from rwkv_models.batch import Batch
from rwkv_models.objectives import position_losses, weighted_loss
from rwkv_models.spans import even_spans, windows
from rwkv_models.state import State

__all__ = ["Batch", "learn_chunks", "learn_windows", "measure", "measure_windows", "token_losses"]

Backward = Callable[[Tensor], None]
"""Adds the gradient of an objective, unless that requires none, because a recording has added it (rwkv_models/graph_reading.py)."""


@torch.no_grad()
def token_losses(network, batch: Batch, state: State | None = None, ctx_len: int = 1024) -> tuple[Tensor, State]:
    """(The loss of each position with a weight, nats [B, T] float64, 0 elsewhere; the state after), with nothing changed.

    The state crosses every border.
    """
    losses_BT = torch.zeros_like(batch.weights_BT)
    for start, stop in even_spans(batch.length, ctx_len):
        part = batch.span(start, stop)
        hidden_BTC, state = network(part.inputs_BT, state, part.lengths_B, head="none")
        chosen_BT = part.weights_BT != 0
        if chosen_BT.any():
            pieces = [loss_K for _, loss_K in position_losses(network, hidden_BTC[chosen_BT], part, chosen_BT)]
            losses_BT[:, start:stop][chosen_BT] = torch.cat(pieces).to(losses_BT.dtype)
    return losses_BT, state


def measure(network, batch: Batch, state: State | None = None, ctx_len: int = 1024) -> float:
    """The loss of a batch, nats, with nothing changed; the state crosses every border."""
    return float((token_losses(network, batch, state, ctx_len)[0] * batch.weights_BT).sum())


def measure_windows(network, batch: Batch, ctx_len: int, window: int) -> Tensor:
    """What `token_losses` gives, read as `learn_windows` reads: nats [B, T] float64."""
    parts = [token_losses(network, part, None, part.length)[0] for part in _windows(batch, ctx_len, window)]
    return torch.cat([part[:, -(stop - new):] for part, (_, new, stop) in
                      zip(parts, windows(batch.length, ctx_len, window), strict=True)], dim=1)


def learn_chunks(network, batch: Batch, state: State | None, backward: Backward, ctx_len: int,
                 bptt_range: int | None = None) -> Generator[float, None, tuple[State, State]]:
    """Run `backward` over all chunks of a batch; yield each chunk's loss, 0.0 after a chunk that only carried the state.

    bptt_range: chunks that one gradient may cross; None is all of them (wani-bot). Weights of the batch should be
    normalised over whole samples. Where no state is given and the network's own initial state is trained, that receives
    its gradient too. Returns (the state after the batch, the gradient of the state before its first group).
    """
    spans = even_spans(batch.length, ctx_len)
    size = len(spans) if bptt_range is None else bptt_range
    initial = network.initial_state(batch.inputs_BT.shape[0]) if state is None else None
    state = state or initial
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
            learnt = network.graphs and network.graphs.learn(part, border, gradient)
            if learnt:
                backward(learnt[0])  # whose gradient is taken already
            else:
                learnt = _learn_chunk(network, part, border, gradient, backward)
            loss, out, dentry = learnt
            state, gradient = state if gradient else out, dentry
            if start == 0 and part is group[0] and initial is not None and any(t.requires_grad for t in initial.tensors()):
                backward(initial.dot(gradient))
            yield 0.0 if loss is None else float(loss)
        first_gradient = first_gradient or gradient
    return state, first_gradient


def _learn_chunk(network, part: Batch, border: State, gradient: State | None, backward: Backward) -> tuple[Tensor | None, State, State]:
    """Run `backward` over one chunk, `gradient` being that of the state after it: (loss, that state, the gradient of the state before)."""
    entry = border.leaf()
    hidden, out = network(part.inputs_BT, entry, part.lengths_B, head="none")
    loss = weighted_loss(network, hidden, part)
    handed_on = None if gradient is None else out.dot(gradient)
    objective = loss if handed_on is None else handed_on if loss is None else loss + handed_on.to(loss.dtype)
    if objective is not None:
        backward(objective)
    return None if loss is None else loss.detach(), out.detach(), entry.gradient()


def learn_windows(network, batch: Batch, backward: Backward, ctx_len: int, window: int) -> Generator[float, None, None]:
    """Plain training: the whole sample in one pass; beyond ctx_len, windows that overlap by `window` tokens of context.

    Every target is trained once: in a later window the overlap is read and not trained.
    """
    for part in _windows(batch, ctx_len, window):
        yield from learn_chunks(network, part, None, backward, part.length)


def _windows(batch: Batch, ctx_len: int, window: int) -> Iterator[Batch]:
    for start, new, stop in windows(batch.length, ctx_len, window):
        yield batch.span(start, stop).read_only_before(new - start)
