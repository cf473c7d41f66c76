"""Starting a Triton kernel in a hurry: past Triton's own look at every argument, which takes the host longer than a short kernel runs."""

from __future__ import annotations

import torch
from torch import Tensor

_compiled: dict[tuple, tuple] = {}


def plain(x: Tensor) -> Tensor:
    """The same values in order, at an address that is a multiple of 16, as `launch` wants them."""
    x = x.contiguous()
    return x.clone() if x.data_ptr() % 16 else x


def _kind(argument: Tensor | int | float) -> object:
    if isinstance(argument, Tensor):
        return argument.dtype
    return float if isinstance(argument, float) else (argument == 1, argument % 16 == 0)


def launch(kernel, grid: tuple[int, ...], *arguments, **options) -> None:
    """kernel[grid](*arguments, **options) on the device of the first argument; constants come last in the kernel's signature.

    What Triton compiles for depends on the arguments' types, whether an integer is 1 or a multiple of 16, and whether addresses are
    multiples of 16, which these must be (`plain`).
    """
    device = arguments[0].device
    key = (id(kernel), device, *options.values(), *map(_kind, arguments))
    with torch.cuda.device_of(arguments[0]):
        if key in _compiled:
            compiled, constants = _compiled[key]
            compiled[(*grid, 1, 1)[:3]](*arguments, *constants)
            return
        compiled = kernel[grid](*arguments, **options)
        if compiled is not None:  # None from the interpreter
            _compiled[key] = compiled, [options[name] for name in kernel.arg_names if name in options]
