"""Weight files: BlinkDL's `.pth` and safetensors, read and written under their original parameter names.

A `.pth` is unpickled with weights_only and mapped, never run; safetensors holds no code at all.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from rwkv_models.adapters import TimeState, is_laid_over
from rwkv_models.families import FAMILIES
from rwkv_models.network import Network, Shape, Sizes, WeightsError

# The first layer has no value residual; older public files carry its parameters all the same, unused.
UNUSED = re.compile(r"blocks\.0\.att\.v[012]$")
TIME_STATE = ".att.time_state"



def read_tensors(path: Path) -> dict[str, Tensor]:
    """All tensors of a `.pth` or `.safetensors` file, on the CPU, as stored."""
    if not path.is_file():
        raise WeightsError(f"{path}: there is no such weights file")
    try:
        if path.suffix == ".safetensors":
            with safe_open(path, framework="pt") as file:
                return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        tensors = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except SafetensorError as error:
        raise WeightsError(f"{path}: not a readable safetensors file ({error})") from None
    except Exception as error:  # torch.load raises what its zip and pickle readers raise
        raise WeightsError(f"{path}: not a readable checkpoint ({str(error).splitlines()[0][:160]})") from None
    if not isinstance(tensors, dict) or not all(isinstance(t, Tensor) for t in tensors.values()):
        raise WeightsError(f"{path}: a checkpoint is a mapping of names to tensors, this file holds something else")
    return tensors


def family_of(tensors: Mapping[str, Tensor], path: Path) -> type[Network]:
    """The newest family whose mark is among the tensors; WeightsError where there is none."""
    for family in FAMILIES:
        if family.mark in tensors:
            return family
    marks = ", ".join(f"{family.mark} ({family.title})" for family in FAMILIES)
    raise WeightsError(f"{path}: no tensor of {marks}: this is no RWKV checkpoint; its first tensor is {next(iter(tensors), 'none')}")


@dataclass(frozen=True)
class Found:
    """What a weights file holds: its family's title, the sizes of the network, and how many parameters that has."""

    title: str
    shape: Shape
    parameters: int


def sizes_of(path: Path) -> Found:
    """What a file holds, without its weights being read. WeightsError where it is no checkpoint."""
    tensors = _shapes(path)
    family = family_of(tensors, path)
    return Found(family.title, family.shape_of(Sizes(tensors, path, family.title)), sum(t.numel() for t in tensors.values()))


def _shapes(path: Path) -> dict[str, Tensor]:
    """The file's tensors without their contents; those of a `.pth` are mapped, which reads nothing either."""
    if path.suffix != ".safetensors" or not path.is_file():
        return read_tensors(path)
    try:
        with safe_open(path, framework="pt") as file:
            return {name: torch.empty(file.get_slice(name).get_shape(), device="meta") for name in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise WeightsError(f"{path}: not a readable safetensors file ({error})") from None


def load_network(path: Path, dtype: torch.dtype | None = None) -> Network:
    """Build the network that a weights file holds, on the CPU, in `dtype` (None: as stored).

    States that were merged into the file (`blocks.i.att.time_state`) are kept as the adapter "state", in use.
    """
    return network_of(read_tensors(path), path, dtype)


def network_of(tensors: dict[str, Tensor], path: Path, dtype: torch.dtype | None = None) -> Network:
    """The same of tensors that were read from `path`."""
    states = {name: tensors.pop(name) for name in list(tensors) if name.endswith(TIME_STATE)}
    family = family_of(tensors, path)
    shape = family.shape_of(Sizes(tensors, path, family.title))
    with torch.device("meta"):
        network = family(shape)
    fitted = fit(network, tensors, path)
    dtype = dtype or fitted["emb.weight"].dtype
    network.load_state_dict({name: t.to(dtype, copy=True) for name, t in fitted.items()}, assign=True)
    if states:
        _keep_state(network, states, path, "state")
        network.adapters.use("state")
    return network.requires_grad_(True)


def save_state(state: TimeState, path: Path) -> None:
    """Write an initial state alone, `blocks.i.att.time_state` [H, N, N]; the suffix of the file says how, as in `save_weights`."""
    save_weights(state.tensors(), path)


def load_state(network: Network, path: Path, name: str) -> TimeState:
    """Read an initial state for `network` and keep it there under `name`, not yet in use. WeightsError where it does not fit."""
    return _keep_state(network, read_tensors(path), path, name)


def _keep_state(network: Network, tensors: dict[str, Tensor], path: Path, name: str) -> TimeState:
    try:
        state = TimeState(network, name)
    except ValueError as error:
        raise WeightsError(f"{path}: {error}") from None
    for key, tensor in _fitted(state.tensors(), tensors, path).items():
        state.tensors()[key].data.copy_(tensor)
    unknown = [key for key in tensors if key not in state.tensors()]
    if unknown:
        raise WeightsError(f"{path}: tensor {unknown[0]} is no state of this network")
    network.adapters.add(state)
    return state


def fit(network: Network, tensors: dict[str, Tensor], path: Path) -> dict[str, Tensor]:
    """The tensors that `network` needs, in its shapes and finite; WeightsError names the first that does not fit.

    What is laid over its own weights (adapters, a tuned state) is no part of them.
    """
    wanted = {name: torch.empty(getattr(p, "ds_shape", p.shape), device="meta")  # also where ZeRO-3 has put it away
              for name, p in network.named_parameters() if not is_laid_over(name)}
    fitted = _fitted(wanted, tensors, path)
    unknown = [name for name in tensors if name not in wanted and not UNUSED.match(name)]
    if unknown:
        raise WeightsError(f"{path}: unknown tensors, first {', '.join(unknown[:3])}: this is no plain {network.title} checkpoint")
    return fitted


def _fitted(wanted: dict[str, Tensor], tensors: dict[str, Tensor], path: Path) -> dict[str, Tensor]:
    fitted = {}
    for name, like in wanted.items():
        if name not in tensors:
            raise WeightsError(f"{path}: tensor {name} is missing")
        tensor = tensors[name]
        if tensor.shape != like.shape and tensor.squeeze().shape != like.squeeze().shape:
            raise WeightsError(f"{path}: {name} has shape {list(tensor.shape)}, this network needs {list(like.shape)}")
        if not tensor.is_floating_point():
            raise WeightsError(f"{path}: {name} holds {tensor.dtype}, weights are floating point numbers")
        if not all(torch.isfinite(end) for end in tensor.aminmax()):  # NaN comes through; ten times as fast as asking each number
            raise WeightsError(f"{path}: {name} holds values that are not finite")
        fitted[name] = tensor.view(like.shape)
    return fitted


def save_weights(tensors: dict[str, Tensor], path: Path, metadata: dict[str, str] | None = None) -> None:
    """Write tensors under their names; the suffix says how: `.safetensors`, or `.pth` for the `rwkv` package and RWKV-Runner."""
    plain = {name: t.detach().cpu().contiguous() for name, t in tensors.items()}
    if path.suffix == ".safetensors":
        save_file(plain, path, metadata=metadata)
    elif path.suffix == ".pth":
        torch.save({name: t.clone() for name, t in plain.items()}, path)
    else:
        raise WeightsError(f"{path}: weights are written as .safetensors or .pth")
