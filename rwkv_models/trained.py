"""What is trained: all weights, some parts of them, an adapter beside them, or the state that sequences begin from.

`apply` makes a network train that, in place, at any time; `switch` does so for a network that a Trainer holds.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from torch import nn

from rwkv_models.adapters import TARGETS, Adapters, FactorAdapter, TimeState, check_tunes_state, is_laid_over
from rwkv_models.linear import linears
from rwkv_models.optimizer import Recipe, Trainer

WAYS = ("all", "parts", "lora", "miss", "state")
PARTS = ("att", "ffn", "ln", "emb", "head", "vectors", "ffn.value")


@dataclass(frozen=True)
class Trains:
    """What is trained. ValueError in one sentence for a combination that means nothing.

    what       "all" weights | "parts": those named in `parts` | "lora" | "miss" | "state"
    parts      of PARTS: att and ffn are the matrices of time mix and channel mix, ffn.value the second of the channel mix's two alone,
               vectors all their vectors, ln every norm;
               with "lora" and "miss" they are trained beside the adapter
    name       under which an adapter (or a state) is kept, by default that of the way; one that exists is trained further
    rank, alpha, dropout, targets
               of a new adapter; alpha is LoRA's alone. A target is a matrix's path, or its end: TARGETS, and "head"
    seed       of a new adapter's first values
    """

    what: str = "all"
    parts: tuple[str, ...] = ()
    name: str = ""
    rank: int = 32
    alpha: float = 32.0
    dropout: float = 0.0
    targets: tuple[str, ...] = TARGETS
    seed: int = 0

    def __post_init__(self):
        if self.what not in WAYS:
            raise ValueError(f"trains.what is {self.what!r}; it is one of {', '.join(WAYS)}")
        if not self.name:
            object.__setattr__(self, "name", self.what)
        unknown = [part for part in self.parts if part not in PARTS]
        if unknown:
            raise ValueError(f"trains.parts names {unknown[0]!r}; parts are {', '.join(PARTS)}")
        if self.what == "parts" and not self.parts:
            raise ValueError(f"trains.what is 'parts' but trains.parts is empty; parts are {', '.join(PARTS)}")
        if self.what in ("all", "state") and self.parts:
            raise ValueError(f"trains.parts is given, but trains.what {self.what!r} trains no parts")
        if self.adapts:
            if self.rank < 1:
                raise ValueError(f"trains.rank is {self.rank}; a rank is at least 1")
            if not 0 <= self.dropout < 1:
                raise ValueError(f"trains.dropout is {self.dropout}; it lies between 0 and 1")
            if not self.alpha > 0:
                raise ValueError(f"trains.alpha is {self.alpha}; it is greater than 0")
            if not self.targets:
                raise ValueError(f"trains.targets is empty; targets are {', '.join((*TARGETS, 'head'))}")

    @property
    def adapts(self) -> bool:
        """Whether factors beside the matrices are trained."""
        return self.what in ("lora", "miss")


def part_of(name: str) -> str | None:
    """Which of PARTS, ffn.value aside, a parameter of the network belongs to; None for those of an adapter and for a time_state."""
    if is_laid_over(name):
        return None
    if name.startswith(("emb.", "head.")):
        return name.split(".")[0]
    if re.search(r"(^|\.)ln\w+\.(weight|bias)$", name):
        return "ln"
    if not re.search(r"\.(\w+\.weight|(\w+_)?[wavg][12])$", name):
        return "vectors"
    return "att" if ".att." in name else "ffn"


def paths_of(network: nn.Module, targets: tuple[str, ...]) -> list[str]:
    """Paths of the matrices that `targets` name. ValueError for one that names none."""
    paths = list(linears(network))
    for target in targets:
        if not any(path == target or path.endswith(f".{target}") for path in paths):
            raise ValueError(f"trains.targets names {target!r}, which is no matrix of this network; "
                             f"targets are {', '.join((*TARGETS, 'head'))}")
    return [path for path in paths if any(path == target or path.endswith(f".{target}") for target in targets)]


def check(network: nn.Module, trains: Trains) -> None:
    """ValueError in one sentence where the network cannot train that; nothing is changed."""
    if network.quantized and (trains.what == "all" or {"att", "ffn", "ffn.value"} & set(trains.parts)):
        raise ValueError(f"the weights are quantized to {network.quantized}: they can train lora, miss, state, or the parts "
                         "ln, emb, head and vectors; load the model unquantized to train more")
    if trains.what == "state":
        check_tunes_state(network)
    adapters: Adapters = network.adapters
    if trains.adapts:
        paths = paths_of(network, trains.targets)
        narrow = min(linears(network)[path].in_features for path in paths)
        if trains.rank > narrow:
            raise ValueError(f"trains.rank is {trains.rank}; the narrowest target has {narrow} inputs")
    if trains.what in ("lora", "miss", "state") and trains.name in adapters:
        kept = adapters[trains.name]
        if kept.kind != trains.what:
            raise ValueError(f"the adapter {trains.name} is of the kind {kept.kind}, not {trains.what}: choose another name")
        if trains.adapts and (kept.rank, kept.alpha, set(kept.layers)) != (
                trains.rank, trains.alpha if trains.what == "lora" else kept.alpha, set(paths)):
            raise ValueError(f"the adapter {trains.name} has rank {kept.rank}, alpha {kept.alpha:g} and {len(kept.layers)} matrices, not "
                             "what trains asks for: choose another name, or the same numbers")


def apply(network: nn.Module, trains: Trains) -> None:
    """Make `network` train that and nothing else. ValueError, and no change, where it cannot.

    A new adapter changes no answer before its first step. The one in use before is taken off and stays kept under its name:
    merge it first if the weights shall have what it learned. No Trainer may hold the network (see `switch`).
    """
    check(network, trains)
    adapters: Adapters = network.adapters
    if trains.what in ("lora", "miss", "state"):
        if trains.name not in adapters:
            adapters.add(_new(network, trains))
        if trains.adapts:
            adapters[trains.name].dropout = trains.dropout
        adapters.use(trains.name)
    else:
        adapters.use(None)
    for name, p in network.named_parameters():
        part = part_of(name)
        parts = {part, "ffn.value"} if name.endswith(".ffn.value.weight") else {part}
        p.requires_grad_(True if part is None else trains.what == "all" or not parts.isdisjoint(trains.parts))


def _new(network: nn.Module, trains: Trains) -> FactorAdapter | TimeState:
    if trains.what == "state":
        return TimeState(network, trains.name)
    adapter = FactorAdapter(network, trains.name, trains.what, trains.rank, trains.alpha, trains.dropout, paths_of(network, trains.targets))
    adapter.begin(trains.seed)
    return adapter


def switch(trainer: Trainer, trains: Trains, recipe: Recipe | None = None) -> Trainer:
    """Train that from now on, on the same network: the trainer that takes the place of `trainer`, which is released.

    ValueError, and `trainer` goes on as before, where the network cannot train that.
    """
    network = trainer.network
    check(network, trains)
    trainer.release()
    apply(network, trains)
    return Trainer(network, recipe or trainer.recipe)
