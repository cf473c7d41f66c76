"""Reading and learning as CUDA graphs: what `network(tokens, state, lengths, head="none")` computes, and its backward, each one launch.

At batch 1 a short lesson has some four thousand kernels, which the host takes longer to start than the card to run. So the forward and the
backward are recorded, once for each number of rows and each of a few lengths; a batch is filled up to the next such length with tokens that
leave the state as it is and have no gradient (`lengths_B` says which). Recorded kernels read the network's own parameters where they lie and
add to the gradients where these lie (rwkv_models/flat_adamw.py): a step, a rollback or a checkpoint may write there at any time. Only where a
tensor has moved, all is recorded afresh.

Recordings share one piece of memory, as only one is in use at a time, from its forward to its backward. It is as large as the largest of them
wants: at 2.9B some 7 MB a token.

Shape letters: B batch, T time, C channels, H heads, N size of a head.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from rwkv_models.state import State

log = logging.getLogger("ouroboros.graphs")

LENGTHS = (16, 32, 64, 128, 256, 384, 512)
MOST_LEARNT, MOST_READ = 1024, 2048
"""Tokens of a batch, with and without gradients. Longer ones keep the card busy by themselves."""
KEPT = 16
"""Recordings; the one used longest ago goes first."""


class _Recording:
    """The forward of one size of batch and, where `learns`, the backward: functions without arguments on tensors that stay."""

    def __init__(self, network: nn.Module, B: int, T: int, learns: bool):
        like = next(network.emb.parameters())
        self.tokens_BT = torch.zeros(B, T, dtype=torch.int64, device=like.device)
        self.lengths_B = torch.full((B,), T, dtype=torch.int64, device=like.device)
        self.entry = network.zero_state(B)
        self.learns = learns
        if learns:
            self.entry = self.entry.leaf()
        self._network = network
        self.run_forward: Callable[[], None] = self.forward
        self.run_backward: Callable[[], None] = self.backward

    def forward(self) -> None:
        """Fill `hidden` and `out`."""
        with torch.set_grad_enabled(self.learns):
            hidden_BTC, out = self._network.read(self.tokens_BT, self.entry, self.lengths_B)
        self.hidden, self.out = hidden_BTC.detach(), out.detach()
        if self.learns:
            self._graph = [hidden_BTC, *out.tensors()]

    def backward(self) -> None:
        """Add to the gradients of the parameters, and fill that of the entry."""
        for t in self.entry.tensors():
            t.grad = None
        torch.autograd.backward(self._graph, [self.dhidden, *self.dout.tensors()])
        self.dentry = self.entry.gradient()
        self._graph = None

    def make_room(self) -> None:
        """Memory for the gradients that come from outside; zeros."""
        self.dhidden, self.dout = torch.zeros_like(self.hidden), self.out.map(torch.zeros_like)
        self.told = False
        """Whether `dout` is other than zeros."""

    def fill(self, tokens_BT: Tensor, entry: State, lengths_B: Tensor | None) -> None:
        """The inputs of the next forward."""
        T = tokens_BT.shape[1]
        self.tokens_BT[:, :T].copy_(tokens_BT)
        if lengths_B is None:
            self.lengths_B.fill_(T)
        else:
            self.lengths_B.copy_(lengths_B)
        with torch.no_grad():
            for mine, theirs in zip(_kinds(self.entry), _kinds(entry), strict=True):
                torch._foreach_copy_(mine, theirs)


class _Replay(torch.autograd.Function):
    """A recording as a function of the entry state, for autograd."""

    @staticmethod
    def forward(ctx, graphs: GraphReading, recording: _Recording, T: int, *entry: Tensor):
        ctx.set_materialize_grads(False)
        recording.run_forward()
        graphs.at += 1
        ctx.graphs, ctx.recording, ctx.at, ctx.T = graphs, recording, graphs.at, T
        return recording.hidden[:, :T].clone(), *_copies(recording.out)

    @staticmethod
    @once_differentiable
    def backward(ctx, dhidden_BTC: Tensor | None, *dout: Tensor | None):
        recording = ctx.recording
        if ctx.at != ctx.graphs.at:
            raise RuntimeError("another batch was read before the gradient of this one was taken: its activations are gone")
        recording.dhidden.zero_()
        if dhidden_BTC is not None:
            recording.dhidden[:, : ctx.T].copy_(dhidden_BTC)
        told = any(d is not None for d in dout)
        if told or recording.told:
            for mine, theirs in zip(recording.dout.tensors(), dout, strict=True):
                mine.zero_() if theirs is None else mine.copy_(theirs)
        recording.told = told
        recording.run_backward()
        return None, None, None, *_copies(recording.dentry)


class GraphReading:
    """The recordings of one network whose gradients lie in a place of their own."""

    def __init__(self, network: nn.Module):
        self._network = network
        self.at = 0  # counts forwards, each of which writes over what the one before has kept for its backward
        self._forget()

    def _forget(self) -> None:
        self._recordings: OrderedDict[tuple, _Recording] = OrderedDict()
        self._seen: set[tuple[int, int]] = set()
        self._addresses: list[int] | None = None
        self._leaves: list[tuple[dict, str, Tensor]] = []
        self._stream = self._pool = None
        self._busy = self._broken = False

    def __call__(self, tokens_BT: Tensor, state: State, lengths_B: Tensor | None) -> tuple[Tensor, State] | None:
        """(hidden_BTC, new state) as `network.read` has them; None where that is to be called."""
        (B, T), network = tokens_BT.shape, self._network
        learns = torch.is_grad_enabled()
        if learns and (network.checkpoint_blocks or not any(t.requires_grad for t in state.tensors())):
            return None
        length = next((length for length in LENGTHS if T <= length), None)
        if self._busy or self._broken or length is None or T < 2 or B * length > (MOST_LEARNT if learns else MOST_READ):
            return None
        if network.adapters.dropout.seed is not None and getattr(network.adapters.current, "dropout", 0):
            return None  # its masks are drawn on the host
        recording = self._recording(B, length, learns)
        if recording is None:
            return None
        recording.fill(tokens_BT, state, lengths_B)
        if learns:
            hidden_BTC, *out = _Replay.apply(self, recording, T, *state.tensors())
        else:
            recording.run_forward()
            self.at += 1
            hidden_BTC, out = recording.hidden[:, :T].clone(), _copies(recording.out)
        layers = len(state.wkv)
        return hidden_BTC, State(tuple(out[:layers]), tuple(out[layers : 2 * layers]), tuple(out[2 * layers :]))

    def _recording(self, B: int, T: int, learns: bool) -> _Recording | None:
        addresses = [p.data_ptr() for p in self._network.parameters()]
        if addresses != self._addresses:
            self._forget()
            self._addresses = addresses
        current = self._network.adapters.active
        found = self._recordings.get((B, T, True, current)) or self._recordings.get((B, T, learns, current))
        if found is not None:
            self._recordings.move_to_end((B, T, found.learns, current))
            return found
        if not learns and (B, T) not in self._seen:  # a recording takes as long as some ten such forwards
            self._seen.add((B, T))
            return None
        while len(self._recordings) >= KEPT:
            self._recordings.popitem(last=False)
        try:
            with torch.inference_mode(False):
                self._recordings[B, T, learns, current] = self._record(B, T, learns)
        except Exception as error:  # CUDA's own among them, of which torch makes no class
            self._forget()
            self._broken = True
            if self._network.emb.weight.is_cuda:
                torch.cuda.empty_cache()
            log.warning("graphs=off reason=%s: lessons go on with one launch a kernel", str(error).partition("\n")[0])
            return None
        return self._recordings[B, T, learns, current]

    def _record(self, B: int, T: int, learns: bool) -> _Recording:
        recording = _Recording(self._network, B, T, learns)
        with self._as_leaves():
            on_gpu = recording.tokens_BT.is_cuda
            if on_gpu and self._stream is None:
                self._stream, self._pool = torch.cuda.Stream(recording.tokens_BT.device), torch.cuda.graph_pool_handle()
            recording.forward()  # once without a graph: compiles kernels, and gives libraries their memory; the gradients added are zeros
            if learns:
                recording.make_room()
                recording.backward()
            if on_gpu:
                torch.cuda.current_stream().synchronize()
                recording.run_forward = self._graph(recording.forward)
                if learns:
                    recording.make_room()
                    recording.run_backward = self._graph(recording.backward)
            elif learns:
                recording.run_forward, recording.run_backward = self._inside(recording.forward), self._inside(recording.backward)
        log.info("graphs=%d rows=%d length=%d learns=%s", len(self._recordings) + 1, B, T, learns)
        return recording

    def _inside(self, function: Callable[[], None]) -> Callable[[], None]:
        """On a CPU: the function itself, as it was recorded."""
        def run() -> None:
            with self._as_leaves(), torch.inference_mode(False):
                function()
        return run

    def _graph(self, launch: Callable[[], None]) -> Callable[[], None]:
        graph = torch.cuda.CUDAGraph()
        self._stream.wait_stream(torch.cuda.current_stream())
        # Not torch.cuda.graph, which would give the memory that training keeps for its next step back to the card.
        with torch.cuda.stream(self._stream):
            graph.capture_begin(pool=self._pool, capture_error_mode="thread_local")
            try:
                launch()
            finally:
                graph.capture_end()
        torch.cuda.current_stream().wait_stream(self._stream)
        return graph.replay

    @contextmanager
    def _as_leaves(self) -> Iterator[None]:
        """Inside, modules hold detached copies of their parameters, in the same memory and with the same gradients: what autograd keeps with
        a parameter belongs to the stream on which it was used first, and those of the network are used on another."""
        if not self._leaves:
            for module in self._network.modules():
                for name, p in module._parameters.items():
                    if p is not None:
                        leaf = p.detach().requires_grad_(p.requires_grad)
                        if p.requires_grad:
                            leaf.grad, leaf.gathered = p.grad, True
                        self._leaves.append((module._parameters, name, leaf))
        own = [parameters[name] for parameters, name, _ in self._leaves]
        self._busy = True
        try:
            for parameters, name, leaf in self._leaves:
                parameters[name] = leaf
            yield
        finally:
            for (parameters, name, _), p in zip(self._leaves, own, strict=True):
                parameters[name] = p
            self._busy = False


def _kinds(state: State) -> tuple[tuple[Tensor, ...], ...]:
    return state.att_shift, state.ffn_shift, state.wkv


def _copies(state: State) -> list[Tensor]:
    """Its tensors, in one new piece of memory a kind."""
    copies = [kind[0].new_empty((len(kind), *kind[0].shape)).unbind(0) for kind in _kinds(state)]
    for mine, theirs in zip(copies, _kinds(state), strict=True):
        torch._foreach_copy_(mine, theirs)
    return [t for kind in copies for t in kind]
