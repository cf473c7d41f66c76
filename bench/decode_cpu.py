"""Decoding speed on the CPU: the network in torch, the native step, and the `rwkv` package, on random weights.

    python -m bench.decode_cpu [9M] [0.1B]

A line for each: milliseconds a step (median and fastest), tokens a second and GB of weights read a second at the median.
The first line of a size is how fast this machine reads memory of that size at all, with the same threads. The ways take
turns, so that other load on the machine falls on all of them; where median and fastest lie apart, there was such load.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import torch

from bench.package import Package
from rwkv_models.initialise import initialise
from rwkv_models.native_decode import NativeDecode
from rwkv_models.rwkv7 import RWKV7, Shape
from rwkv_models.weights_file import save_weights

SHAPES = {"9M": Shape(8, 256, 4096), "0.1B": Shape(12, 768, 65536)}
ROUNDS = 12

PACKAGE = """
import sys, time, json, torch
from rwkv.model import RWKV
torch.set_num_threads(int(sys.argv[2]))
model, state = RWKV(sys.argv[1], strategy="cpu fp32"), None
for steps in sys.stdin:
    times = []
    for i in range(int(steps)):
        begin = time.perf_counter()
        _, state = model.forward([i * 37 % 4000 + 1], state)
        times.append(time.perf_counter() - begin)
    print("TIMES", json.dumps(times), flush=True)
"""


def random_network(shape: Shape) -> RWKV7:
    """A network in which nothing is zero: products with zeros could be faster."""
    torch.manual_seed(0)
    network = initialise(RWKV7(shape))
    for p in network.parameters():
        if not p.data.any():
            p.data.normal_(0, 0.02)
    return network


def timed(step: Callable[[], None], steps: int) -> list[float]:
    """Seconds of each of `steps` calls."""
    times = []
    for _ in range(steps):
        begin = time.perf_counter()
        step()
        times.append(time.perf_counter() - begin)
    return times


def in_torch(network: RWKV7) -> Callable[[], None]:
    """One step of the network itself, batch 1."""
    state = network.zero_state(1)

    def step():
        nonlocal state
        with torch.inference_mode():
            _, state = network(torch.tensor([[5]]), state, head="last")

    return step


def in_native(network: RWKV7, batch: int, in_place: bool) -> Callable[[], None]:
    """One native step, into fresh memory or into the state it read."""
    native, state, tokens = NativeDecode(network), network.zero_state(batch), torch.arange(batch) + 5

    def step():
        nonlocal state
        _, state = native.step(tokens, state, into=state if in_place else None)

    return step


def main() -> None:
    """Measure and print the shapes named on the command line, or all."""
    for name in sys.argv[1:] or SHAPES:
        network = random_network(SHAPES[name])
        read = sum(p.nbytes for p in network.parameters()) - network.emb.weight.nbytes
        memory = torch.ones(read // 4)
        with tempfile.TemporaryDirectory() as folder:
            weights = Path(folder) / "network.pth"
            save_weights(network.state_dict(), weights)
            other = Package(PACKAGE, weights, RWKV_V7_ON="1")
            ways = {("read memory", 1): lambda n, f=memory.sum: timed(f, n)}
            step = in_torch(network)
            ways["torch", 1] = lambda n, f=step: timed(f, n)
            for batch, in_place in ((1, False), (8, False), (32, False), (8, True), (32, True)):
                step = in_native(network, batch, in_place)
                ways["native, in place" if in_place else "native", batch] = lambda n, f=step: timed(f, n)
            ways["rwkv package", 1] = other.timed
            steps = 4 if read > 1e8 else 30
            times = {way: [] for way in ways}
            try:
                for _ in range(ROUNDS):
                    for way, run in ways.items():
                        times[way] += run(steps + 2)[2:]  # the first two of a turn find the caches of the one before
            finally:
                other.close()
        print(f"\n{name}: {read / 1e6:.0f} MB of weights a step, {torch.get_num_threads()} threads, {steps * ROUNDS} steps each")
        print(f"{'':18}{'batch':>6}{'ms':>9}{'fastest':>9}{'tokens/s':>10}{'GB/s':>7}")
        for (way, batch), seconds in times.items():
            middle = median(seconds)
            print(f"{way:18}{batch:6}{middle * 1e3:9.2f}{min(seconds) * 1e3:9.2f}{batch / middle:10.0f}{read / middle / 1e9:7.1f}")


if __name__ == "__main__":
    main()
