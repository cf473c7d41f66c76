"""What may be laid over a network's own weights: adapters, kept by name, at most one in use.

A network's own parameters keep their names, tensors and memory whatever is attached, used or taken off. An adapter that is
not in use stays in memory, outside of `network.parameters()`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import torch
from torch import nn

from rwkv_models.dropout import Dropout, Mask
from rwkv_models.linear import linears
from rwkv_models.lora import LoRA
from rwkv_models.miss import MiSS

TARGETS = ("att.receptance", "att.key", "att.value", "att.output", "ffn.key", "ffn.value")


def is_laid_over(name: str) -> bool:
    """Whether a parameter of this name is an adapter's or a tuned state, and not one of the network's own."""
    return ".adapter." in name or name.endswith(".time_state")


class FactorAdapter:
    """LoRA or MiSS on some matrices of a network.

    layers    the module of each matrix, by the matrix's path ("blocks.0.att.key")
    """

    def __init__(self, network: nn.Module, name: str, kind: str, rank: int, alpha: float, dropout: float, paths: Sequence[str]):
        self.name, self.kind, self.rank, self.alpha = name, kind, rank, alpha
        like, found = network.emb.weight, linears(network)
        self.layers: dict[str, nn.Module] = {}
        for path in paths:
            I, O = found[path].in_features, found[path].out_features  # noqa: E741
            mask = Mask(network.adapters.dropout, path, dropout)
            module = LoRA(I, O, rank, alpha, mask) if kind == "lora" else MiSS(I, O, rank, mask)
            self.layers[path] = module.to(like.device, like.dtype)

    @property
    def dropout(self) -> float:
        """The share of inputs dropped while it trains."""
        return next(iter(self.layers.values())).mask.p

    @dropout.setter
    def dropout(self, p: float) -> None:
        for module in self.layers.values():
            module.mask.p = p

    def begin(self, seed: int) -> None:
        """The values that training begins from; the network computes what it did. The same for the same seed and paths."""
        for path, module in self.layers.items():
            stream = int.from_bytes(hashlib.sha256(f"{seed} {path}".encode()).digest()[:8], "little") >> 1
            module.begin(torch.Generator().manual_seed(stream))

    def tensors(self) -> dict[str, nn.Parameter]:
        """Its parameters, by the names that they have in the network while it is in use."""
        return {f"{path}.adapter.{name}": p for path, module in self.layers.items() for name, p in module.named_parameters()}

    def attach(self, network: nn.Module) -> None:
        """Lay it over the matrices."""
        found = linears(network)
        for path, module in self.layers.items():
            found[path].adapter = module

    def detach(self, network: nn.Module) -> None:
        """Take it off."""
        found = linears(network)
        for path in self.layers:
            found[path].adapter = None

    @torch.no_grad()
    def merge(self, network: nn.Module) -> None:
        """Add it to the weights: each becomes W + dW, computed in float64 and rounded to W's dtype once. ValueError if W is quantized."""
        found = linears(network)
        quantized = [path for path in self.layers if found[path].weight is None]
        if quantized:
            raise ValueError(f"the adapter {self.name} cannot be merged: {quantized[0]} is quantized; load the model unquantized to merge")
        for path, module in self.layers.items():
            weight = found[path].weight
            weight.copy_(weight.double() + module.delta())


def check_tunes_state(network: nn.Module) -> None:
    """ValueError in one sentence where sequences of this network cannot begin from a trained state."""
    if not network.tunes_state:
        raise ValueError(f"{network.title} has no initial state to tune: its memory is an average of what was read and no matrix; "
                         "trains.what may be all, parts, lora or miss")


class TimeState:
    """State tuning: the wkv state that every sequence begins from, `blocks.i.att.time_state` [H, N, N], value rows by key columns.

    That is RWKV-PEFT's orientation (its fla call, which wants key rows, transposes it), and that of the files which the `rwkv`
    package reads: its own state of RWKV-5 and 6 has key rows, and it transposes what it reads. ValueError where the network has none.
    """

    kind = "state"

    def __init__(self, network: nn.Module, name: str):
        check_tunes_state(network)
        self.name = name
        like, H, N = network.emb.weight, network.shape.heads, network.shape.head_size
        self.states = [nn.Parameter(like.new_zeros(H, N, N)) for _ in network.blocks]

    def tensors(self) -> dict[str, nn.Parameter]:
        """Its parameters, by the names that they have in the network while it is in use."""
        return {f"blocks.{i}.att.time_state": state for i, state in enumerate(self.states)}

    def attach(self, network: nn.Module) -> None:
        """Let sequences begin from it."""
        for block, state in zip(network.blocks, self.states, strict=True):
            block.att.time_state = state

    def detach(self, network: nn.Module) -> None:
        """Let sequences begin from zeros."""
        for block in network.blocks:
            block.att.time_state = None

    def merge(self, network: nn.Module) -> None:
        """A state is no change of the weights: ValueError."""
        raise ValueError(f"{self.name} is an initial state, which cannot be merged into the weights")


class Adapters:
    """The adapters of one network, by name; `active` is the name of the one in use, or None."""

    def __init__(self, network: nn.Module):
        self._network = network
        self._kept: dict[str, FactorAdapter | TimeState] = {}
        self.active: str | None = None
        self.dropout = Dropout()

    def names(self) -> list[str]:
        """All of them."""
        return list(self._kept)

    def __contains__(self, name: str) -> bool:
        return name in self._kept

    def __getitem__(self, name: str) -> FactorAdapter | TimeState:
        if name not in self._kept:
            raise ValueError(f"there is no adapter {name}; there {'are ' + ', '.join(self._kept) if self._kept else 'is none'}")
        return self._kept[name]

    @property
    def current(self) -> FactorAdapter | TimeState | None:
        """The one in use."""
        return None if self.active is None else self._kept[self.active]

    def add(self, adapter: FactorAdapter | TimeState) -> None:
        """Keep it under its name, in place of one of that name, which must not be in use (ValueError)."""
        if adapter.name == self.active:
            raise ValueError(f"the adapter {adapter.name} is in use: use another one, or none, before it is replaced")
        self._kept[adapter.name] = adapter

    def remove(self, name: str) -> None:
        """Forget one. ValueError if there is none of that name or it is in use."""
        self[name]
        if name == self.active:
            raise ValueError(f"the adapter {name} is in use: use another one, or none, before it is removed")
        del self._kept[name]

    def use(self, name: str | None) -> None:
        """Answer with this one from the next token on (None: with the network's own weights). ValueError if there is none such."""
        chosen = None if name is None else self[name]
        if self.current is not None:
            self.current.detach(self._network)
        self.active = name
        if chosen is not None:
            chosen.attach(self._network)

    def merge(self) -> None:
        """Make the one in use part of the weights and forget it. ValueError if none is in use or it cannot be merged.

        Weights that DeepSpeed has partitioned (ZeRO-3) must be whole: release the trainer before.
        """
        adapter = self.current
        if adapter is None:
            raise ValueError("no adapter is in use: there is nothing to merge")
        adapter.merge(self._network)
        self.use(None)
        self.remove(adapter.name)
