"""On a GPU: the wkv operator's kernels against the chunked operator in plain torch, forward alone and with the backward pass.

Times are medians between CUDA events, so the host's part counts where it is the longer one, as in the small shapes it is.
"""

from __future__ import annotations

from statistics import median

import torch

from rwkv_models.wkv7 import wkv7
from rwkv_models.wkv7_chunked import wkv7_chunked

ROUNDS = 9
# B, T, H, N, dtype of all inputs but the decay. The last shape leaves out the peer, which keeps too much between its passes.
SHAPES = (
    (1, 512, 32, 64, torch.bfloat16), (1, 4096, 32, 64, torch.bfloat16), (1, 4096, 40, 64, torch.bfloat16),
    (1, 4096, 40, 64, torch.float32), (1, 4096, 20, 128, torch.bfloat16), (8, 4096, 40, 64, torch.bfloat16),
)


def inputs(B: int, T: int, H: int, N: int, dtype: torch.dtype) -> list[torch.Tensor]:
    """Random tensors like the network's: decays between exp(-0.61) and 1, unit keys to forget."""
    normal = lambda *shape: torch.randn(*shape, device="cuda")  # noqa: E731
    r, k, v = (normal(B, T, H, N) for _ in range(3))
    w = -0.6065306597 * torch.sigmoid(3 * normal(B, T, H, N))
    kk = torch.nn.functional.normalize(normal(B, T, H, N), dim=-1)
    b = kk * torch.sigmoid(normal(B, T, H, N))
    return [x.requires_grad_() for x in (r.to(dtype), w, k.to(dtype), v.to(dtype), (-kk).to(dtype), b.to(dtype), normal(B, H, N, N))]


def milliseconds(run) -> float:
    """Median time of `run` on the device."""
    run()
    marks = []
    for _ in range(ROUNDS):
        start, stop = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        start.record()
        run()
        stop.record()
        marks.append((start, stop))
    torch.cuda.synchronize()
    return median(start.elapsed_time(stop) for start, stop in marks)


def measure(operator, x: list[torch.Tensor]) -> tuple[float, float]:
    """Milliseconds of the forward pass without a graph, and of forward and backward."""
    def forward():
        with torch.no_grad():
            operator(*x)

    towards = [torch.randn_like(y) for y in operator(*x)]
    return milliseconds(forward), milliseconds(lambda: torch.autograd.grad(operator(*x), x, towards))


def main() -> None:
    """Print the table."""
    if not torch.cuda.is_available():
        print("wkv7_gpu: no CUDA device here, nothing to measure")
        return
    print(f"card={torch.cuda.get_device_name()} torch={torch.__version__} rounds={ROUNDS}")
    print(f"{'B':>2} {'T':>5} {'H':>3} {'N':>4} {'dtype':9} {'pass':8} {'ours ms':>9} {'peer ms':>9} {'ratio':>6}  peer")
    for *sizes, dtype in SHAPES:
        x = inputs(*sizes, dtype)
        ours = measure(wkv7, x)
        peer = measure(wkv7_chunked, x) if sizes[0] == 1 else (float("nan"),) * 2
        B, T, H, N = sizes
        for name, mine, theirs in zip(("forward", "fwd+bwd"), ours, peer, strict=True):
            figures = f"{mine:9.3f} {theirs:9.3f} {theirs / mine:6.1f}"
            print(f"{B:2} {T:5} {H:3} {N:4} {str(dtype)[6:]:9} {name:8} {figures}  chunked, plain torch", flush=True)


if __name__ == "__main__":
    main()
