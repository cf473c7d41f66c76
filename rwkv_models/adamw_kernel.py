"""One step of AdamW over a flat group of parameters, as a Triton kernel. rwkv_models/flat_adamw.py starts it.

Pointers end in _p; n numbers lie at each.
"""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def adamw(weight_p, master_p, gradient_p, mean_p, square_p, scale, keep, rate, beta1, gain1, beta2, gain2, root, eps, n,
          FRESH: tl.constexpr, BLOCK: tl.constexpr):
    """The fp32 master moves by its gradient times `scale`, the weight becomes its rounded image, and the gradient 0.

    FRESH: both moments count as 0, whatever lies there. gain is 1 - beta; keep = 1 - lr * weight decay; rate = lr / (1 - beta1^t);
    root = sqrt(1 - beta2^t). All arithmetic is in fp32.
    """
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    exists = i < n
    gradient = tl.load(gradient_p + i, mask=exists, other=0.0).to(tl.float32) * scale
    mean, square = gain1 * gradient, gain2 * gradient * gradient
    if not FRESH:
        mean += beta1 * tl.load(mean_p + i, mask=exists, other=0.0)
        square += beta2 * tl.load(square_p + i, mask=exists, other=0.0)
    master = keep * tl.load(master_p + i, mask=exists, other=0.0)
    master -= rate * mean / (tl.sqrt_rn(square) / root + eps)
    tl.store(mean_p + i, mean, mask=exists)
    tl.store(square_p + i, square, mask=exists)
    tl.store(master_p + i, master, mask=exists)
    tl.store(weight_p + i, master.to(weight_p.dtype.element_ty), mask=exists)
    tl.store(gradient_p + i, tl.zeros([BLOCK], gradient_p.dtype.element_ty), mask=exists)
