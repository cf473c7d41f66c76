"""AdamW over the flat groups of DeepSpeed's ZeRO 1 and 2 in one process on a GPU, where these have nobody to divide anything with.

ZeRO lays the weights of a group side by side in one tensor, their fp32 masters in another, and Adam's moments in two more. Here gradients
lie the same way: every backward adds to them where they are, and a step is one pass over the five. DeepSpeed itself moves each gradient
five times from its backward to its step, 1,059 of them one by one at 2.9B.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

try:
    import triton

    from rwkv_models.adamw_kernel import adamw
    from rwkv_models.launch import launch
except ImportError:  # torch's CUDA builds bring Triton along, others do not
    triton = None

BLOCK = 1024
PLACES = ("cuda",)
"""Devices that it is for; Triton's interpreter, in tests, has others."""


def serves(zero_stage: int, processes: int, offloads: bool, parameters: list[Tensor]) -> bool:
    """Whether such a training can do without DeepSpeed's own steps."""
    alike = {(p.device.type, p.dtype) for p in parameters}
    return (triton is not None and zero_stage in (1, 2) and processes == 1 and not offloads and len(alike) == 1
            and alike <= {(place, dtype) for place in PLACES for dtype in (torch.float32, torch.bfloat16)})


class FlatAdamW:
    """The gradients of ZeRO's groups, as each parameter's `grad`, and the step. `zero` keeps masters and moments, and hears of no backward.

    A parameter's attribute `gathered` says that its `grad` stays where it is (rwkv_models/linear.py).
    """

    def __init__(self, zero, adam: torch.optim.Optimizer, clip: float):
        for hook in zero._grad_acc_hooks:
            hook.remove()
        zero._grad_acc_hooks.clear()
        self._adam, self._clip = adam, clip
        self._forgotten = False  # both moments count as 0, whatever lies there
        self._weights, self._masters = list(zero.bit16_groups_flat), list(zero.single_partition_of_fp32_groups)
        self._gradients = [torch.zeros_like(flat) for flat in self._weights]
        for parameters, flat, gradient in zip(zero.bit16_groups, self._weights, self._gradients, strict=True):
            for p in parameters:
                start = (p.data_ptr() - flat.data_ptr()) // flat.element_size()
                p.grad, p.gathered = gradient[start : start + p.numel()].view_as(p), True

    def discard(self) -> None:
        """Drop what was gathered."""
        torch._foreach_zero_(self._gradients)

    def forget(self) -> None:
        """Begin afresh. Moments are 8 of the 30 bytes that a step moves: they are not read in the next one, nor written now."""
        for state in self._adam.state.values():
            state["step"].zero_()
        self._forgotten = True

    def settle(self) -> None:
        """Make moments that were forgotten the zeros they count as, for whoever reads them or puts others in place."""
        if self._forgotten:
            for name in ("exp_avg", "exp_avg_sq"):
                torch._foreach_zero_([state[name] for state in self._adam.state.values()])
            self._forgotten = False

    @torch.no_grad()
    def step(self, longest: float) -> float:
        """Step with each group's rate, and drop the gradient. Returns its norm before clipping; where that is above `longest` or not
        finite, nothing has moved and the gradient is kept."""
        states = [self._adam.state[master] for master in self._masters]
        norm = torch.stack(torch._foreach_norm(self._gradients, 2, torch.float32)).norm()
        norm, taken = torch.stack((norm, states[0]["step"].to(norm))).tolist()
        if not 0 <= norm <= longest:  # nor where it is NaN
            return norm
        scale = 1 / max(1.0, (norm + 1e-6) / self._clip) if self._clip else 1.0
        torch._foreach_add_([state["step"] for state in states], 1)
        for group, weight, master, gradient, state in zip(self._adam.param_groups, self._weights, self._masters, self._gradients, states,
                                                          strict=True):
            (beta1, beta2), lr, n = group["betas"], group["lr"], master.numel()
            launch(adamw, (triton.cdiv(n, BLOCK),), weight, master, gradient, state["exp_avg"], state["exp_avg_sq"], scale,
                   1 - lr * group["weight_decay"], lr / (1 - beta1 ** (taken + 1)), beta1, 1 - beta1, beta2, 1 - beta2,
                   math.sqrt(1 - beta2 ** (taken + 1)), group["eps"], n, FRESH=self._forgotten, BLOCK=BLOCK)
        self._forgotten = False
        return norm
