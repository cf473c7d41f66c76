"""RWKV-4, 5 and 6 on the CPU against the `rwkv` package, on the same random weights: a decoding step, and reading 512 tokens.

    python -m bench.families_cpu [9M] [0.1B] [4 5.0 5.1 5.2 6.0]

A line for each family: the median of a step and of a reading in milliseconds, ours and the package's, and theirs by ours (above 1: we are
faster); beside them our training step (forward, backward) of 512 tokens, which the package has none of. The two take turns, so that other
load on the machine falls on both. The package runs in a process of its own, scripted, in fp32 as we do.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import torch

from bench.package import Package
from rwkv_models import network, rwkv5, rwkv6
from rwkv_models.chunks import Batch, learn_chunks
from rwkv_models.cpu_matmul import use_fastest_exact_matmul
from rwkv_models.native_decode import NativeDecode
from rwkv_models.network import Network
from rwkv_models.rwkv4 import RWKV4
from rwkv_models.weights_file import save_weights

SIZES = {"9M": {"layers": 8, "channels": 256, "vocabulary": 4096}, "0.1B": {"layers": 12, "channels": 768, "vocabulary": 65536}}
KINDS = {
    "4": lambda size: RWKV4(network.Shape(**size)),
    "5.0": lambda size: rwkv5.RWKV5(rwkv5.Shape(**size, gate=False, per_channel=False, bonus="time_first")),
    "5.1": lambda size: rwkv5.RWKV5(rwkv5.Shape(**size, per_channel=False, bonus="time_first")),
    "5.2": lambda size: rwkv5.RWKV5(rwkv5.Shape(**size)),
    "6.0": lambda size: rwkv6.RWKV6(rwkv6.Shape(**size)),
}
ROUNDS, STEPS, LENGTH = 7, 20, 512
TOKENS = [i * 37 % 4000 + 1 for i in range(LENGTH + 1)]
PEER = """
import json, sys, time, torch
from rwkv.model import RWKV
torch.set_num_threads(int(sys.argv[2]))
model = RWKV(sys.argv[1], strategy="cpu fp32")
tokens, state = json.loads(sys.argv[3]), None
for line in sys.stdin:
    times = []
    for i in range(int(line)):
        start = time.perf_counter(); _, state = model.forward([tokens[i]], state); times.append(time.perf_counter() - start)
    start = time.perf_counter(); model.forward(tokens, None); reading = time.perf_counter() - start
    print("TIMES", json.dumps([times, reading]), flush=True)
"""


def made(kind: str, size: str) -> Network:
    """A network of random weights, none of which is zero."""
    torch.manual_seed(0)
    one = KINDS[kind](SIZES[size])
    for name, p in one.named_parameters():
        torch.nn.init.normal_(p, -2 if name.endswith("time_decay") else 0.5 if p.ndim == 1 else 0, 0.02)
    return one


def ours(one: Network, native: NativeDecode) -> tuple[list[float], float]:
    """Seconds of each of STEPS steps, and of a reading, as PEER tells its own."""
    tokens, state, times = torch.tensor(TOKENS[:-1]), one.zero_state(1), []
    with torch.inference_mode():
        for i in range(STEPS):
            start = time.perf_counter()
            _, state = native.step(tokens[i : i + 1], state, into=state)
            times.append(time.perf_counter() - start)
        start = time.perf_counter()
        one(tokens.unsqueeze(0), None, head="last")
        return times, time.perf_counter() - start


def training(one: Network) -> float:
    """Seconds of a forward and backward of LENGTH targets."""
    batch = Batch.of([(TOKENS, [1.0] * len(TOKENS))]).normalised()
    start = time.perf_counter()
    for _ in learn_chunks(one, batch, None, lambda objective: objective.backward(), LENGTH):
        pass
    one.zero_grad(set_to_none=True)
    return time.perf_counter() - start


def main() -> None:
    """Measure what the command line names, or all."""
    print(f"matmul {use_fastest_exact_matmul()}, {torch.get_num_threads()} threads, load {os.getloadavg()[0]:.1f}")
    print(f"{'':10}{'step ms':>9}{'package':>9}{'ratio':>7}{'reading ms':>12}{'package':>9}{'ratio':>7}{'training ms':>13}")
    for size in [name for name in SIZES if name in sys.argv] or SIZES:
        for kind in [name for name in KINDS if name in sys.argv] or KINDS:
            one = made(kind, size)
            native = NativeDecode(one)
            with tempfile.TemporaryDirectory() as folder:
                save_weights(one.state_dict(), Path(folder) / "model.pth")
                peer = Package(PEER, Path(folder) / "model.pth", json.dumps(TOKENS[:-1]), RWKV_V7_ON="0", RWKV_CUDA_ON="0")
                found = [(ours(one, native), peer.timed(STEPS), training(one)) for _ in range(ROUNDS + 1)][1:]
                peer.close()
            step, reading = (median(t for mine, _, _ in found for t in mine[0][2:]), median(mine[1] for mine, _, _ in found))
            their_step, their_reading = (median(t for _, its, _ in found for t in its[0][2:]), median(its[1] for _, its, _ in found))
            print(f"{size:>5} {kind:>4}{step * 1e3:9.2f}{their_step * 1e3:9.2f}{their_step / step:7.2f}{reading * 1e3:12.1f}"
                  f"{their_reading * 1e3:9.1f}{their_reading / reading:7.2f}{median(t for _, _, t in found) * 1e3:13.1f}", flush=True)


if __name__ == "__main__":
    main()
