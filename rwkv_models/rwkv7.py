"""RWKV-7: the network, under the parameter names of BlinkDL's checkpoints (arXiv 2503.14456).

Shape letters: B batch, T time, C channels, H heads, N size of a head (C = H*N), V vocabulary, R a low rank, F ffn width.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from rwkv_models.adapters import Adapters
from rwkv_models.linear import Linear, aside, join
from rwkv_models.pause import pausing
from rwkv_models.pointwise import implementation
from rwkv_models.state import State
from rwkv_models.wkv7 import wkv7

GROUP_NORM_EPS = 64e-5


@dataclass(frozen=True)
class Shape:
    """The sizes of an RWKV-7 network; what a checkpoint's tensors tell of it."""

    layers: int
    channels: int
    vocabulary: int
    head_size: int = 64
    ffn: int = 0
    rank_w: int = 0
    rank_a: int = 0
    rank_v: int = 0
    rank_g: int = 0

    def __post_init__(self):
        if self.channels % self.head_size:
            raise ValueError(f"{self.channels} channels are no multiple of the head size {self.head_size}")
        for name, factor in (("rank_w", 2.5), ("rank_a", 2.5), ("rank_v", 1.7), ("rank_g", 5.0)):
            if not getattr(self, name):
                object.__setattr__(self, name, max(32, round(factor * math.sqrt(self.channels) / 32) * 32))
        if not self.ffn:
            object.__setattr__(self, "ffn", 4 * self.channels)

    @property
    def heads(self) -> int:
        """Heads of the time mix."""
        return self.channels // self.head_size


@dataclass(frozen=True)
class _Padding:
    """Where rows end: `keep_BT1` is 1 before that, `last_B11` the place of the last token, `none_B1` whether a row has none."""

    keep_BT1: Tensor
    last_B11: Tensor
    none_B1: Tensor

    @classmethod
    def of(cls, lengths_B: Tensor, T: int, dtype: torch.dtype) -> _Padding:
        keep_BT = torch.arange(T, device=lengths_B.device) < lengths_B.unsqueeze(1)
        return cls(keep_BT.unsqueeze(2).to(dtype), (lengths_B - 1).clamp(min=0).view(-1, 1, 1), (lengths_B == 0).unsqueeze(1))


def _last(shift_BC: Tensor, x_BTC: Tensor, padding: _Padding | None) -> Tensor:
    """The last token read [B, C], or what came before where a row has none."""
    if padding is None:
        if x_BTC.shape[1] == 1:
            return x_BTC[:, 0]
        return x_BTC[:, -1].clone()  # not a view: a kept state would keep all T tokens alive
    # gather, as the gradient of an index is a dozen kernels
    last_BC = x_BTC.gather(1, padding.last_B11.expand(-1, 1, x_BTC.shape[2])).squeeze(1)
    return torch.where(padding.none_B1, shift_BC, last_BC)


class TimeMix(nn.Module):
    """Attention's place: the wkv memory with in-context learning rates, value residual, gate and bonus."""

    def __init__(self, shape: Shape, layer: int):
        super().__init__()
        C, N = shape.channels, shape.head_size
        self.heads, self.head_size, self.layer = shape.heads, N, layer
        for name in ("x_r", "x_w", "x_k", "x_v", "x_a", "x_g", "w0", "a0", "k_k", "k_a", *(("v0",) if layer else ())):
            setattr(self, name, nn.Parameter(torch.zeros(1, 1, C)))
        ranks = {"w": shape.rank_w, "a": shape.rank_a, "g": shape.rank_g, **({"v": shape.rank_v} if layer else {})}
        for name, R in ranks.items():
            setattr(self, f"{name}1", nn.Parameter(torch.zeros(C, R)))
            setattr(self, f"{name}2", nn.Parameter(torch.zeros(R, C)))
        self.r_k = nn.Parameter(torch.zeros(shape.heads, N))
        self.receptance, self.key, self.value, self.output = (Linear(C, C) for _ in range(4))
        self.ln_x = nn.GroupNorm(shape.heads, C, eps=GROUP_NORM_EPS)
        self.aside: torch.cuda.Stream | None = None  # where low ranks are computed, while a graph is recorded
        self.register_parameter("time_state", None)  # [H, N, N] under state tuning: see adapters.TimeState

    def forward(self, x_BTC, shift_BC, v_first_BTC, wkv_BHNN, padding):
        """Returns (y_BTC, last x_BC, v_first_BTC, new wkv_BHNN)."""
        B, T, C = x_BTC.shape
        H, N = self.heads, self.head_size
        between = implementation(x_BTC, N)
        mixes = torch.cat((self.x_r, self.x_w, self.x_k, self.x_v, self.x_a, self.x_g)).view(6, C)
        xr, xw, xk, xv, xa, xg = between.shift_mix(x_BTC, shift_BC, mixes)
        first = self.layer == 0
        with aside(self.aside, xw, xa, xg, xv):
            w = torch.tanh(xw @ self.w1) @ self.w2
            a = (xa @ self.a1) @ self.a2
            g = torch.sigmoid(xg @ self.g1) @ self.g2
            towards, v0 = (None, None) if first else ((xv @ self.v1) @ self.v2, self.v0)
        r, k, v = self.receptance(xr), self.key(xk), self.value(xv)
        join(self.aside, w, a, g, *(() if first else (towards,)))
        decay, key, value, erase, write = between.prepare(
            k, v, w, a, towards, None if first else v_first_BTC, padding and padding.keep_BT1, self.w0, self.a0, v0, self.k_k, self.k_a, H,
            wkv_BHNN.dtype)
        heads = lambda x_BTC: x_BTC.view(B, T, H, N)  # noqa: E731
        y, wkv_BHNN = wkv7(heads(r), heads(decay), heads(key), heads(value), heads(erase), heads(write), wkv_BHNN)
        out = between.finish(y.reshape(B, T, C), r, key, value, g, self.ln_x.weight, self.ln_x.bias, self.r_k, self.ln_x.eps)
        return self.output(out), _last(shift_BC, x_BTC, padding), v if first else v_first_BTC, wkv_BHNN


class ChannelMix(nn.Module):
    """The feed-forward part: squared ReLU between two matrices, with token shift."""

    def __init__(self, shape: Shape):
        super().__init__()
        self.x_k = nn.Parameter(torch.zeros(1, 1, shape.channels))
        self.key = Linear(shape.channels, shape.ffn)
        self.value = Linear(shape.ffn, shape.channels)
        self.head_size = shape.head_size

    def forward(self, x_BTC, shift_BC, padding):
        """Returns (y_BTC, last x_BC)."""
        between = implementation(x_BTC, self.head_size)
        (mixed,) = between.shift_mix(x_BTC, shift_BC, self.x_k.view(1, -1))
        return self.value(between.squared_relu(self.key(mixed))), _last(shift_BC, x_BTC, padding)


class Block(nn.Module):
    """One layer: time mix and channel mix, each behind a LayerNorm and added to the stream."""

    def __init__(self, shape: Shape, layer: int):
        super().__init__()
        C = shape.channels
        if layer == 0:
            self.ln0 = nn.LayerNorm(C)
        self.layer = layer
        self.ln1, self.ln2 = nn.LayerNorm(C), nn.LayerNorm(C)
        self.att, self.ffn = TimeMix(shape, layer), ChannelMix(shape)

    def forward(self, x_BTC, att_shift_BC, ffn_shift_BC, wkv_BHNN, v_first_BTC, padding):
        """Returns (x_BTC, att_shift_BC, ffn_shift_BC, wkv_BHNN, v_first_BTC)."""
        if self.layer == 0:
            x_BTC = self.ln0(x_BTC)
        y, att_shift_BC, v_first_BTC, wkv_BHNN = self.att(
            self.ln1(x_BTC), att_shift_BC, v_first_BTC, wkv_BHNN, padding)
        x_BTC = x_BTC + y
        y, ffn_shift_BC = self.ffn(self.ln2(x_BTC), ffn_shift_BC, padding)
        return x_BTC + y, att_shift_BC, ffn_shift_BC, wkv_BHNN, v_first_BTC


class RWKV7(nn.Module):
    """The whole network as a function of tokens and state.

    adapters            what may be laid over its weights, by name
    quantized           None, or what the matrices of the blocks are stored as (rwkv_models/quantized.py)
    checkpoint_blocks   keep only what enters each block for the backward, and run the block again there
    pause               None, or what is called before each block, in a forward and in its backward
    graphs              None, or what reads some batches in the place of `read` (rwkv_models/graph_reading.py)
    """

    family = "rwkv7"

    def __init__(self, shape: Shape):
        super().__init__()
        self.shape = shape
        self.emb = nn.Embedding(shape.vocabulary, shape.channels)
        self.blocks = nn.ModuleList(Block(shape, i) for i in range(shape.layers))
        self.ln_out = nn.LayerNorm(shape.channels)
        self.head = Linear(shape.channels, shape.vocabulary)
        self.adapters = Adapters(self)
        self.quantized: str | None = None
        self.checkpoint_blocks = False
        self.pause: Callable[[], None] | None = None
        self.graphs: Callable[[Tensor, State, Tensor | None], tuple[Tensor, State] | None] | None = None

    def zero_state(self, batch: int = 1) -> State:
        """The state before anything was read."""
        # parameters(), as reading emb.weight in a forward has ZeRO-3 gather it, for the sake of its type and device
        shape, like = self.shape, next(self.emb.parameters())
        wkv_dtype = torch.float64 if like.dtype == torch.float64 else torch.float32
        shift = lambda: tuple(like.new_zeros(batch, shape.channels) for _ in range(shape.layers))  # noqa: E731
        N = shape.head_size
        return State(shift(), shift(), tuple(
            like.new_zeros(batch, shape.heads, N, N, dtype=wkv_dtype) for _ in range(shape.layers)))

    def initial_state(self, batch: int = 1) -> State:
        """The state that a sequence begins from when no other is given: zeros, or the tuned one, with gradients to it."""
        state = self.zero_state(batch)
        if self.blocks[0].att.time_state is None:
            return state
        # repeat, as it copies: a state that shared the parameter's memory would change with the next step, or be written over
        return State(state.att_shift, state.ffn_shift, tuple(
            block.att.time_state.to(wkv.dtype).repeat(batch, 1, 1, 1) for block, wkv in zip(self.blocks, state.wkv, strict=True)))

    def dropout(self, seed: int | None) -> AbstractContextManager[None]:
        """Inside, adapters drop inputs by the masks of `seed`, in every call with or without a graph; nothing is dropped outside.

        To be held around the forwards of a training step and not across them: answers given in between shall drop nothing.
        """
        return self.adapters.dropout.seeded(seed)

    def forward(self, tokens_BT: Tensor, state: State | None = None, lengths_B: Tensor | None = None,
                head: str = "all") -> tuple[Tensor, State]:
        """Read tokens after `state`; return (output, new state).

        lengths_B: row i has lengths[i] tokens (0 to T); what follows is padding, leaves the state as it is, and its
        output means nothing. `head`: "all" → logits [B, T, V]; "last" → logits [B, V] of each row's last token;
        "none" → the normalised hidden vectors [B, T, C] that `self.head` turns into logits.
        """
        B, T = tokens_BT.shape
        state = self.initial_state(B) if state is None else state
        hidden_BTC, state = self.graphs and self.graphs(tokens_BT, state, lengths_B) or self.read(tokens_BT, state, lengths_B)
        if head == "last":
            rows = torch.arange(B, device=hidden_BTC.device)
            hidden_BTC = hidden_BTC[:, -1] if lengths_B is None else hidden_BTC[rows, (lengths_B - 1).clamp(min=0)]
        return (hidden_BTC if head == "none" else self.head(hidden_BTC)), state

    def read(self, tokens_BT: Tensor, state: State, lengths_B: Tensor | None) -> tuple[Tensor, State]:
        """`forward` without the head, and one kernel after another: (normalised hidden vectors [B, T, C], new state)."""
        x_BTC, v_first = self.emb(tokens_BT), None
        padding = None if lengths_B is None else _Padding.of(lengths_B, tokens_BT.shape[1], x_BTC.dtype)
        new, again = [], self.checkpoint_blocks and torch.is_grad_enabled()
        for block, *layer_state in zip(self.blocks, state.att_shift, state.ffn_shift, state.wkv, strict=True):
            if self.pause is not None:
                x_BTC = pausing(x_BTC, self.pause)
            arguments = (x_BTC, *layer_state, v_first, padding)
            x_BTC, *layer_state, v_first = self._again_in_backward(block, arguments) if again else block(*arguments)
            new.append(layer_state)
        return self.ln_out(x_BTC), State(*(tuple(kind) for kind in zip(*new, strict=True)))

    def _again_in_backward(self, block: Block, arguments: tuple) -> tuple:
        """block(*arguments), keeping the arguments alone; dropout is as it was now when the block is run again."""
        seed = self.adapters.dropout.seed

        def run(*arguments):
            with self.dropout(seed):
                return block(*arguments)

        return checkpoint(run, *arguments, use_reentrant=False, preserve_rng_state=False)
