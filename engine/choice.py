"""What a start with a weights file and no config script runs with: chosen by what the file holds and what the machine has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psutil
import torch

from config_scripts.schema import DEFAULT_CONFIG
from config_scripts.sections import Idle
from models.tokenizer import BESIDE, NEOX_ROWS, spec_beside
from rwkv_models.weights_file import sizes_of

SMALL = 100e6
"""Parameters below which a model is taught with larger steps, and held to what it said before."""
TAUGHT_SMALL = {"trains.parts": [], "train.rule": "adam", "train.lr": 1e-4, "train.until_loss": 0.1, "train.kl": 10.0, "idle.lr": Idle().lr}
"""What stands above tiny.toml, whose gradient descent is for the model that was trained to be taught so."""
GB = 1e9
# Bytes a parameter while a lesson is learned, and GB beside. All weights: fp32 weights, gradients, two moments, the undo copy; bf16 weights
# and gradients with fp32 copy, moments and undo copy; the same with all but the weights in host memory. Beside the weights: an adapter, as
# docs/training.md has it.
ALL_FP32, ALL_BF16, ALL_OFFLOADED, OFFLOADED_HOST = (20, 2), (20, 12), (3, 3), (25, 4)
BESIDE_FP32, BESIDE_BF16, BESIDE_INT8, BESIDE_NF4 = (5, 2), (2.9, 1.5), (2, 1.5), (1.5, 1.6)
BOB_AND_ALICE = [{"name": "system", "prefix": "", "suffix": "\n\n"}, {"name": "user", "prefix": "Bob:", "suffix": "\n\n"},
                 {"name": "assistant", "prefix": "Alice:", "suffix": "\n\n", "answers": True}]


@dataclass(frozen=True)
class Machine:
    """Free memory in bytes: of the host, and of the first GPU (0: there is none); whether matrices can be quantized."""

    host: float
    card: float = 0
    quantizes: bool = False

    @classmethod
    def here(cls) -> Machine:
        """This one."""
        card = torch.cuda.mem_get_info()[0] if torch.cuda.is_available() else 0
        return cls(psutil.virtual_memory().available, card, find_spec("torchao") is not None)


@dataclass(frozen=True)
class Choice:
    """A config script, the values that stand above its own, and a sentence that says so."""

    script: Path
    overrides: Mapping[str, Any]
    said: str


def choose(file: Path, machine: Machine) -> Choice:
    """ValueError in one sentence where the file is no checkpoint or the machine has no room for it."""
    found = sizes_of(file)
    rows, P = found.shape.vocabulary, found.parameters
    spec = spec_beside(file, rows)
    how, memory = _fitting(P, machine, file)
    small = P < SMALL
    script = DEFAULT_CONFIG if small else DEFAULT_CONFIG.with_name("rwkv7-2.9b.toml")
    overrides = {"model.file": str(file), "model.device": "auto", "model.tokenizer": str(spec), **(TAUGHT_SMALL if small else {}), **how}
    neox = rows == NEOX_ROWS or Path(spec).name == BESIDE[1]
    if neox:
        overrides["roles"] = BOB_AND_ALICE
    if how["trains.what"] == "lora":
        overrides |= {"train.lr": 1e-4, "train.checkpoint_blocks": bool(machine.card)}  # fresh factors move further than weights may
    if not small and not machine.card:
        overrides |= {"train.general": 0, "train.ctx_len": 256}  # general texts cost a CPU as much as the lesson
    what = {"all": "all weights", "lora": "a LoRA adapter"}[how["trains.what"]]
    said = (f"{file.name} is {found.title}, {found.shape.layers} layers of {found.shape.channels}, {P / 1e6:.4g}M parameters; tokenizer "
            f"{Path(spec).name}; roles {'Bob and Alice' if neox else 'User and Assistant'}; {what} in {_precision(how)} {memory}; "
            f"all else as in config_scripts/{script.name}: --config says otherwise")
    return Choice(script, overrides, said)


def _precision(how: Mapping[str, Any]) -> str:
    return how["model.precision"] + (f" over {how['model.quantize']}" if how["model.quantize"] != "none" else "")


def _fitting(P: int, machine: Machine, file: Path) -> tuple[dict[str, Any], str]:
    """What is trained, in which precision and where, and where in words: the first that has room."""
    need = lambda cost: P * cost[0] + cost[1] * GB  # noqa: E731

    def plan(what: str, precision: str, stage: int, quantize: str = "none", offload: str = "none") -> dict[str, Any]:
        return {"trains.what": what, "model.precision": precision, "model.quantize": quantize, "deepspeed.zero_stage": stage,
                "deepspeed.offload_optimizer": offload}

    if machine.card:
        ways = [(ALL_FP32, plan("all", "fp32", 0))] if P < SMALL else []
        ways += [(ALL_BF16, plan("all", "bf16", 1))]
        if need(OFFLOADED_HOST) <= machine.host:
            ways += [(ALL_OFFLOADED, plan("all", "bf16", 2, offload="cpu"))]
        ways += [(BESIDE_BF16, plan("lora", "bf16", 1))]
        if machine.quantizes:
            ways += [(BESIDE_INT8, plan("lora", "bf16", 1, "int8")), (BESIDE_NF4, plan("lora", "bf16", 1, "nf4"))]
    else:
        ways = [(ALL_FP32, plan("all", "fp32", 0)), (BESIDE_FP32, plan("lora", "fp32", 0))]
    free, where = (machine.card, "of the card") if machine.card else (machine.host, "of memory")
    for cost, how in ways:
        if need(cost) <= free:
            return how, f"(about {need(cost) / GB:.3g} of {free / GB:.3g} GB {where})"
    raise ValueError(f"{file}: {P / 1e6:.4g}M parameters need about {need(ways[-1][0]) / GB:.3g} GB at the least, and {free / GB:.3g} GB "
                     f"{where} are free; a smaller file, or a config script of your own (--config), would run")
