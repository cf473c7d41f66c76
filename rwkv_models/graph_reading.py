"""Reading and learning as CUDA graphs: a batch's forward, or its forward, loss and backward, as one launch.

At batch 1 a short lesson has some three thousand kernels, which the host takes longer to start than the card to run. So they are recorded,
once for each number of rows and each of a few lengths; a batch is filled up to the next such length with tokens that leave the state as it
is and have no loss. Recorded kernels read the network's own parameters where they lie and add to the gradients where these lie
(rwkv_models/flat_adamw.py): a step, a rollback or a checkpoint may write there at any time. Only where a tensor has moved, all is recorded
afresh.

What nothing in the backward waits for, the gradients of matrices, and what keeps little of the card busy, low-rank pairs and adapters, is
recorded on streams of its own, so that it runs beside the rest.

Recordings share one piece of memory, as only one runs at a time. It is as large as the largest of them wants. None is made where less than
a quarter of the card is left.

Shape letters: B batch, T time, C channels.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import torch
from torch import Tensor, nn

from rwkv_models import card_memory
from rwkv_models.batch import Batch
from rwkv_models.linear import Linear
from rwkv_models.objectives import every_loss
from rwkv_models.state import State

log = logging.getLogger("ouroboros.graphs")

LENGTHS = (16, 32, 64, 128, 192, 256, 384, 512)
MOST_TOKENS = 1024
"""Of a batch. Longer ones keep the card busy by themselves, and this bounds the memory that recordings keep."""
KEPT = 32
"""Recordings; the one used longest ago goes first."""


class _Recording:
    """What is recorded of one size of batch: functions without arguments, on tensors that stay where they are."""

    def __init__(self, network: nn.Module, B: int, T: int):
        like = next(network.emb.parameters())
        self.tokens_BT = torch.zeros(B, T, dtype=torch.int64, device=like.device)
        self.lengths_B = torch.full((B,), T, dtype=torch.int64, device=like.device)
        self.entry = network.zero_state(B)
        self._network = network
        self.run: Callable[[], None] = self.launch

    def launch(self) -> None:
        """Fill `hidden_BTC` and `out`."""
        with torch.no_grad():
            self.hidden_BTC, self.out = self._network.read(self.tokens_BT, self.entry, self.lengths_B)

    def fill(self, tokens_BT: Tensor, entry: State, lengths_B: Tensor | None) -> None:
        """The inputs of the next run."""
        T = tokens_BT.shape[1]
        self.tokens_BT[:, :T].copy_(tokens_BT)
        if lengths_B is None:
            self.lengths_B.fill_(T)
        else:
            self.lengths_B.copy_(lengths_B)
        _copy(self.entry, entry)


class _Lesson(_Recording):
    """The same, its loss, and the gradients: of parameters added to where they lie, of the entry state in `dentry`."""

    def __init__(self, network: nn.Module, B: int, T: int, handed_on: bool, leaves: list[Tensor], gradients: list[Tensor]):
        """handed_on: a gradient of the state after the batch comes from outside, `dout`. `leaves` are the parameters whose gradients are
        fresh tensors each time, and `gradients` where these are to be added."""
        super().__init__(network, B, T)
        self.targets_BT = torch.zeros_like(self.tokens_BT)
        self.weights_BT = torch.zeros(B, T, dtype=self.entry.wkv[0].dtype, device=self.tokens_BT.device)
        self.dout = self.entry.map(torch.zeros_like) if handed_on else None
        self._leaves, self._gradients = leaves, gradients

    def launch(self) -> None:
        """Fill `loss`, `out` and `dentry`."""
        entry = self.entry.leaf()
        for leaf in self._leaves:
            leaf.grad = None
        with torch.enable_grad():
            hidden_BTC, out = self._network.read(self.tokens_BT, entry, self.lengths_B)
            loss = every_loss(self._network, hidden_BTC, self.targets_BT, self.weights_BT)
            towards = [] if self.dout is None else list(zip(out.tensors(), self.dout.tensors(), strict=True))
            torch.autograd.backward([loss, *(t for t, _ in towards)], [None, *(d for _, d in towards)])
        with torch.no_grad():
            found = [(leaf.grad, gradient) for leaf, gradient in zip(self._leaves, self._gradients, strict=True) if leaf.grad is not None]
            if found:
                torch._foreach_add_([gradient for _, gradient in found], [fresh for fresh, _ in found])
        self.loss, self.out, self.dentry = loss.detach(), out.detach(), entry.gradient()

    def fill_lesson(self, batch: Batch, entry: State, dout: State | None) -> None:
        """The inputs of the next run."""
        self.fill(batch.inputs_BT, entry, batch.lengths_B)
        self.targets_BT[:, : batch.length].copy_(batch.targets_BT)
        self.weights_BT.zero_()
        self.weights_BT[:, : batch.length].copy_(batch.weights_BT)
        if dout is not None:
            _copy(self.dout, dout)


class GraphReading:
    """The recordings of one network whose gradients lie in a place of their own."""

    def __init__(self, network: nn.Module):
        self._network = network
        self._busy = self._broken = self._full = False
        self._forget()

    def _forget(self) -> None:
        self._recordings: OrderedDict[tuple, _Recording] = OrderedDict()
        self._seen: set[tuple] = set()
        self._addresses: list[int] = []
        self._own: list[tuple[dict, str, Tensor]] = []  # where modules have their parameters, and what stands in for each
        self._fresh: tuple[list[Tensor], list[Tensor]] = [], []
        self._streams: tuple[torch.cuda.Stream, ...] = ()
        self._pool = None

    def __call__(self, tokens_BT: Tensor, state: State, lengths_B: Tensor | None) -> tuple[Tensor, State] | None:
        """(hidden_BTC, new state) as `network.read` has them, without history; None where that is to be called."""
        B, T = tokens_BT.shape
        if torch.is_grad_enabled() or self._busy or B > 1 or T < 2:  # more rows come in too many sizes
            return None
        recording = self._recording(B, T, "read")
        if recording is None:
            return None
        recording.fill(tokens_BT, state, lengths_B)
        recording.run()
        return recording.hidden_BTC[:, :T].clone(), _copied(recording.out)

    @torch.no_grad()
    def learn(self, batch: Batch, entry: State, dout: State | None) -> tuple[Tensor, State, State] | None:
        """Add the gradient of a batch's likelihood, and of what `dout` is the gradient of, the state after it; (loss, that state, the
        gradient of the entry). None, and nothing done, where the network must do it itself."""
        plain = not batch.unlikely and batch.old_BTV is None and not self._network.checkpoint_blocks
        recording = self._recording(*batch.inputs_BT.shape, "learn" if dout is None else "learn on") if plain else None
        if recording is None:
            return None
        recording.fill_lesson(batch, entry, dout)
        recording.run()
        return recording.loss.clone(), _copied(recording.out), _copied(recording.dentry)

    def _recording(self, B: int, T: int, kind: str) -> _Recording | None:
        adapters = self._network.adapters
        T = next((length for length in LENGTHS if length >= T), MOST_TOKENS + 1)
        filled_up = B * T
        dropping = adapters.dropout.seed is not None and getattr(adapters.current, "dropout", 0)  # by masks that the host draws
        if self._broken or dropping or filled_up > MOST_TOKENS:
            return None
        if [parameters[name].data_ptr() for parameters, name, _ in self._own] != self._addresses:
            self._forget()
        key = (B, T, kind)
        if key in self._recordings:
            self._recordings.move_to_end(key)
            return self._recordings[key]
        if kind == "read" and key not in self._seen:  # to record takes as long as some ten such readings
            self._seen.add(key)
            return None
        if not self._room():
            return None
        while len(self._recordings) >= KEPT:
            self._recordings.popitem(last=False)
        try:
            with torch.inference_mode(False), self._as_leaves():
                self._recordings[key] = self._record(B, T, kind)
        except Exception as error:  # CUDA's own among them, of which torch makes no class
            self._forget()
            self._broken = True
            if self._network.emb.weight.is_cuda:
                torch.cuda.empty_cache()
            log.warning("graphs=off reason=%s: lessons go on with one launch a kernel", str(error).partition("\n")[0])
            return None
        log.info("graphs=%d rows=%d length=%d what=%s", len(self._recordings), B, T, kind)
        return self._recordings[key]

    def _room(self) -> bool:
        """Whether a quarter of the card is left: a recording keeps its memory, and a longer lesson may want that."""
        device = self._network.emb.weight.device
        if device.type == "cuda":
            left, total = card_memory.left(device)
            if left < total // 4:
                if not self._full:
                    log.info("graphs=%d and no more are recorded: %d MiB of the card are left", len(self._recordings), left >> 20)
                self._full = True
                return False
        return True

    def _record(self, B: int, T: int, kind: str) -> _Recording:
        recording = _Recording(self._network, B, T) if kind == "read" else _Lesson(self._network, B, T, kind == "learn on", *self._fresh)
        with self._fork():  # once as it is: compiles kernels, and gives libraries their memory; the gradients that it adds are zeros
            recording.launch()
        if not recording.tokens_BT.is_cuda:
            recording.run = self._inside(recording.launch)
            return recording
        graph, stream = torch.cuda.CUDAGraph(), self._streams[0]
        self._pool = self._pool or torch.cuda.graph_pool_handle()
        torch.cuda.current_stream().synchronize()
        stream.wait_stream(torch.cuda.current_stream())
        # Not torch.cuda.graph, which would give the memory that training keeps for its next step back to the card.
        with torch.cuda.stream(stream):
            graph.capture_begin(pool=self._pool, capture_error_mode="thread_local")
            try:
                with self._fork():
                    recording.launch()
            except BaseException:
                with suppress(RuntimeError):  # it would say that there was an error
                    graph.capture_end()
                raise
            graph.capture_end()
        torch.cuda.current_stream().wait_stream(stream)
        recording.run = graph.replay
        return recording

    @contextmanager
    def _fork(self) -> Iterator[None]:
        """Around the streams aside, whether they are used or not: they wait for the present one, and it for them."""
        for stream in self._streams[1:]:
            stream.wait_stream(torch.cuda.current_stream())
        yield
        for stream in self._streams[1:]:
            torch.cuda.current_stream().wait_stream(stream)

    def _inside(self, launch: Callable[[], None]) -> Callable[[], None]:
        """Where there are no graphs: the function itself, as it would be recorded."""
        def run() -> None:
            with self._as_leaves(), torch.inference_mode(False):
                launch()
        return run

    @contextmanager
    def _as_leaves(self) -> Iterator[None]:
        """Inside, modules hold detached copies of their parameters, in the same memory: what autograd keeps with a parameter belongs to the
        stream on which it was used first, and those of the network are used on another."""
        if not self._own:
            self._stand_in()
        own = [parameters[name] for parameters, name, _ in self._own]
        self._busy = True
        try:
            for parameters, name, leaf in self._own:
                parameters[name] = leaf
            for module in self._branching:
                module.aside = self._streams[2] if self._streams else None
            yield
        finally:
            for (parameters, name, _), p in zip(self._own, own, strict=True):
                parameters[name] = p
            for module in self._branching:
                module.aside = None
            self._busy = False

    def _stand_in(self) -> None:
        device = self._network.emb.weight.device
        if device.type == "cuda":
            self._streams = tuple(torch.cuda.Stream(device) for _ in range(3))
        self._branching = [module for module in self._network.modules() if hasattr(module, "aside")]
        leaves, gradients = self._fresh
        for module in self._network.modules():
            for name, p in module._parameters.items():
                if p is None:
                    continue
                leaf = p.detach().requires_grad_(p.requires_grad)
                if p.requires_grad and isinstance(module, Linear):
                    leaf.grad, leaf.gathered, leaf.aside = p.grad, True, self._streams[1] if self._streams else None
                elif p.requires_grad:
                    leaves.append(leaf)
                    gradients.append(p.grad)
                self._own.append((module._parameters, name, leaf))
                self._addresses.append(p.data_ptr())


def _kinds(state: State) -> tuple[tuple[Tensor, ...], ...]:
    return state.att_shift, state.ffn_shift, state.wkv


def _copy(into: State, state: State) -> None:
    for mine, theirs in zip(_kinds(into), _kinds(state), strict=True):
        torch._foreach_copy_(mine, theirs)


def _copied(state: State) -> State:
    """The same, in one new piece of memory a kind."""
    copies = State(*(kind[0].new_empty((len(kind), *kind[0].shape)).unbind(0) for kind in _kinds(state)))
    _copy(copies, state)
    return copies
