"""How long a short lesson takes on a GPU: its forward and backward, one launch a kernel and as CUDA graphs, and the step; random weights.

    python -m bench.lesson_gpu [2.9B] [all] [lora] [state]

Medians of ROUNDS, ms, batch 1, wani-bot in one chunk, AdamW under ZeRO-1 in one process. `apart`: how far loss and gradient of the two ways
are from each other, relative. Then what else a lesson does: the copy to put back, forgetting Adam's memory, the digest, a reading without
gradients. Last, where the time of a forward and backward by graphs goes.
"""

from __future__ import annotations

import os
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from statistics import median

os.environ.setdefault("DS_ACCELERATOR", "cuda")

import torch  # noqa: E402
from torch.autograd import DeviceType  # noqa: E402
from torch.profiler import ProfilerActivity, profile  # noqa: E402

from bench.decode_gpu import SHAPES, random_network  # noqa: E402
from rwkv_models import checksum  # noqa: E402
from rwkv_models.chunks import Batch, measure  # noqa: E402
from rwkv_models.optimizer import Recipe, Trainer, loopback_process_group  # noqa: E402
from rwkv_models.trained import Trains, apply  # noqa: E402

WAYS = {"all": Trains("all"), "lora": Trains("lora", rank=64, alpha=64.0), "state": Trains("state")}
LENGTHS, ROUNDS, SHOWN = (128, 512), 9, 24


def milliseconds(call: Callable[[], object], rounds: int = ROUNDS) -> float:
    """The median time until the card is done."""
    call()
    times = []
    for _ in range(rounds):
        torch.cuda.synchronize()
        start = time.perf_counter()
        call()
        torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return 1e3 * median(times)


def text(length: int, vocabulary: int) -> Batch:
    """Random tokens, all of them trained."""
    tokens = torch.randint(1, vocabulary, (length + 1,), generator=torch.Generator().manual_seed(length)).tolist()
    return Batch.of([(tokens, [1.0] * len(tokens))], "cuda").normalised()


def apart(trainer: Trainer, batch: Batch, graphs) -> tuple[float, float]:
    """Relative differences of loss and gradient, with and without graphs."""
    found = []
    for used in (None, graphs):
        trainer.network.graphs = used
        trainer.discard_gradients()
        loss = sum(trainer.learn_chunks(batch, None, trainer.backward, 4096))
        found.append((loss, [p.grad.clone() for p in trainer.network.parameters() if p.requires_grad]))
    (a, before), (b, after) = found
    square = lambda tensors: float(sum(t.double().square().sum() for t in tensors)) ** 0.5  # noqa: E731
    difference = square(x - y for x, y in zip(after, before, strict=True)) / square(before)
    trainer.discard_gradients()
    return abs(b / a - 1), difference


def where(call: Callable[[], object]) -> None:
    """Print the kernels that take the card's time, and how many there are."""
    with profile(activities=[ProfilerActivity.CUDA]) as profiled:
        call()
        torch.cuda.synchronize()
    kernels: dict[str, list[float]] = defaultdict(list)
    for event in profiled.events():
        if event.device_type == DeviceType.CUDA:
            kernels[event.name[:110]].append(event.device_time_total if hasattr(event, "device_time_total") else event.cuda_time_total)
    total = sum(map(sum, kernels.values()))
    print(f"    {sum(map(len, kernels.values()))} kernels, {total / 1e3:.1f} ms in all")
    for name, each in sorted(kernels.items(), key=lambda item: -sum(item[1]))[:SHOWN]:
        print(f"    {sum(each) / 1e3:7.2f} ms {len(each):6} x {median(each):7.1f} us  {name}")


def show(size: str, way: str) -> None:
    """Print the lines of one size and way."""
    network = random_network(SHAPES[size])
    apply(network, WAYS[way])
    trainer = Trainer(network, Recipe(lr=1e-5, zero_stage=1))
    graphs = network.graphs
    for length in LENGTHS:
        batch = text(length, network.shape.vocabulary)
        learn = lambda batch=batch: sum(trainer.learn_chunks(batch, None, trainer.backward, 4096))  # noqa: E731
        loss, gradient = apart(trainer, batch, graphs)
        network.graphs = None
        eager = milliseconds(learn, 3)
        network.graphs = graphs
        recorded = milliseconds(learn)
        trainer.discard_gradients()

        def lesson(learn=learn) -> None:
            learn()
            trainer.step(1e-6)

        together = milliseconds(lesson)
        reading = milliseconds(lambda batch=batch: measure(network, batch))
        print(f"{size} {way:6} T={length:4} fwd+bwd {eager:7.1f} eager {recorded:7.1f} graphs   with the step {together:7.1f}   "
              f"reading alone {reading:6.1f}   apart: loss {loss:.1e} gradient {gradient:.1e}", flush=True)
    print(f"    step alone {milliseconds(lambda: trainer.step(1e-6)):.1f}, forget {milliseconds(trainer.forget_moments, 3):.1f}, "
          f"copy to put back {milliseconds(lambda: trainer.snapshot(False), 3):.1f}, "
          f"digest {milliseconds(lambda: checksum.digest(trainer.parameters()), 3):.1f}; "
          f"{torch.cuda.memory_allocated() / 1e9:.1f} GB allocated, at most {torch.cuda.max_memory_allocated() / 1e9:.1f}, "
          f"{torch.cuda.memory_reserved() / 1e9:.1f} reserved", flush=True)
    where(learn)
    trainer.release()


def main() -> None:
    """Print the table."""
    if not torch.cuda.is_available():
        print("lesson_gpu: torch sees no GPU here")
        return
    loopback_process_group()
    print(f"{torch.cuda.get_device_name()} torch={torch.__version__}")
    sizes = [name for name in sys.argv[1:] if name in SHAPES] or ["2.9B"]
    for size in sizes:
        for way in [name for name in sys.argv[1:] if name in WAYS] or WAYS:
            show(size, way)
            torch.cuda.empty_cache()


if __name__ == "__main__":
    main()
