"""One decoding step on the CPU in native code: what `network(tokens, state, head="last")` computes, near the speed of memory.

native/decode.cpp, or decode_older.cpp before RWKV-7, reads the weights where they lie, in the OpenMP threads that torch uses;
native_library.py compiles them.
Where that cannot be, NativeUnavailable says why in one sentence, and the caller stays with the network itself.

Shape letters: B batch, C channels, H heads, N size of a head, V vocabulary.
"""

from __future__ import annotations

import ctypes
from array import array
from collections.abc import Sequence

import torch
from torch import Tensor

from rwkv_models.native_layouts import NETWORK, layout_of
from rwkv_models.native_library import NativeUnavailable, function
from rwkv_models.network import Network
from rwkv_models.state import State


class NativeDecode:
    """The step of one network on the CPU, fp32 or bf16 weights, which it reads where they lie: training may go on between steps.

    Weights may change, move or be replaced between steps, not during one; modules may not be replaced. Hooks do not run.
    Raises NativeUnavailable.
    """

    def __init__(self, network: Network):
        layout = layout_of(network)
        _check_adapter(network)
        with torch.device("meta"):
            self._wanted = {name: p.shape for name, p in type(network)(network.shape).named_parameters()}
        # A time_state is where sequences begin; a step from a given state has nothing to do with it.
        extra = {name for name, _ in network.named_parameters() if not name.endswith(".att.time_state")} ^ self._wanted.keys()
        if extra:
            raise NativeUnavailable(f"native decoding takes a plain {network.title}, this network differs in {min(extra)}")
        self.network, self.shape = network, network.shape
        self._names = [*NETWORK, *(f"blocks.{i}.{name}" for i in range(self.shape.layers) for name in layout.layer)]
        self._slots = []  # for each pointer: the parameters of its module, and its name there
        for name in self._names:
            module, _, last = name.rpartition(".")
            self._slots.append((network.get_submodule(module)._parameters, last) if name in self._wanted else None)
        self.sizes = (ctypes.c_int64 * len(layout.sizes))(*layout.sizes)
        self._wkv_size = tuple(network.zero_wkv(1, torch.empty(0, device="meta")).shape[1:])
        self._pointers, self.dtype = None, torch.float32
        self.table()
        self._run = function(layout.function, "pppppiii")

    def table(self) -> array:
        """The weights' addresses, read afresh for every step: `parameter.data = ...`, `load_state_dict(assign=True)` and
        DeepSpeed move weights without a sign, and reading 270 addresses takes 20 microseconds. What lies there is looked
        at when an address changed: a new tensor beside a living old one never has its address."""
        _check_adapter(self.network)
        try:
            pointers = array("Q", [slot[0][slot[1]].data_ptr() if slot else 0 for slot in self._slots])
        except (KeyError, AttributeError):
            raise NativeUnavailable("native decoding found a parameter of the network gone") from None
        if pointers != self._pointers:
            self._look()
            self._pointers = pointers
        return pointers

    def _look(self) -> None:
        found = [(name, slot[0][slot[1]]) for name, slot in zip(self._names, self._slots, strict=True) if slot]
        dtype = found[0][1].dtype
        for name, p in found:
            if p.device.type != "cpu" or p.dtype is not dtype or dtype not in (torch.float32, torch.bfloat16):
                raise NativeUnavailable("native decoding takes weights all of fp32 or all of bf16 on the CPU, "
                                        f"{name} is {p.dtype} on {p.device}")
            if p.shape != self._wanted[name] or not p.is_contiguous():
                raise NativeUnavailable(f"native decoding takes whole weights in one piece of memory, {name} is {list(p.shape)} "
                                        f"with strides {list(p.stride())}")
        self.dtype = dtype

    @torch.no_grad()
    def step(self, tokens_B: Tensor, state: State, into: State | None = None) -> tuple[Tensor, State]:
        """Read one token a row; returns (logits [B, V] fp32, new state), without history. Neither input is changed.

        `into`: a state whose memory the new one takes, instead of fresh memory; it may be `state` itself. For the loop
        that alone holds it: the pages of fresh memory cost more than the arithmetic once a batch is large.

        A row's result does not depend on the other rows nor on the number of threads (torch.get_num_threads()).
        Raises IndexError for a token outside the vocabulary, ValueError for a state of another shape, NativeUnavailable
        when the weights have become something else than at the start, or an adapter other than a state is in use.
        """
        weights, dtype, shape = self.table(), self.dtype, self.shape
        if tokens_B.dim() != 1:
            raise ValueError(f"one token a row, as a tensor of one dimension, not {list(tokens_B.shape)}")
        if into is not None and not all(t.is_contiguous() for t in into.tensors()):
            raise ValueError("the state to write into is not in one piece of memory")
        B, old = tokens_B.shape[0], state.map(Tensor.contiguous)
        new = self.fresh_state(B) if into is None else into
        pointers = array("Q", self.state_addresses(old, B) + self.state_addresses(new, B))
        tokens_B, logits_BV = tokens_B.to("cpu", torch.int64).contiguous(), torch.empty(B, shape.vocabulary)
        failure = self._run(self.sizes, weights.buffer_info()[0], pointers.buffer_info()[0], tokens_B.data_ptr(), logits_BV.data_ptr(),
                            B, torch.get_num_threads(), dtype is torch.bfloat16)
        if failure == 1:
            raise IndexError(f"a token lies outside the vocabulary of {shape.vocabulary}")
        if failure:
            raise MemoryError("no memory for a decoding step")
        return logits_BV, new

    def fresh_state(self, B: int) -> State:
        """Memory for a state of B rows, in one allocation a kind."""
        C, L = self.shape.channels, self.shape.layers
        shift, wkv = torch.empty(2 * L, B, C, dtype=self.dtype).unbind(0), torch.empty(L, B, *self._wkv_size).unbind(0)
        return State(shift[:L], shift[L:], wkv)

    def state_addresses(self, state: State, B: int) -> list[int]:
        """Where a state of B rows lies, layer by layer. Raises ValueError for one of another shape."""
        L = self.shape.layers
        _check((*state.att_shift, *state.ffn_shift), 2 * L, (B, self.shape.channels), self.dtype)
        _check(state.wkv, L, (B, *self._wkv_size), torch.float32)
        return [t.data_ptr() for layer in zip(state.att_shift, state.ffn_shift, state.wkv, strict=True) for t in layer]


def _check_adapter(network: Network) -> None:
    adapter = network.adapters.current
    if adapter is not None and adapter.kind != "state":
        raise NativeUnavailable(f"native decoding reads the network's own weights alone, the adapter {adapter.name} is in use")


def _check(tensors: Sequence[Tensor], count: int, size: tuple[int, ...], dtype: torch.dtype) -> None:
    if len(tensors) != count:
        raise ValueError(f"a state holds {len(tensors)} tensors where this network needs {count}")
    for t in tensors:
        if t.shape != size or t.dtype is not dtype or not t.is_cpu:
            raise ValueError(f"a state holds {t.dtype} {list(t.shape)} on {t.device}, this step needs {dtype} {list(size)} on the cpu")
