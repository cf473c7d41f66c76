"""Adapter files in PEFT's layout: a folder with adapter_model.safetensors and adapter_config.json.

Keys are base_model.model.MODULE.lora_A.weight, lora_B.weight and miss_block. What a foreign file asks for and this program
does not compute is refused, never left out.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from rwkv_models.adapters import FactorAdapter
from rwkv_models.linear import linears
from rwkv_models.weights_file import WeightsError, read_tensors

MODEL, CONFIG = "adapter_model.safetensors", "adapter_config.json"
PREFIX = "base_model.model."
SUFFIXES = {"lora": {"lora_A": ".lora_A.weight", "lora_B": ".lora_B.weight"}, "miss": {"miss_block": ".miss_block"}}
# Keys of a configuration that change nothing of what is computed; any other must be empty, false or as below.
IDLE = {
    "peft_type", "r", "lora_alpha", "lora_dropout", "miss_dropout", "target_modules", "base_model_name_or_path", "revision",
    "task_type", "inference_mode", "auto_mapping", "peft_version", "init_lora_weights", "init_weights", "layers_to_transform",
    "layers_pattern", "exclude_modules", "megatron_core", "megatron_config", "loftq_config", "eva_config", "corda_config",
    "lora_ga_config", "runtime_config", "qalora_group_size", "mini_r", "ensure_weight_tying",
}
USUAL = {"bias": ("none",), "init_lora_weights": (True, False, None, "gaussian", "orthogonal", "eva"), "init_weights": (True, False, None)}


def save_adapter(adapter: FactorAdapter, folder: Path, base: str = "") -> None:
    """Write an adapter into `folder`, which is made if need be. `base`: the name or path of the model that it belongs to.

    The two files are not one atomic act: write into a folder of one's own and rename it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {PREFIX + path + suffix: getattr(module, factor).detach().cpu().contiguous()
               for path, module in adapter.layers.items() for factor, suffix in SUFFIXES[adapter.kind].items()}
    save_file(tensors, folder / MODEL, metadata={"format": "pt"})
    own = {"lora_alpha": adapter.alpha, "lora_dropout": adapter.dropout, "init_lora_weights": True, "fan_in_fan_out": False,
           "modules_to_save": None} if adapter.kind == "lora" else {"miss_dropout": adapter.dropout, "init_weights": True, "mini_r": 1}
    config = {"peft_type": adapter.kind.upper(), "base_model_name_or_path": base, "task_type": None, "inference_mode": True, "bias": "none",
              "r": adapter.rank, "target_modules": sorted(adapter.layers), **own}
    (folder / CONFIG).write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")


def load_adapter(network: nn.Module, folder: Path, name: str) -> FactorAdapter:
    """Read an adapter for `network` and keep it there under `name`, not yet in use. WeightsError in one sentence where it does not fit."""
    config = _config(folder / CONFIG)
    kind, rank = config["peft_type"].lower(), config["r"]
    tensors = read_tensors(folder / MODEL)
    found, factors = linears(network), _factors(tensors, kind, folder / MODEL)
    for path in factors:
        if path not in found:
            raise WeightsError(f"{folder / MODEL}: it adapts {path}, which is no matrix of this network")
    adapter = FactorAdapter(network, name, kind, rank, config.get("lora_alpha", rank), config.get(f"{kind}_dropout", 0.0), list(factors))
    with torch.no_grad():
        for path, module in adapter.layers.items():
            for factor, suffix in SUFFIXES[kind].items():
                key, wanted = PREFIX + path + suffix, getattr(module, factor)
                tensor = factors[path].get(factor)
                if tensor is None:
                    raise WeightsError(f"{folder / MODEL}: tensor {key} is missing")
                if tensor.shape != wanted.shape:
                    raise WeightsError(f"{folder / MODEL}: {key} has shape {list(tensor.shape)}, "
                                       f"this network and rank {rank} need {list(wanted.shape)}")
                if not tensor.is_floating_point() or not torch.isfinite(tensor).all():
                    raise WeightsError(f"{folder / MODEL}: {key} holds values that are no finite floating point numbers")
                wanted.copy_(tensor)
    network.adapters.add(adapter)
    return adapter


def _factors(tensors: dict[str, Tensor], kind: str, path: Path) -> dict[str, dict[str, Tensor]]:
    """Tensors by module path and name of factor."""
    factors: dict[str, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        for factor, suffix in SUFFIXES[kind].items():
            if key.startswith(PREFIX) and key.endswith(suffix):
                factors.setdefault(key[len(PREFIX) : -len(suffix)], {})[factor] = tensor
                break
        else:
            raise WeightsError(f"{path}: tensor {key} is no factor of a {kind} adapter in PEFT's layout")
    if not factors:
        raise WeightsError(f"{path}: it holds no tensors")
    return factors


def _config(path: Path) -> dict:
    if not path.is_file():
        raise WeightsError(f"{path}: there is no such file")
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise WeightsError(f"{path}: not readable as JSON ({str(error)[:100]})") from None
    if not isinstance(config, dict) or config.get("peft_type") not in ("LORA", "MISS"):
        raise WeightsError(f"{path}: peft_type is not LORA or MISS")

    def is_number(value: object, least: float) -> bool:
        return isinstance(value, int | float) and not isinstance(value, bool) and least <= value < float("inf")

    if not is_number(config.get("r"), 1) or config["r"] != int(config["r"]):
        raise WeightsError(f"{path}: r is {config.get('r')!r}, it is a whole number of at least 1")
    if config["peft_type"] == "LORA" and not is_number(config.get("lora_alpha"), 0):
        raise WeightsError(f"{path}: lora_alpha is {config.get('lora_alpha')!r}, it is a number of at least 0")
    dropout = config.get(f"{config['peft_type'].lower()}_dropout", 0.0)
    if not is_number(dropout, 0) or dropout >= 1:
        raise WeightsError(f"{path}: its dropout is {dropout!r}, it lies between 0 and 1")
    for key, value in config.items():
        if key in USUAL and value not in USUAL[key] or key not in USUAL and key not in IDLE and value:
            raise WeightsError(f"{path}: {key} is {value!r}, which this program does not compute")
    return config
