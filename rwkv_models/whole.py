"""Parameters, fp32 copies and Adam's memory as whole tensors, however DeepSpeed's ZeRO divides them among processes.

A kind is "" for the parameter itself, "master" for the fp32 copy that is stepped on, or a name in Adam's memory ("exp_avg",
"exp_avg_sq"). Reading a divided tensor is for all processes at once: each gives its part.
"""

from __future__ import annotations

import torch.distributed as dist
from torch import Tensor, nn

MOMENTS = ("exp_avg", "exp_avg_sq")


def read(zero, p: nn.Parameter, kind: str) -> Tensor:
    """A whole tensor; `zero` is DeepSpeed's optimizer, or Adam where there is no ZeRO. It may share memory with what is read."""
    if hasattr(p, "ds_tensor"):
        return _joined(p, _part(zero, p, kind, release=True))
    if kind == "":
        return p.data
    if hasattr(p, "_hp_mapping"):
        kind = None if kind == "master" else kind
        return p.get_full_hp_param(kind) if dist.get_world_size() > 1 else p._hp_mapping.get_hp_fragment(kind).view(p.shape)
    return zero.state[p][kind]


def write(zero, p: nn.Parameter, kind: str, value: Tensor) -> None:
    """Put a whole tensor in place. Each process writes its part and waits for no other."""
    if hasattr(p, "ds_tensor"):
        part = _part(zero, p, kind, release=False)
        start = part.numel() * dist.get_rank()
        own = value.flatten()[start : start + part.numel()]
        part.view(-1)[: own.numel()].copy_(own)
        if kind == "" and p.numel() == value.numel():  # whole at the moment, or always
            p.data.copy_(value)
        if kind and zero._swappable_optimizer_subgroup(zero.grad_position[zero.get_param_id(p)][0]):
            zero._optimizer_states_and_gradient_swap_out(zero.grad_position[zero.get_param_id(p)][0])
    elif kind == "":
        p.data.copy_(value)
    elif hasattr(p, "_hp_mapping"):
        p.set_full_hp_param(value, None if kind == "master" else kind)
    else:
        zero.state[p][kind].copy_(value)


def _part(zero, p: nn.Parameter, kind: str, release: bool) -> Tensor:
    """What this process has of a tensor that ZeRO-3 divides: an equal part of the flat tensor, the last one filled up."""
    if kind == "":
        return p.ds_tensor.data
    return zero._get_fp32_opt_state_partition(p, release, None if kind == "master" else kind)[0]


def _joined(p: nn.Parameter, part: Tensor) -> Tensor:
    size = dist.get_world_size()
    whole = part.detach().reshape(-1)
    if size > 1:
        part = whole.to(p.device)
        whole = part.new_empty(size * part.numel())
        dist.all_gather_into_tensor(whole, part)
    return whole[: p.ds_numel].view(p.ds_shape)
