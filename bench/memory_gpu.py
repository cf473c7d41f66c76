"""Peak memory of training on the GPU, one sample of 1,024 targets: LoRA of rank 64 on bf16, int8 and nf4 bases, and state tuning.

    python -m bench.memory_gpu [1.5B] [2.9B]

Random weights of the real shapes, made on the device one by one, and the program's own trainer: DeepSpeed's ZeRO-1, with
AdamW in fp32 for what is trained, on the card or (`adam` = cpu) in host memory. Blocks are run again in the backward. The sample
is read in one chunk, and in chunks of 256, which is the same exact gradient (wani-bot). `rest` is what stays between steps,
`tensors` the peak of live tensors, `reserve` what torch's allocator held for them, `CUDA` what the driver and its libraries
take, `device` both: what the process took of the card at its peak. Beside it RWKV-PEFT's published figure (LoRA rank 64, ctx
1024, batch 1, RTX 4090). GB are 10^9 bytes.
"""

from __future__ import annotations

import gc
import os
import sys
import time

os.environ.setdefault("PYTORCH_CUDA_ALLOC_CONF", "expandable_segments:True")

import torch  # noqa: E402
from torch import nn  # noqa: E402

from rwkv_models.chunks import Batch  # noqa: E402
from rwkv_models.linear import Linear  # noqa: E402
from rwkv_models.optimizer import Recipe, Trainer, loopback_process_group  # noqa: E402
from rwkv_models.quantized import store  # noqa: E402
from rwkv_models.rwkv7 import RWKV7, Shape  # noqa: E402
from rwkv_models.trained import Trains, apply  # noqa: E402

SIZES = {"1.5B": Shape(24, 2048, 65536), "2.9B": Shape(32, 2560, 65536)}
LORA = Trains("lora", rank=64, alpha=64.0)
WAYS = [("LoRA r64, bf16", LORA, None), ("LoRA r64, int8", LORA, "int8"), ("LoRA r64, nf4", LORA, "nf4"),
        ("state, bf16", Trains("state"), None), ("state, int8", Trains("state"), "int8"), ("state, nf4", Trains("state"), "nf4")]
PUBLISHED = {("1.5B", "LoRA r64, bf16"): 5.6, ("1.5B", "LoRA r64, int8"): 4.6, ("1.5B", "LoRA r64, nf4"): 3.9,
             ("2.9B", "LoRA r64, bf16"): 8.8, ("2.9B", "LoRA r64, int8"): 6.7, ("2.9B", "LoRA r64, nf4"): 5.7}
TOKENS, CHUNKS, STEPS, GB = 1024, (1024, 256), 3, 1e9


@torch.no_grad()
def random_network(shape: Shape, quantized: str | None, device: torch.device) -> RWKV7:
    """A network of random weights, made on the device matrix by matrix, each quantized before the next is made."""
    with torch.device("meta"):
        network = RWKV7(shape)
    for path, module in network.named_modules():
        for name, p in list(module._parameters.items()):
            if p is not None:
                value = torch.empty(p.shape, device=device, dtype=torch.bfloat16)
                value.normal_(std=p.shape[-1] ** -0.5) if p.ndim == 2 else value.fill_(0.5)
                module._parameters[name] = nn.Parameter(value, requires_grad=False)
        if quantized and isinstance(module, Linear) and path.startswith("blocks."):
            store(module, quantized)
    network.quantized = quantized
    return network


def steps(trainer: Trainer, batch: Batch, chunk: int) -> tuple[list[float], float]:
    """Train a few steps; the loss before each, and the seconds of the last."""
    losses = []
    for _ in range(STEPS):
        start = time.perf_counter()
        losses.append(sum(trainer.learn_chunks(batch, None, trainer.backward, chunk)))
        trainer.step(1e-4)
        torch.cuda.synchronize()
        seconds = time.perf_counter() - start
    return losses, seconds


def measure(size: str, way: str, trains: Trains, quantized: str | None, adam: str, device: torch.device) -> None:
    """Train a few steps with each size of chunk and print a line for it."""
    shape = SIZES[size]
    torch.manual_seed(0)
    network = random_network(shape, quantized, device)
    apply(network, trains)
    network.checkpoint_blocks = True
    trainer = Trainer(network, Recipe(zero_stage=1, offload_optimizer=adam))
    tokens = torch.randint(1, shape.vocabulary, (TOKENS + 1,)).tolist()
    batch = Batch.of([(tokens, [1.0] * len(tokens))], device).normalised()
    for chunk in CHUNKS:
        gc.collect()
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        losses, seconds = steps(trainer, batch, chunk)
        free, total = torch.cuda.mem_get_info()
        tensors, reserved = torch.cuda.max_memory_allocated(), torch.cuda.max_memory_reserved()
        cuda = total - free - torch.cuda.memory_reserved()
        taken = reserved + cuda
        published = PUBLISHED.get((size, way))
        ratio = f"{taken / GB / published:.2f}" if published else "-"
        rest = torch.cuda.memory_allocated()
        print(f"{size:5} {way:15} {adam:5} {chunk:6} {rest / GB:6.2f} {tensors / GB:8.2f} {reserved / GB:8.2f} {cuda / GB:5.2f} "
              f"{taken / GB:7.2f} {published or '-':>10} "
              f"{ratio:>6} {seconds * 1e3:8.0f}   {losses[0]:.3f} -> {losses[-1]:.3f}", flush=True)
    trainer.release()
    del network, trainer
    gc.collect()
    torch.cuda.empty_cache()


def main() -> None:
    """Print the table."""
    if not torch.cuda.is_available():
        print("memory_gpu: torch sees no GPU here")
        return
    device = torch.device("cuda")
    loopback_process_group()
    print(f"{torch.cuda.get_device_name()} torch={torch.__version__} tokens={TOKENS} batch=1 GB=1e9")
    print(f"{'size':5} {'what':15} {'adam':5} {'chunk':>6} {'rest':>6} {'tensors':>8} {'reserve':>8} {'CUDA':>5} {'device':>7} "
          f"{'RWKV-PEFT':>10} {'ratio':>6} {'ms/step':>8}   loss")
    for size in sys.argv[1:] or SIZES:
        for adam in ("none", "cpu"):
            for way in WAYS:
                measure(size, *way, adam, device)


if __name__ == "__main__":
    main()
