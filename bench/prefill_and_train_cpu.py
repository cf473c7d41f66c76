"""On the CPU: reading 512 tokens against the `rwkv` package, and one training step of 512 tokens against the plain recurrence.

Each round measures every contestant once, in turns, so that whatever else the machine does falls on all alike; medians are
printed, and of prefill the fastest too: where they lie apart, there was other load. The package runs in a process of its
own with its own settings (strategy "cpu fp32" or "cpu bf16", scripted), on the same weights.

`products` is the time of the matrix products of our reading alone, `rest` what is left of it; `floor` is the time that
the products would take at the speed of a large product here.
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
from rwkv_models.native_decode import NativeDecode
from rwkv_models.native_prefill import NativePrefill
from rwkv_models.rwkv7 import RWKV7, Shape
from rwkv_models.weights_file import load_network, save_weights
from rwkv_models.wkv7 import wkv7, wkv7_sequential

ROUNDS, PREFILL_ROUNDS, LENGTH = 5, 9, 512
EMBEDDED = Path(__file__).parent.parent / "rwkv_models" / "tiny" / "model.safetensors"
PEER = """
import sys, time
from rwkv.model import RWKV
model = RWKV(sys.argv[1], strategy=sys.argv[3])
tokens = [i * 37 % 4000 + 1 for i in range(int(sys.argv[2]))]
for _ in range(3): model.forward(tokens, None)
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
    """The `rwkv` package with the same weights and dtype, waiting in another process."""

    def __init__(self, network: RWKV7, folder: Path):
        strategy = "cpu bf16" if network.emb.weight.dtype is torch.bfloat16 else "cpu fp32"
        save_weights(network.state_dict(), folder / "peer.pth")
        environment = {**os.environ, "RWKV_V7_ON": "1", "RWKV_JIT_ON": "1", "RWKV_CUDA_ON": "0"}
        self.process = subprocess.Popen([sys.executable, "-c", PEER, str(folder / "peer"), str(LENGTH), strategy],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
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


class Products:
    """The matrix products of one reading of LENGTH tokens, alone."""

    def __init__(self, network: RWKV7):
        shape, dtype, self.calls, self.flop = network.shape, network.emb.weight.dtype, [], 0
        memory = torch.empty(2, LENGTH * max(shape.channels, shape.ffn), dtype=dtype).normal_()
        for layer, block in enumerate(network.blocks):
            att, ffn, last = block.att, block.ffn, layer == shape.layers - 1
            whole = [w.t() for w in (att.receptance.weight, att.key.weight, att.value.weight)]
            whole += [att.w1, att.a1, att.g1, att.w2, att.a2, att.g2, *((att.v1, att.v2) if layer else ())]
            late = [w.t() for w in (att.output.weight, ffn.key.weight, ffn.value.weight)]
            for rows, weights in ((LENGTH, whole), (2 if last else LENGTH, late)):  # of the last layer's only the last token is asked for
                for w in weights:
                    x, y = (memory[i, : rows * n].view(rows, n) for i, n in enumerate(w.shape))
                    self.calls.append((x, w, y))
                    self.flop += 2 * rows * w.shape[0] * w.shape[1]
        self.large = [torch.randn(2048, 2048, dtype=torch.float32).to(dtype) for _ in range(3)]

    def run(self) -> None:
        """All of them once."""
        for x, w, y in self.calls:
            torch.mm(x, w, out=y)

    def floor(self) -> float:
        """Seconds that their arithmetic takes at the best speed of this machine."""
        a, b, c = self.large
        best = min(seconds(lambda: torch.mm(a, b, out=c)) for _ in range(10))
        return self.flop / (2 * 2048**3 / best)


@torch.no_grad()
def compare_prefill(name: str, network: RWKV7, tokens: list[int]) -> None:
    """Print the lines of one network: what it takes natively, in torch and in the package; and what bounds it."""
    read, products = NativePrefill(NativeDecode(network)).read, Products(network)
    input_BT = torch.tensor([tokens])
    with tempfile.TemporaryDirectory() as folder:
        peer = Peer(network, Path(folder))
        contestants = (lambda: seconds(lambda: read(input_BT)), lambda: seconds(lambda: network(input_BT, head="last")),
                       peer.prefill, lambda: seconds(products.run))
        for contestant in contestants:
            contestant()
        rounds = [[contestant() * 1e3 for contestant in contestants] for _ in range(PREFILL_ROUNDS)]
        peer.close()
    floor, dtype = products.floor() * 1e3, "bf16" if network.emb.weight.dtype is torch.bfloat16 else "fp32"
    for what, of in (("median", median), ("fastest", min)):
        ours, plain, theirs, alone = (of(column) for column in zip(*rounds, strict=True))
        print(f"{name:14} {dtype} {what:8} {ours:9.1f} {plain:9.1f} {theirs:9.1f} {theirs / ours:6.2f}", end=" ")
        print(f"{alone:9.1f} {ours - alone:7.1f} {floor:7.1f} {products.flop / 1e9:6.0f} {products.flop / alone / 1e6:8.0f}", flush=True)


def compare_training(name: str, network: RWKV7, tokens: list[int]) -> None:
    """Print the line of one network."""
    batch = Batch.of([(tokens, [1.0] * len(tokens))]).normalised()
    train_step(network, batch, wkv7)
    rounds = ROUNDS if "9M" in name else 2
    pairs = [(seconds(lambda: train_step(network, batch, wkv7)), seconds(lambda: train_step(network, batch, wkv7_sequential)))
             for _ in range(rounds)]
    ours, theirs = (median(column) * 1e3 for column in zip(*pairs, strict=True))
    print(f"{name:14} {ours:9.1f} {theirs:9.1f} {theirs / ours:6.2f}", flush=True)


def main() -> None:
    """Print both tables."""
    tokens = [i * 37 % 4000 + 1 for i in range(LENGTH + 1)]
    print(f"matmul={use_fastest_exact_matmul()} threads={torch.get_num_threads()} rounds={PREFILL_ROUNDS} tokens={LENGTH}; times in ms")
    columns = "  native     torch  rwkv pkg  ratio  products    rest   floor  GFLOP  GFLOP/s"
    print(f"{'prefill':28}{columns}")
    for dtype in (torch.float32, torch.bfloat16):
        for name, network in networks().items():
            compare_prefill(name, network.to(dtype), tokens[:-1])
    print(f"{'fwd+bwd':14} {'chunked':>9} {'sequence':>9} {'ratio':>6}")
    for name, network in networks().items():
        compare_training(name, network, tokens)


if __name__ == "__main__":
    main()
