"""Which library multiplies fp32 matrices on the CPU.

torch gives fp32 products to MKL, which leaves half of an AMD processor's AVX-512 unused: oneDNN's fp32 kernels were
twice as fast there (512 x 768 by 768 x 3072: 435 against 224 GFLOP/s on two cores). torch's one switch towards oneDNN
is the permission to round operands to bf16, which oneDNN takes only where the processor has bf16 tiles. So: allow it,
multiply once, and keep it only if the result is an fp32 result.
"""

from __future__ import annotations

import torch

EXACT = 3e-6  # relative error of an fp32 product of this size is about 3e-7; of one with bf16 operands 3e-3


def _error(shape: tuple[int, int, int]) -> float:
    rows, inner, columns = shape
    generator = torch.Generator().manual_seed(7)
    a, b = torch.randn(rows, inner, generator=generator), torch.randn(inner, columns, generator=generator)
    exact = a.double() @ b.double()
    return float(((a @ b).double() - exact).norm() / exact.norm())


def use_fastest_exact_matmul() -> str:
    """Choose the library for fp32 products of this process; returns its name ("onednn" or "default") for the log."""
    if not torch.backends.mkldnn.is_available() or torch.cpu._is_amx_tile_supported():
        return "default"
    before = torch.backends.mkldnn.matmul.fp32_precision
    torch.backends.mkldnn.matmul.fp32_precision = "bf16"
    if max(_error(shape) for shape in ((512, 256, 1024), (64, 768, 64), (1, 256, 256))) < EXACT:
        return "onednn"
    torch.backends.mkldnn.matmul.fp32_precision = before
    return "default"
