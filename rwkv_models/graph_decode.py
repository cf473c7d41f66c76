"""Decoding on a GPU: a step of B rows as one CUDA graph, what `network(tokens, state, head="last")` computes, near the speed of memory.

A graph is recorded the first time that a batch needs it, for 1, 2, 4, … 64 rows; rows beyond the batch are computed and mean nothing. All
graphs work on one set of slots, the state of as many rows as the largest batch so far. They read the network's own parameters at the
addresses that these had at the recording: training may write there at any time between steps. Addresses are looked at in every step, unless
the caller knows that no weight has changed, and where one has moved, graphs are recorded afresh. A replay takes no memory of the card.
The step of one row reads a copy of ffn.value, turned so that it can leave out what meets a zero, and made again when weights have changed.

Shape letters: B batch, C channels, H heads, N size of a head, V vocabulary.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable

import torch
from torch import Tensor

from rwkv_models import card_memory
from rwkv_models.native_library import NativeUnavailable
from rwkv_models.rwkv7 import RWKV7
from rwkv_models.state import State

try:
    from rwkv_models.decode_step import INTERPRETED, DecodeStep
except ImportError:  # torch's CUDA builds bring Triton along, others do not
    DecodeStep = None

MAX_ROWS = 64
HEAD_SIZES = (16, 32, 64, 128)
DTYPES = (torch.float32, torch.bfloat16)
LANES = 16  # sizes are multiples of what a matrix unit takes


class _Recorded:
    """One step of B rows: its inputs and outputs in the host's memory, and the function that runs it."""

    def __init__(self, step: DecodeStep):
        on_gpu = not INTERPRETED
        self.tokens = torch.empty(step.tokens.shape, dtype=torch.int64, pin_memory=on_gpu)
        self.logits = torch.empty(step.logits.shape, pin_memory=on_gpu)
        self._step = step  # whose buffers the graph works on
        self._stamp: int | None = None
        self.tokens.zero_()
        self.run = _graph(self._launch, step.tokens.device) if on_gpu else self._launch

    def turn(self, stamp: int | None) -> None:
        """Follow the weights where the step has a copy of some, unless these are what they were at this stamp."""
        if stamp is None or stamp != self._stamp:
            self._step.turn()
            self._stamp = stamp

    def _launch(self) -> None:
        self._step.tokens.copy_(self.tokens, non_blocking=True)
        self._step.launch()
        self.logits.copy_(self._step.logits, non_blocking=True)


def _graph(launch: Callable[[], None], device: torch.device) -> Callable[[], None]:
    """A function that replays what `launch` starts, and returns when it is done. `launch` is run once outside of the graph."""
    graph, stream = torch.cuda.CUDAGraph(), torch.cuda.Stream(device)
    stream.wait_stream(torch.cuda.current_stream(device))
    # Not torch.cuda.graph, which would give the memory that training keeps for its next step back to the card.
    with torch.cuda.stream(stream):
        launch()
        stream.synchronize()
        graph.capture_begin(capture_error_mode="thread_local")
        launch()
        graph.capture_end()

    def run() -> None:
        with torch.cuda.device(device):
            graph.replay()
            torch.cuda.current_stream(device).synchronize()

    return run


class GraphDecode:
    """The step of one network on a GPU, bf16 or fp32 weights. Weights may change, move or be replaced between steps; modules may not.

    Raises NativeUnavailable, saying why in one sentence, where the caller must stay with the network itself.
    """

    def __init__(self, network: RWKV7):
        if DecodeStep is None:
            raise NativeUnavailable("decoding by CUDA graphs needs Triton, which is not installed")
        self.network, self.shape = network, network.shape
        if network.family != RWKV7.family:
            raise NativeUnavailable(f"decoding by CUDA graphs takes RWKV-7, this network is {network.title}")
        for name in ("channels", "ffn", "rank_w", "rank_a", "rank_v", "rank_g"):
            if getattr(self.shape, name) % LANES:
                raise NativeUnavailable(f"decoding by CUDA graphs takes sizes that are multiples of {LANES}, "
                                        f"this network's {name} is {getattr(self.shape, name)}")
        if self.shape.head_size not in HEAD_SIZES:
            raise NativeUnavailable(f"decoding by CUDA graphs takes heads of {', '.join(map(str, HEAD_SIZES))}, "
                                    f"this network's are of {self.shape.head_size}")
        with torch.device("meta"):
            self._wanted = {name: p.shape for name, p in RWKV7(self.shape).named_parameters()}
        self._forget()
        self._look()

    def _forget(self) -> None:
        self._recorded: dict[int, _Recorded] = {}
        self._slots: State | None = None
        self._views: dict[int, State] = {}

    def _look(self) -> None:
        """See whether the parameters are such as the kernels read, and remember where they lie."""
        _check_adapter(self.network)
        # A time_state is where sequences begin; a step from a given state has nothing to do with it.
        found = {name: p for name, p in self.network.named_parameters() if not name.endswith(".att.time_state")}
        if extra := found.keys() ^ self._wanted.keys():
            raise NativeUnavailable(f"decoding by CUDA graphs takes a plain RWKV-7, this network differs in {min(extra)}")
        like = next(iter(found.values()))
        place = "cpu" if INTERPRETED else "cuda"
        for name, p in found.items():
            if (p.device, p.dtype) != (like.device, like.dtype) or p.device.type != place or p.dtype not in DTYPES:
                raise NativeUnavailable("decoding by CUDA graphs takes weights all of fp32 or all of bf16 on one GPU, "
                                        f"{name} is {p.dtype} on {p.device}")
            if p.shape != self._wanted[name] or not p.is_contiguous():
                raise NativeUnavailable(f"decoding by CUDA graphs takes whole weights in one piece of memory, {name} is {list(p.shape)} "
                                        f"with strides {list(p.stride())}")
        self.device, self.dtype = like.device, like.dtype
        self._stamp = None
        self._places = [(module._parameters, name) for module in self.network.modules()
                        for name in module._parameters if name != "time_state" and module._parameters[name] is not None]
        self._addresses = self._addresses_now()

    def _addresses_now(self) -> list[int]:
        try:
            return [parameters[name].data_ptr() for parameters, name in self._places]
        except (KeyError, AttributeError):
            raise NativeUnavailable("decoding by CUDA graphs found a parameter of the network gone") from None

    @torch.no_grad()
    def step(self, tokens_B: Tensor, state: State, into: State | None = None, stamp: int | None = None) -> tuple[Tensor, State]:
        """Read one token a row; returns (logits [B, V] fp32 on the CPU, new state), without history. Neither input is changed,
        unless `into` says so. The logits lie in memory that the next step writes over.

        `into`: any state. With it the caller lets `state` go, and the new one lies in the slots, where it holds until the next
        step; handed back then, it is not copied. Without it the new state is a copy of the slots.
        `stamp`: the caller's word that weights are what they were in the last step with this stamp. Spares looking at a thousand
        addresses, a tenth of a millisecond.

        Raises IndexError for a token outside the vocabulary, ValueError for a state of another shape, NativeUnavailable for
        more than 64 rows, or when the weights have become something else than at the start, or an adapter other than a state is in use.
        """
        if tokens_B.dim() != 1:
            raise ValueError(f"one token a row, as a tensor of one dimension, not {list(tokens_B.shape)}")
        if not all(0 <= token < self.shape.vocabulary for token in tokens_B.tolist()):
            raise IndexError(f"a token lies outside the vocabulary of {self.shape.vocabulary}")
        B = tokens_B.shape[0]
        if not 0 < B <= MAX_ROWS:
            raise NativeUnavailable(f"decoding by CUDA graphs takes 1 to {MAX_ROWS} rows, these are {B}")
        _check_adapter(self.network)
        if stamp is None or stamp != self._stamp:
            if self._addresses_now() != self._addresses:
                self._forget()  # a state in the slots lives on with whom it was given to
                self._look()
            self._stamp = stamp
        with torch.inference_mode(False), torch.no_grad():  # the slots shall be ordinary tensors, whoever asks for them first
            recorded, state = self._ready(B, state)
            recorded.turn(stamp)
        recorded.tokens[:B] = tokens_B
        recorded.run()
        new = self._views[B]
        return recorded.logits[:B], new if into is not None else new.map(torch.clone)

    def _ready(self, B: int, state: State) -> tuple[_Recorded, State]:
        """The recorded step for a batch of B, `state` being in the slots."""
        rows = 1 << (B - 1).bit_length()
        mine = self._views.get(B)
        in_place = mine is not None and (mine is state or all(map(operator.is_, state.tensors(), mine.tensors())))
        if not in_place:
            self._check(state, B)
        if rows not in self._recorded:
            state, in_place = state.map(torch.clone), False  # recording runs the step once, on whatever the slots hold
            if self._slots is None or self._slots.batch < rows:
                self._forget()
                self._slots = self._fresh(rows)
            self._recorded[rows] = _Recorded(DecodeStep(self.network, self._slots, rows, self._turned() if rows == 1 else ()))
        if B not in self._views:
            self._views[B] = self._slots.map(lambda t: t[:B])
        if not in_place:
            for mine, theirs in zip(_kinds(self._views[B]), _kinds(state), strict=True):
                torch._foreach_copy_(mine, theirs)
        return self._recorded[rows], state

    def _turned(self) -> tuple[Tensor, ...]:
        """Memory for ffn.value of all layers, turned; none where it is more than a quarter of what the card has left."""
        size = (self.shape.layers, self.shape.ffn, self.shape.channels)
        if not INTERPRETED and 4 * math.prod(size) * self.dtype.itemsize > card_memory.left(self.device)[0]:
            return ()
        return torch.empty(size, dtype=self.dtype, device=self.device).unbind(0)

    def _fresh(self, rows: int) -> State:
        """Memory for a state of so many rows, in one allocation a kind, of zeros."""
        C, L, N = self.shape.channels, self.shape.layers, self.shape.head_size
        shift = torch.zeros(2 * L, rows, C, dtype=self.dtype, device=self.device).unbind(0)
        return State(shift[:L], shift[L:], torch.zeros(L, rows, self.shape.heads, N, N, device=self.device).unbind(0))

    def _check(self, state: State, B: int) -> None:
        L, N = self.shape.layers, self.shape.head_size
        shift, wkv = ((B, self.shape.channels), self.dtype), ((B, self.shape.heads, N, N), torch.float32)
        for kind, (size, dtype) in zip(_kinds(state), (shift, shift, wkv), strict=True):
            if len(kind) != L:
                raise ValueError(f"a state holds {len(kind)} layers where this network has {L}")
            for t in kind:
                if t.shape != size or t.dtype is not dtype or t.device != self.device:
                    raise ValueError(f"a state holds {t.dtype} {list(t.shape)} on {t.device}, "
                                     f"this step needs {dtype} {list(size)} on {self.device}")


def _kinds(state: State) -> tuple[tuple[Tensor, ...], ...]:
    return state.att_shift, state.ffn_shift, state.wkv


def _check_adapter(network: RWKV7) -> None:
    adapter = network.adapters.current
    if adapter is not None and adapter.kind != "state":
        raise NativeUnavailable(f"decoding by CUDA graphs reads the network's own weights alone, the adapter {adapter.name} is in use")
