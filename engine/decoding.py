"""All open answers as one batch: prompts are read in slices, then every answer gets one token a step."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable

import torch
from torch import Tensor

from engine.errors import EngineError
from engine.generation import Generation
from rwkv_models.graph_decode import GraphDecode
from rwkv_models.native_decode import NativeDecode
from rwkv_models.native_library import NativeUnavailable
from rwkv_models.native_prefill import NativePrefill
from rwkv_models.state import State, join

log = logging.getLogger("ouroboros.decoding")
FAR_BEHIND = 512
"""Pieces that a reader may leave untaken before his answer is set aside."""


class DecodeBatch:
    """Open generations. The owner thread calls `step` again and again; nothing here waits."""

    def __init__(self, network, limit: int, prefill_slice: int, wake: Callable[[Callable[[], None]], None]):
        self.network = network
        self.limit = limit
        self.prefill_slice = prefill_slice
        self._wake = wake  # runs a function on the owner thread soon
        self._aside: list[Generation] = []  # their readers are far behind
        self._reading: deque[Generation] = deque()
        self._running: list[Generation] = []
        self._state: State | None = None  # of the running ones, row by row
        self._native: NativeDecode | GraphDecode | None = None
        self._prefill: NativePrefill | None = None
        self.look_again()

    def look_again(self) -> None:
        """The network is another one than before: see whether code made for its device can decode it."""
        self._native = self._prefill = None
        try:
            if self.network.emb.weight.is_cuda:
                self._native = GraphDecode(self.network)
            else:
                self._native = NativeDecode(self.network)
                self._prefill = NativePrefill(self._native)
        except NativeUnavailable as reason:
            log.info("%s=torch reason=%s", "decode" if self._native is None else "reading", reason)

    def __bool__(self) -> bool:
        return bool(self._reading or self._running)

    @property
    def open(self) -> int:
        """How many prompts are being read and answers written. May be asked from any thread."""
        return len(self._reading) + len(self._running) + len(self._aside)

    @property
    def full(self) -> bool:
        """No place for another answer."""
        return len(self.generations()) >= self.limit

    def add(self, generation: Generation) -> None:
        """Take in an answer to be."""
        self._reading.append(generation)

    def generations(self) -> list[Generation]:
        """All open ones."""
        return [*(g for leader in self._reading for g in leader.group), *self._running, *self._aside]

    @torch.inference_mode()
    def step(self, version: int, stamp: int) -> None:
        """Read one slice of one prompt, then write one token of every running answer."""
        for generation in self.generations():
            if generation.ticket.cancelled.is_set():
                generation.end("cancelled")
        self._sweep()
        if self._reading:
            self._read(self._reading[0], version, stamp)
        if self._running:
            self._write(version, stamp)

    def fail(self, error: BaseException) -> None:
        """End every open answer with an error."""
        for generation in self.generations():
            generation.fail(error)
            generation.close(None)
        self._reading.clear()
        self._aside.clear()
        self._running, self._state = [], None

    def _read(self, generation: Generation, version: int, stamp: int) -> None:
        generation.begin()
        generation.touch(version, stamp)
        take = generation.tokens[generation.consumed : min(generation.consumed + self.prefill_slice, generation.prompt_length)]
        last = generation.consumed + len(take) == generation.prompt_length
        output, generation.state = self._forward(torch.tensor([take]), generation.state, last)
        generation.consumed += len(take)
        if last:
            self._reading.popleft()
            for sibling in generation.siblings:
                sibling.touch(version, stamp)
            state, generation.state = generation.state, None
            self.start(generation.group, output[0], state)
        else:
            self._reading.rotate(-1)  # the next slice goes to the next reader

    def start(self, group: list[Generation], logits_V: Tensor, state: State) -> None:
        """Write the answers to a prompt that was read, from the logits and the state after it."""
        self._offer(group, logits_V.expand(len(group), -1))
        for generation in group:
            generation.consumed = generation.prompt_length
            if generation.finish_reason is None:
                generation.state = state
                self._join(generation)
            else:  # a step of its siblings writes over the memory of their state
                generation.close(None if generation.finish_reason == "error" or len(group) > 1 else state)

    def hidden(self, rows: list[list[int]], states: list[State | None]) -> list[tuple[Tensor, State]]:
        """Read the tokens of each row after its state (None: the beginning): its normalised hidden vectors [T, C], its new state."""
        if self._prefill is not None:
            try:
                read = [self._prefill.read(torch.tensor([row]), state, "none") for row, state in zip(rows, states, strict=True)]
                return [(hidden[0], state) for hidden, state in read]
            except NativeUnavailable as reason:
                self._leave_native(reason)
        lengths, device = [len(row) for row in rows], self.network.emb.weight.device
        padded = torch.tensor([row + [0] * (max(lengths) - len(row)) for row in rows], device=device)
        before = join(self.network.initial_state(1) if state is None else state for state in states)
        hidden, after = self.network(padded, before, torch.tensor(lengths, device=device), head="none")
        return [(hidden[i, :length], after.row(i)) for i, length in enumerate(lengths)]

    def _join(self, generation: Generation) -> None:
        """Let an answer whose prompt is read write along."""
        self._running.append(generation)
        self._state = generation.state if self._state is None else join([self._state, generation.state])
        generation.state = None

    def _set_aside(self, generation: Generation, state: State) -> None:
        """Write nothing more for a reader who is far behind, until he has caught up or gone: memory is not his to fill."""

        def back() -> None:
            if generation in self._aside:  # not where the batch failed in between
                self._aside.remove(generation)
                self._join(generation)

        generation.state = state
        self._aside.append(generation)
        generation.ticket.on_caught_up = lambda: self._wake(back)
        if generation.ticket.backlog < FAR_BEHIND // 2:  # he caught up just now, before there was anything to call
            generation.ticket.on_caught_up = None
            self._wake(back)

    def _write(self, version: int, stamp: int) -> None:
        last = torch.tensor([generation.tokens[-1] for generation in self._running])
        output, self._state = self._decode(last, stamp)
        for generation in self._running:
            generation.touch(version, stamp)
            generation.consumed += 1
        self._offer(self._running, output)
        self._sweep()

    def _forward(self, tokens_BT: Tensor, state: State | None, last: bool) -> tuple[Tensor, State]:
        """One slice of a prompt; logits are there if it is the last one."""
        if self._prefill is not None:
            try:
                return self._prefill.read(tokens_BT, state, "last" if last else "nothing")
            except NativeUnavailable as reason:
                self._leave_native(reason)
        return self.network(tokens_BT.to(self.network.emb.weight.device), state, head="last" if last else "none")

    def _decode(self, tokens_B: Tensor, stamp: int) -> tuple[Tensor, State]:
        """One step of all running answers. The batch alone holds its state, so the fast step may write over it."""
        if self._native is not None:
            try:
                if isinstance(self._native, GraphDecode):
                    return self._native.step(tokens_B, self._state, into=self._state, stamp=stamp)
                return self._native.step(tokens_B, self._state, into=self._state.map(Tensor.contiguous))
            except NativeUnavailable as reason:
                self._leave_native(reason)
        return self.network(tokens_B.to(self.network.emb.weight.device).unsqueeze(1), self._state, head="last")

    def _leave_native(self, reason: NativeUnavailable) -> None:
        """The weights lie elsewhere or otherwise than at the start."""
        log.warning("decode=torch reason=%s", reason)
        self._native = self._prefill = None

    def _offer(self, generations: list[Generation], logits_BV) -> None:
        """Let each generation draw from its row; one that cannot ends alone."""
        for generation, logits_V in zip(generations, logits_BV.float().cpu(), strict=True):
            try:
                generation.take(logits_V)
            except FloatingPointError as error:
                generation.fail(EngineError(f"{error}: load a checkpoint, or roll back", code="not_finite"))

    def _sweep(self) -> None:
        """Close the answers that ended and drop their rows."""
        for generation in self._reading:
            if generation.finish_reason is not None:
                for one in generation.group:
                    one.close(None)
        self._reading = deque(g for g in self._reading if g.finish_reason is None)
        for row, generation in enumerate(self._running):
            if generation.finish_reason is not None:
                generation.close(None if generation.finish_reason == "error" else self._state.row(row))
            elif generation.ticket.backlog > FAR_BEHIND:
                self._set_aside(generation, self._state.row(row))
        rows = [row for row, g in enumerate(self._running) if g.finish_reason is None and g not in self._aside]
        if len(rows) < len(self._running):
            self._running = [self._running[row] for row in rows]
            self._state = self._state.rows(rows) if rows else None
