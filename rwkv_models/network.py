"""What every RWKV is: an embedding, blocks that hand on a state, a norm and a head, as one function of tokens and state.

A family is one file beside this one: its sizes and how a checkpoint's tensors tell of them, its time mix and its channel mix.

Shape letters: B batch, T time, C channels, H heads, N size of a head (C = H*N), V vocabulary.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from rwkv_models.adapters import Adapters
from rwkv_models.linear import Linear
from rwkv_models.pause import pausing
from rwkv_models.state import State


class WeightsError(ValueError):
    """A file that is no usable checkpoint; the text is one sentence that names file and tensor."""


@dataclass(frozen=True)
class Shape:
    """The sizes that a network of any family has."""

    layers: int
    channels: int
    vocabulary: int
    head_size: int = 64
    ffn: int = 0

    def __post_init__(self):
        if self.channels % self.head_size:
            raise ValueError(f"{self.channels} channels are no multiple of the head size {self.head_size}")
        if not self.ffn:
            object.__setattr__(self, "ffn", 4 * self.channels)

    @property
    def heads(self) -> int:
        """Heads of the time mix."""
        return self.channels // self.head_size


class Sizes:
    """The tensors of a checkpoint, asked for their sizes. WeightsError where one is missing or of another kind."""

    def __init__(self, tensors: Mapping[str, Tensor], path: Path, title: str):
        self._tensors, self._path, self._title = tensors, path, title
        self.vocabulary, self.channels = self.of("emb.weight", 2)
        self.layers = 1 + max(int(m[1]) for m in (re.match(r"blocks\.(\d+)\.", name) for name in tensors) if m)
        self.ffn = self.of("blocks.0.ffn.key.weight", 2)[0]

    def __contains__(self, name: str) -> bool:
        return name in self._tensors

    def of(self, name: str, *dims: int) -> torch.Size:
        """The size of a tensor, which has so many dimensions."""
        if name not in self._tensors:
            raise WeightsError(f"{self._path}: no tensor {name}: this is not an {self._title} checkpoint")
        size = self._tensors[name].shape
        if len(size) not in dims:
            raise WeightsError(f"{self._path}: {name} has {len(size)} dimensions, an {self._title} checkpoint has {dims[0]}")
        return size

    def check_heads(self, name: str, heads: int, head_size: int) -> None:
        """The heads that a tensor tells of must make up all channels."""
        if heads * head_size != self.channels:
            raise WeightsError(f"{self._path}: {name} is {heads} x {head_size}, which is not emb.weight's {self.channels} channels")


def last_token(shift_BC: Tensor, x_BTC: Tensor, lengths_B: Tensor | None) -> Tensor:
    """The last token read [B, C]: of row i token lengths[i] - 1, or what came before where a row has none."""
    if lengths_B is None:
        if x_BTC.shape[1] == 1:
            return x_BTC[:, 0]
        return x_BTC[:, -1].clone()  # not a view: a kept state would keep all T tokens alive
    # gather, as the gradient of an index is a dozen kernels
    last_BC = x_BTC.gather(1, (lengths_B - 1).clamp(min=0).view(-1, 1, 1).expand(-1, 1, x_BTC.shape[2])).squeeze(1)
    return torch.where((lengths_B == 0).unsqueeze(1), shift_BC, last_BC)


class Block(nn.Module):
    """One layer: time mix and channel mix, each behind a LayerNorm and added to the stream."""

    def __init__(self, shape: Shape, layer: int, att: nn.Module, ffn: nn.Module):
        super().__init__()
        C = shape.channels
        if layer == 0:
            self.ln0 = nn.LayerNorm(C)
        self.layer = layer
        self.ln1, self.ln2 = nn.LayerNorm(C), nn.LayerNorm(C)
        self.att, self.ffn = att, ffn

    def forward(self, x_BTC, att_shift_BC, ffn_shift_BC, wkv, handed_on, lengths_B, keep_BT1):
        """Returns (x_BTC, att_shift_BC, ffn_shift_BC, wkv, handed_on); the last is what a block tells the next beside the stream."""
        if self.layer == 0:
            x_BTC = self.ln0(x_BTC)
        y, att_shift_BC, wkv, handed_on = self.att(self.ln1(x_BTC), att_shift_BC, wkv, handed_on, lengths_B, keep_BT1)
        x_BTC = x_BTC + y
        y, ffn_shift_BC = self.ffn(self.ln2(x_BTC), ffn_shift_BC, lengths_B)
        return x_BTC + y, att_shift_BC, ffn_shift_BC, wkv, handed_on


class Network(nn.Module):
    """The whole network as a function of tokens and state.

    family, title       its family's name, for programs and for people
    mark                a tensor that the checkpoints of this family have, and of no family that is newer
    tunes_state         whether sequences may begin from a trained state
    adapters            what may be laid over its weights, by name
    quantized           None, or what the matrices of the blocks are stored as (rwkv_models/quantized.py)
    checkpoint_blocks   keep only what enters each block for the backward, and run the block again there
    pause               None, or what is called before each block, in a forward and in its backward
    graphs              None, or what reads and learns some batches in the place of `read` (rwkv_models/graph_reading.py)
    """

    family: ClassVar[str]
    title: ClassVar[str]
    mark: ClassVar[str]
    tunes_state: ClassVar[bool] = True

    def __init__(self, shape: Shape, blocks: Iterable[nn.Module]):
        super().__init__()
        self.shape = shape
        self.emb = nn.Embedding(shape.vocabulary, shape.channels)
        self.blocks = nn.ModuleList(blocks)
        self.ln_out = nn.LayerNorm(shape.channels)
        self.head = Linear(shape.channels, shape.vocabulary)
        self.adapters = Adapters(self)
        self.quantized: str | None = None
        self.checkpoint_blocks = False
        self.pause: Callable[[], None] | None = None
        self.graphs: Callable[[Tensor, State, Tensor | None], tuple[Tensor, State] | None] | None = None

    @staticmethod
    def shape_of(sizes: Sizes) -> Shape:
        """Read a network's sizes off the tensors of a checkpoint of this family."""
        raise NotImplementedError

    def zero_wkv(self, batch: int, like: Tensor) -> Tensor:
        """The memory of one layer before anything was read, of the type and on the device of `like`."""
        N = self.shape.head_size
        return like.new_zeros(batch, self.shape.heads, N, N)

    def zero_state(self, batch: int = 1) -> State:
        """The state before anything was read."""
        # parameters(), as reading emb.weight in a forward has ZeRO-3 gather it, for the sake of its type and device
        shape, like = self.shape, next(self.emb.parameters())
        shift = lambda: tuple(like.new_zeros(batch, shape.channels) for _ in range(shape.layers))  # noqa: E731
        memory = like.new_empty(0, dtype=torch.float64 if like.dtype == torch.float64 else torch.float32)
        return State(shift(), shift(), tuple(self.zero_wkv(batch, memory) for _ in range(shape.layers)))

    def initial_state(self, batch: int = 1) -> State:
        """The state that a sequence begins from when no other is given: zeros, or the tuned one, with gradients to it."""
        state = self.zero_state(batch)
        if not self.tunes_state or self.blocks[0].att.time_state is None:
            return state
        # repeat, as it copies: a state that shared the parameter's memory would change with the next step, or be written over
        return State(state.att_shift, state.ffn_shift, tuple(
            block.att.time_state.to(wkv.dtype).repeat(batch, 1, 1, 1) for block, wkv in zip(self.blocks, state.wkv, strict=True)))

    def handed_on(self, tokens_BT: Tensor) -> object:
        """What the first block is told beside the stream."""
        return None

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
        B = tokens_BT.shape[0]
        state = self.initial_state(B) if state is None else state
        hidden_BTC, state = self.graphs and self.graphs(tokens_BT, state, lengths_B) or self.read(tokens_BT, state, lengths_B)
        if head == "last":
            rows = torch.arange(B, device=hidden_BTC.device)
            hidden_BTC = hidden_BTC[:, -1] if lengths_B is None else hidden_BTC[rows, (lengths_B - 1).clamp(min=0)]
        return (hidden_BTC if head == "none" else self.head(hidden_BTC)), state

    def read(self, tokens_BT: Tensor, state: State, lengths_B: Tensor | None) -> tuple[Tensor, State]:
        """`forward` without the head, and one kernel after another: (normalised hidden vectors [B, T, C], new state)."""
        T = tokens_BT.shape[1]
        x_BTC, handed_on = self.emb(tokens_BT), self.handed_on(tokens_BT)
        keep_BT1 = None
        if lengths_B is not None:
            keep_BT1 = (torch.arange(T, device=tokens_BT.device) < lengths_B.unsqueeze(1)).unsqueeze(2).to(x_BTC.dtype)
        new, again = [], self.checkpoint_blocks and torch.is_grad_enabled()
        for block, *layer_state in zip(self.blocks, state.att_shift, state.ffn_shift, state.wkv, strict=True):
            if self.pause is not None:
                x_BTC = pausing(x_BTC, self.pause)
            arguments = (x_BTC, *layer_state, handed_on, lengths_B, keep_BT1)
            x_BTC, *layer_state, handed_on = self._again_in_backward(block, arguments) if again else block(*arguments)
            new.append(layer_state)
        return self.ln_out(x_BTC), State(*(tuple(kind) for kind in zip(*new, strict=True)))

    def _again_in_backward(self, block: Block, arguments: tuple) -> tuple:
        """block(*arguments), keeping the arguments alone; dropout is as it was now when the block is run again."""
        seed = self.adapters.dropout.seed

        def run(*arguments):
            with self.dropout(seed):
                return block(*arguments)

        return checkpoint(run, *arguments, use_reentrant=False, preserve_rng_state=False)
