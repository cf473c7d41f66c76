"""Reading many tokens on the CPU: what `network(tokens, state, head=…)` computes, with all but the matrix products in native code.

torch multiplies, into memory that is kept; native/prefill.cpp does what lies between the products in one pass each.
In bf16 only what products take and give is bf16; the stream and the wkv memory are fp32.

Shape letters: B batch, T time, L tokens of a row in one slice, n = B*L, C channels, R a low rank, F ffn width, V vocabulary.
"""

from __future__ import annotations

import math
from array import array

import torch
from torch import Tensor

from rwkv_models.native_decode import NativeDecode
from rwkv_models.native_library import NativeUnavailable, function
from rwkv_models.rwkv7 import RWKV7, Shape
from rwkv_models.state import State

SLICE = 512  # tokens: longer ones are read slice by slice, so that memory does not grow with them
# native/prefill.cpp's stages, in the order of its switch.
TIME_MIX_INPUTS, TIME_MIX_ACTIVATIONS, HEADS, CHANNEL_MIX_INPUTS, CHANNEL_MIX_ACTIVATION, NORM_ALL, LAST_LOGITS = range(7)


class Buffers:
    """The memory of one slice of n tokens, cut from one piece.

    x_nC the stream before the time mix, between_nC before the channel mix, both fp32; the rest in the weights' dtype:
    mixed_6nC (r w k v a g), added_nC (the product that comes onto the stream), heads_8nC (r k v w a v_gate g y), v_first_nC,
    low_nR (w a v g), hidden_nF (in the place of heads, which are done with by then).
    """

    def __init__(self, memory: Tensor, n: int, shape: Shape, dtype: torch.dtype):
        C, F = shape.channels, shape.ffn
        self.n, self.dtype = n, dtype
        at = 0

        def take(*size: int, of: torch.dtype = dtype) -> Tensor:
            nonlocal at
            start, at = at, at + math.prod(size) * of.itemsize
            return memory[start:at].view(of).view(size)

        self.x_nC, self.between_nC = take(n, C, of=torch.float32), take(n, C, of=torch.float32)
        self.mixed_6nC, self.added_nC, self.v_first_nC = take(6, n, C), take(n, C), take(n, C)
        self.low_nR = tuple(take(n, R) for R in (shape.rank_w, shape.rank_a, shape.rank_v, shape.rank_g))
        work = take(n * max(8 * C, F))
        self.heads_8nC, self.hidden_nF = work[: 8 * n * C].view(8, n, C), work[: n * F].view(n, F)

    @staticmethod
    def bytes(n: int, shape: Shape, dtype: torch.dtype) -> int:
        """How many it needs."""
        C = shape.channels
        numbers = 8 * C + max(8 * C, shape.ffn) + shape.rank_w + shape.rank_a + shape.rank_v + shape.rank_g
        return n * (2 * C * torch.float32.itemsize + numbers * dtype.itemsize)


class NativePrefill:
    """The reading of one network: the one that `decode` steps, under the same conditions. One call at a time: it keeps its memory.

    Raises NativeUnavailable for a network of an older family, which is read in torch.
    """

    def __init__(self, decode: NativeDecode):
        if decode.network.family != RWKV7.family:
            raise NativeUnavailable(f"native reading takes RWKV-7, this network is {decode.network.title}")
        self._decode = decode
        self._stage = function("rwkv7_prefill_stage", "iippppiiii")
        self._memory, self._buffers = torch.empty(0, dtype=torch.uint8), None

    @torch.no_grad()
    def read(self, tokens_BT: Tensor, state: State | None = None, head: str = "last") -> tuple[Tensor, State]:
        """Read T ≥ 1 tokens a row after `state`; returns (output, new state), without history. No input is changed.

        head: "last" → logits [B, V] fp32 of each row's last token; "none" → the normalised hidden vectors [B, T, C];
        "nothing" → an empty tensor, for those who want the state only.
        Raises what NativeDecode.step raises.
        """
        weights = self._decode.table()
        if tokens_BT.dim() != 2 or not tokens_BT.numel() or head not in ("last", "none", "nothing"):
            raise ValueError(f"tokens as [rows, at least one] and head last, none or nothing, not {list(tokens_BT.shape)} and {head}")
        B, T = tokens_BT.shape
        tokens_BT, length = tokens_BT.to("cpu", torch.int64), max(SLICE // B, 1)
        state = self._decode.network.initial_state(B) if state is None else state
        outputs = []
        for start in range(0, T, length):
            wanted = "nothing" if head == "last" and start + length < T else head
            output, state = self._slice(weights, tokens_BT[:, start : start + length].contiguous(), state, wanted)
            outputs.append(output)
        return (torch.cat(outputs, dim=1) if head == "none" else outputs[-1]), state

    def _make_room(self, n: int) -> Buffers:
        """The pages of fresh memory cost more than what is written to them: so the memory is kept."""
        shape, dtype = self._decode.shape, self._decode.dtype
        if self._buffers is None or (self._buffers.n, self._buffers.dtype) != (n, dtype):
            needed = Buffers.bytes(n, shape, dtype)
            with torch.inference_mode(False):  # written to in later calls, which may run without it
                if self._memory.numel() < needed:
                    self._memory = torch.empty(needed, dtype=torch.uint8)
                self._buffers = Buffers(self._memory, n, shape, dtype)
        return self._buffers

    def _slice(self, weights: array, tokens_BL: Tensor, state: State, wanted: str) -> tuple[Tensor, State]:
        """Raises IndexError for a token outside the vocabulary before anything is computed."""
        decode, (B, L) = self._decode, tokens_BL.shape
        buffers, mm = self._make_room(B * L), torch.mm
        old, new = state.map(Tensor.contiguous), decode.fresh_state(B)
        pointers = array("Q", decode.state_addresses(old, B) + decode.state_addresses(new, B))
        C = decode.shape.channels
        normed_BLC = torch.empty(B, L if wanted == "none" else 0, C, dtype=decode.dtype)
        logits_BV = torch.empty(B, decode.shape.vocabulary if wanted == "last" else 0)
        xr, xw, xk, xv, xa, xg = buffers.mixed_6nC.unbind(0)
        r, k, v, w, a, v_gate, g, y = buffers.heads_8nC.unbind(0)
        low_w, low_a, low_v, low_g = buffers.low_nR
        between, added, hidden, v_first = buffers.between_nC, buffers.added_nC, buffers.hidden_nF, buffers.v_first_nC

        def run(stage: int, layer: int, length: int = L) -> None:
            work = array("Q", [t.data_ptr() for t in (tokens_BL, buffers.x_nC, between, xr, r, k, v, w, a, v_gate, g, v_first, y, added,
                                                      low_w, low_g, hidden, normed_BLC, logits_BV)])
            failure = self._stage(stage, layer, decode.sizes, weights.buffer_info()[0], pointers.buffer_info()[0], work.buffer_info()[0],
                                  B, length, torch.get_num_threads(), decode.dtype is torch.bfloat16)
            if failure == 1:
                raise IndexError(f"a token lies outside the vocabulary of {decode.shape.vocabulary}")
            if failure:
                raise MemoryError("no memory for reading")

        length = L
        for i, block in enumerate(decode.network.blocks):
            att, ffn = block.att, block.ffn
            run(TIME_MIX_INPUTS, i)
            mm(xr, att.receptance.weight.t(), out=r)
            mm(xk, att.key.weight.t(), out=k)
            mm(xv, att.value.weight.t(), out=v if i else v_first)
            mm(xw, att.w1, out=low_w)
            mm(xa, att.a1, out=low_a)
            mm(xg, att.g1, out=low_g)
            run(TIME_MIX_ACTIVATIONS, i)
            mm(low_w, att.w2, out=w)
            mm(low_a, att.a2, out=a)
            mm(low_g, att.g2, out=g)
            if i:
                mm(mm(xv, att.v1, out=low_v), att.v2, out=v_gate)
            run(HEADS, i)
            if wanted != "none" and i == decode.shape.layers - 1:
                # Of the last layer's channel mix only the last token is asked for, and for its shift the one before it.
                length = min(L, 2)
                y, between = (t.view(B, L, C)[:, L - length :].reshape(B * length, C) for t in (y, between))
                xr, added, hidden = (t[: B * length] for t in (xr, added, hidden))
            mm(y, att.output.weight.t(), out=added)
            run(CHANNEL_MIX_INPUTS, i, length)
            mm(xr, ffn.key.weight.t(), out=hidden)
            run(CHANNEL_MIX_ACTIVATION, i, length)
            mm(hidden, ffn.value.weight.t(), out=added)
        if wanted != "nothing":
            run(NORM_ALL if wanted == "none" else LAST_LOGITS, 0, length)
        return (normed_BLC if wanted == "none" else logits_BV), new
