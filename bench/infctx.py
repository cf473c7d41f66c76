"""Training on samples of any length: what the modes cost beside plain training, and whether memory stays flat.

    python -m bench.infctx            on a GPU the full tables, on a CPU the memory of a small network
    python -m bench.infctx million    a GPU: one sample of 1,048,576 tokens at 0.4B

Random weights of the real shapes, bf16 on a GPU; the optimizer's step is left out, as every mode takes the same.
"""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import time
from statistics import median

import torch

from bench.decode_cpu import random_network
from rwkv_models.chunks import Batch, learn_chunks, learn_windows
from rwkv_models.initialise import initialise
from rwkv_models.rwkv7 import RWKV7, Shape

CHUNK = 4096
SHAPES = {"0.4B": Shape(24, 1024, 65536), "1.5B": Shape(24, 2048, 65536)}
SMALL, SMALL_CHUNK = Shape(4, 256, 4096), 256


def backward(objective) -> None:
    """What a trainer does, without an engine."""
    objective.backward()


def sample(length: int, vocabulary: int, device: str) -> Batch:
    """One sample of `length` targets, every one trained."""
    generator = torch.Generator().manual_seed(1)
    tokens = torch.randint(1, vocabulary, (length + 1,), generator=generator).tolist()
    return Batch.of([(tokens, [1.0] * len(tokens))], device).normalised()


def on_gpu(shape: Shape) -> RWKV7:
    """A network with random weights that are nowhere zero, made on the GPU."""
    torch.manual_seed(0)
    with torch.device("cuda"):
        network = initialise(RWKV7(shape)).bfloat16()
    with torch.no_grad():
        for p in network.parameters():
            if not p.any():
                p.normal_(0, 0.02)
    return network


def run(network: RWKV7, batch: Batch, mode: str, chunk: int) -> float:
    """Seconds of one sample."""
    network.zero_grad(set_to_none=True)
    torch.cuda.synchronize()
    start = time.perf_counter()
    if mode == "plain":
        chunks = learn_windows(network, batch, backward, chunk, 0)
    else:
        chunks = learn_chunks(network, batch, None, backward, chunk, {"wani-bot": None, "pico 1": 1, "pico 2": 2}[mode])
    for _ in chunks:
        pass
    torch.cuda.synchronize()
    return time.perf_counter() - start


def throughput(name: str, chunks: int = 8, rounds: int = 3) -> None:
    """Tokens a second of each mode over the same sample, taking turns; ratios to plain."""
    network, batch = on_gpu(SHAPES[name]), sample(chunks * CHUNK, SHAPES[name].vocabulary, "cuda")
    modes = ("plain", "wani-bot", "pico 1", "pico 2")
    times: dict[str, list[float]] = {mode: [] for mode in modes}
    peaks = {}
    for turn in range(rounds + 1):
        for mode in modes:
            torch.cuda.reset_peak_memory_stats()
            seconds = run(network, batch, mode, CHUNK)
            peaks[mode] = torch.cuda.max_memory_allocated() / 2**30
            if turn:
                times[mode].append(seconds)
    plain = median(times["plain"])
    print(f"\n{name}, {chunks} chunks of {CHUNK} tokens, {torch.cuda.get_device_name()}")
    print(f"{'mode':10}{'tokens/s':>10}{'of plain':>10}{'peak GiB':>10}")
    for mode in modes:
        middle = median(times[mode])
        print(f"{mode:10}{batch.length / middle:10.0f}{plain / middle:10.3f}{peaks[mode]:10.2f}", flush=True)


def lengths(name: str) -> None:
    """Peak memory of wani-bot over longer and longer samples."""
    network = on_gpu(SHAPES[name])
    print(f"\nwani-bot, {name}, chunks of {CHUNK}, {torch.cuda.get_device_name()}")
    print(f"{'chunks':>8}{'tokens':>10}{'tokens/s':>10}{'peak GiB':>10}{'borders GiB':>13}")
    state = network.zero_state(1).bytes / 2**30
    for chunks in (4, 16, 64):
        batch = sample(chunks * CHUNK, SHAPES[name].vocabulary, "cuda")
        torch.cuda.reset_peak_memory_stats()
        seconds = run(network, batch, "wani-bot", CHUNK)
        peak = torch.cuda.max_memory_allocated() / 2**30
        print(f"{chunks:8}{batch.length:10}{batch.length / seconds:10.0f}{peak:10.2f}{chunks * state:13.3f}", flush=True)


def million(name: str = "0.4B") -> None:
    """One sample of 1,048,576 tokens."""
    network, batch = on_gpu(SHAPES[name]), sample(2**20, SHAPES[name].vocabulary, "cuda")
    run(network, sample(2 * CHUNK, SHAPES[name].vocabulary, "cuda"), "wani-bot", CHUNK)
    torch.cuda.reset_peak_memory_stats()
    seconds = run(network, batch, "wani-bot", CHUNK)
    print(f"\n{name}, one sample of {batch.length} tokens, wani-bot, {torch.cuda.get_device_name()}: {seconds:.1f} s, "
          f"{batch.length / seconds:.0f} tokens/s, peak {torch.cuda.max_memory_allocated() / 2**30:.2f} GiB", flush=True)


def small_peak(chunks: int) -> None:
    """In a process of its own: the peak of memory of one wani-bot sample on the CPU, as JSON."""
    import resource

    network = random_network(SMALL)
    warm = sample(2 * SMALL_CHUNK, SMALL.vocabulary, "cpu")
    for _ in learn_chunks(network, warm, None, backward, SMALL_CHUNK):
        pass
    batch = sample(chunks * SMALL_CHUNK, SMALL.vocabulary, "cpu")
    gc.collect()
    start = time.perf_counter()
    for _ in learn_chunks(network, batch, None, backward, SMALL_CHUNK):
        pass
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"peak": peak, "seconds": seconds, "state": network.zero_state(1).bytes}))


def on_cpu() -> None:
    """The peak of memory of a small network over 4, 16 and 64 chunks."""
    print(f"wani-bot on the CPU, {SMALL.layers} layers of {SMALL.channels}, chunks of {SMALL_CHUNK}\n"
          f"{'chunks':>8}{'tokens':>9}{'tokens/s':>10}{'peak MiB':>10}{'more than 4':>13}{'borders MiB':>13}")
    first = None
    # Freed blocks go back to the system at once: the peak is then that of what is in use, not of what the allocator holds on to.
    environment = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_MMAP_MAX_": "1000000", "MALLOC_TRIM_THRESHOLD_": "65536"}
    for chunks in (4, 16, 64):
        command = [sys.executable, "-m", "bench.infctx", "small_peak", str(chunks)]
        told = json.loads(subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout.splitlines()[-1])
        peak, first = told["peak"] / 2**20, first or told["peak"] / 2**20
        tokens, borders = chunks * SMALL_CHUNK, chunks * told["state"] / 2**20
        print(f"{chunks:8}{tokens:9}{tokens / told['seconds']:10.0f}{peak:10.1f}{peak - first:13.1f}{borders:13.1f}", flush=True)


def main() -> None:
    """The tables that this machine can make, or the one named on the command line."""
    if sys.argv[1:2] == ["small_peak"]:
        small_peak(int(sys.argv[2]))
    elif not torch.cuda.is_available():
        on_cpu()
    elif sys.argv[1:2] == ["million"]:
        million()
    else:
        throughput("1.5B")
        lengths("0.4B")


if __name__ == "__main__":
    main()
