"""On the CPU: reading 512 tokens against the `rwkv` package, and one training step of 512 tokens against the plain recurrence.

Each round measures every contestant once, in turns, so that whatever else the machine does falls on all alike; medians are printed.
The package runs in a process of its own with its own settings (strategy "cpu fp32", scripted).
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import torch

from rwkv_models import rwkv7
from rwkv_models.chunks import Batch, learn_chunks
from rwkv_models.cpu_matmul import use_fastest_exact_matmul
from rwkv_models.rwkv7 import RWKV7, Shape
from rwkv_models.weights_file import load_network, save_weights
from rwkv_models.wkv7 import wkv7, wkv7_sequential

ROUNDS, LENGTH = 5, 512
EMBEDDED = Path(__file__).parent.parent / "rwkv_models" / "tiny" / "model.safetensors"
PEER = """
import sys, time
from rwkv.model import RWKV
model = RWKV(sys.argv[1], strategy="cpu fp32")
tokens = [i * 37 % 4000 + 1 for i in range(int(sys.argv[2]))]
model.forward(tokens, None); model.forward(tokens, None)
print("ready", flush=True)
for line in sys.stdin:
    start = time.perf_counter(); model.forward(tokens, None); print(time.perf_counter() - start, flush=True)
"""


def networks() -> dict[str, RWKV7]:
    """The embedded model, and a 0.1B shape with random weights."""
    torch.manual_seed(0)
    large = RWKV7(Shape(12, 768, 65536))
    for p in large.parameters():
        torch.nn.init.normal_(p, std=0.02)
    return {"embedded 9M": load_network(EMBEDDED, torch.float32), "0.1B L12-D768": large}


def seconds(f) -> float:
    """Wall time of one call."""
    start = time.perf_counter()
    f()
    return time.perf_counter() - start


class Peer:
    """The `rwkv` package with the same weights, waiting in another process."""

    def __init__(self, network: RWKV7, folder: Path):
        save_weights(network.state_dict(), folder / "peer.pth")
        environment = {**os.environ, "RWKV_V7_ON": "1", "RWKV_JIT_ON": "1", "RWKV_CUDA_ON": "0"}
        self.process = subprocess.Popen([sys.executable, "-c", PEER, str(folder / "peer"), str(LENGTH)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True, env=environment)
        while self.process.stdout.readline() != "ready\n":
            pass

    def prefill(self) -> float:
        """Seconds of one reading of LENGTH tokens."""
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())

    def close(self) -> None:
        """End the process."""
        self.process.stdin.close()
        self.process.wait()


def train_step(network: RWKV7, batch: Batch, operator) -> None:
    """Forward and backward of the batch with one implementation of the wkv operator."""
    rwkv7.wkv7 = operator
    try:
        for _ in learn_chunks(network, batch, None, lambda objective: objective.backward(), LENGTH):
            pass
    finally:
        rwkv7.wkv7 = wkv7
        network.zero_grad()


def main() -> None:
    """Print both tables."""
    print(f"matmul={use_fastest_exact_matmul()} threads={torch.get_num_threads()} rounds={ROUNDS} tokens={LENGTH}")
    print(f"{'model':16} {'what':10} {'ours ms':>9} {'peer ms':>9} {'ratio':>6}  peer")
    tokens = [i * 37 % 4000 + 1 for i in range(LENGTH + 1)]
    for name, network in networks().items():
        with tempfile.TemporaryDirectory() as folder:
            peer = Peer(network, Path(folder))
            with torch.inference_mode():
                read = lambda: network(torch.tensor([tokens[:-1]]), head="last")  # noqa: B023, E731
                read()
                pairs = [(seconds(read), peer.prefill()) for _ in range(ROUNDS)]
            peer.close()
        ours, theirs = (median(column) * 1e3 for column in zip(*pairs, strict=True))
        print(f"{name:16} {'prefill':10} {ours:9.1f} {theirs:9.1f} {theirs / ours:6.2f}  rwkv 0.8.32", flush=True)
        batch = Batch.of([(tokens, [1.0] * len(tokens))]).normalised()
        train_step(network, batch, wkv7)
        rounds = ROUNDS if "9M" in name else 2
        pairs = [(seconds(lambda: train_step(network, batch, wkv7)),  # noqa: B023
                  seconds(lambda: train_step(network, batch, wkv7_sequential))) for _ in range(rounds)]  # noqa: B023
        ours, theirs = (median(column) * 1e3 for column in zip(*pairs, strict=True))
        print(f"{name:16} {'fwd+bwd':10} {ours:9.1f} {theirs:9.1f} {theirs / ours:6.2f}  sequential recurrence in torch", flush=True)


if __name__ == "__main__":
    main()
