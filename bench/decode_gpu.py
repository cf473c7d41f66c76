"""Decoding speed on a GPU: steps as CUDA graphs against the network in torch, on random weights in bf16.

    python -m bench.decode_gpu [1.5B] [2.9B] [7.2B]
    python -m bench.decode_gpu check        the same of 2.9B and 1.5B with fewer batches; ends after 90 s

First whether both say the same. Then, for each size and batch: `step`, what a caller of GraphDecode.step
waits for, logits in the host's memory; `graph`, the kernels alone between CUDA events; `start`, how long the host takes to start it; tokens
a second by `step`; its share of what the card could do if it only read the weights and moved the state once, as fast as it copies. Then
where the time goes, kernel by kernel, by torch's profiler. Last, products with the matrices of all layers in turn, by several blocks
(outputs/inputs/warps/stages/parts) and by torch's own.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from statistics import median

import torch
import torch.nn.functional as F
import triton
from torch import Tensor, nn
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile

from rwkv_models import decode_kernels, decode_step
from rwkv_models.decode_step import DecodeStep
from rwkv_models.graph_decode import GraphDecode
from rwkv_models.rwkv7 import RWKV7, Shape

SHAPES = {"1.5B": Shape(24, 2048, 65536), "2.9B": Shape(32, 2560, 65536), "7.2B": Shape(32, 4096, 65536)}
BATCHES = {"1.5B": (1, 8, 32, 64), "2.9B": (1, 2, 4, 8, 16, 32, 64), "7.2B": (1, 8, 32)}
ROUNDS = 30
ONE = [{"BM": BM, "BK": BK, "num_warps": warps, "num_stages": 1} for BM, BK, warps in (
    (2, 512, 2), (4, 512, 2), (2, 512, 1), (1, 512, 2), (2, 1024, 4), (2, 1024, 2), (1, 1024, 4), (2, 2048, 8))]
SOME = [dict(zip(("BM", "BK", "num_warps", "num_stages", "S"), values, strict=True)) for values in (
    (64, 128, 4, 4, None), (64, 128, 4, 3, None), (64, 64, 4, 6, None), (32, 128, 4, 4, None), (128, 128, 4, 3, None), (64, 128, 4, 3, 1))]
SECONDS = 85
"""After which `check` begins nothing more."""


@torch.no_grad()
def random_network(shape: Shape) -> RWKV7:
    """A network in which every parameter takes part, made on the device. As in a trained one (the embedded model: 90 % on a short chat),
    most of ffn.key's products are below 0: with its inputs about 0.6 on average, its weights are so much below 0."""
    with torch.device("meta"):
        network = RWKV7(shape)
    generator = torch.Generator("cuda").manual_seed(0)
    for module in network.modules():
        for name, p in list(module._parameters.items()):
            if p is not None:
                value = torch.empty(p.shape, device="cuda", dtype=torch.bfloat16)
                if p.ndim == 2 and name != "r_k":
                    below = -2 / p.shape[1] if p.shape == (shape.ffn, shape.channels) else 0
                    value.normal_(below, p.shape[1 if name == "weight" else 0] ** -0.5, generator=generator)
                else:
                    value.uniform_(0.1, 1.1, generator=generator)
                module._parameters[name] = nn.Parameter(value, requires_grad=False)
    return network


def tokens(network: RWKV7, rows: int, seed: int) -> Tensor:
    """One random token a row."""
    return torch.randint(network.shape.vocabulary, (rows,), generator=torch.Generator().manual_seed(seed))


def apart(a: Tensor, b: Tensor) -> float:
    """‖a - b‖ / ‖b‖."""
    return float((a.double() - b.double().to(a.device)).norm() / b.double().norm())


@torch.no_grad()
def check(batches: tuple[int, ...]) -> None:
    """Print how far the graph and torch's bf16 are from fp32 after some steps, and from each other."""
    network, truth = random_network(Shape(4, 2560, 8192)), random_network(Shape(4, 2560, 8192)).float()
    print("\ncorrectness, 4 layers of 2560, 12 steps: ‖·‖ relative to fp32 | same best token | the same bits again")
    for rows in batches:
        graph = GraphDecode(network)
        ours, theirs, exact = network.zero_state(rows), network.zero_state(rows), truth.zero_state(rows)
        same, again = 0.0, True
        for i in range(12):
            now = tokens(network, rows, i)
            first = graph.step(now, ours)
            mine, after = first[0].clone(), first[1]
            for _ in range(5):
                second = graph.step(now, ours)
                again &= torch.equal(mine, second[0]) and all(map(torch.equal, after.tensors(), second[1].tensors()))
            ours = after
            plain, theirs = network(now.cuda()[:, None], theirs, head="last")
            wanted, exact = truth(now.cuda()[:, None], exact, head="last")
            same += float((mine.argmax(-1) == wanted.cpu().argmax(-1)).float().mean()) / 12
        far = [max(apart(a, b) for a, b in zip(s.wkv, exact.wkv, strict=True)) for s in (ours, theirs)]
        off, plain_off = apart(mine, wanted), apart(plain, wanted)
        verdict = "right" if off < 1.2 * plain_off and far[0] < 1.2 * far[1] and again else "WRONG"
        print(f"  rows {rows:2}: {verdict} | logits ours {off:.4f} torch {plain_off:.4f} | state ours {far[0]:.4f} "
              f"torch {far[1]:.4f} | between {apart(mine, plain):.4f} | {same:.2f} | {again}", flush=True)


def events(run: Callable[[], None], rounds: int = ROUNDS) -> float:
    """Median milliseconds of `run` on the device."""
    run()
    marks = [(torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)) for _ in range(rounds)]
    for start, stop in marks:
        start.record()
        run()
        stop.record()
    torch.cuda.synchronize()
    return median(start.elapsed_time(stop) for start, stop in marks)


def wall(run: Callable[[], None], rounds: int = ROUNDS) -> float:
    """Median milliseconds that a caller of `run` waits."""
    run()
    times = []
    for _ in range(rounds):
        begin = time.perf_counter()
        run()
        times.append(time.perf_counter() - begin)
    return median(times) * 1e3


def as_graph(launch: Callable[[], None]) -> torch.cuda.CUDAGraph:
    """What `launch` starts, recorded."""
    launch()
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        launch()
    return graph


def bandwidth() -> float:
    """Bytes a second that a large copy reads and writes."""
    a = torch.randn(1 << 30, device="cuda")
    b = torch.empty_like(a)
    return 2 * a.nbytes / events(lambda: b.copy_(a), 10) * 1e3


@torch.no_grad()
def speed(name: str, network: RWKV7, copies: float, batches: tuple[int, ...], late: Callable[[str], bool]) -> None:
    """Print the table of one size."""
    weights = sum(p.nbytes for p in network.parameters()) - network.emb.weight.nbytes
    print(f"\n{name}: {weights / 1e9:.2f} GB of weights a step, {copies / weights:.0f} steps/s at most")
    print("rows record s  step ms graph ms start us  tokens/s of most  torch ms")
    for rows in batches:
        if late(f"{rows} rows"):
            continue
        graph, now, state = GraphDecode(network), tokens(network, rows, 1), network.zero_state(rows)
        begin = time.perf_counter()
        _, state = graph.step(now, state, into=state)
        recorded = time.perf_counter() - begin
        step = wall(lambda graph=graph, now=now, state=state: graph.step(now, state, into=state, stamp=1), 2 * ROUNDS)
        replayed = as_graph(graph._recorded[rows]._step.launch)
        kernels, starts = events(replayed.replay), []
        for _ in range(ROUNDS):
            begin = time.perf_counter()
            replayed.replay()
            starts.append(time.perf_counter() - begin)
            torch.cuda.synchronize()
        plain = float("nan")
        if rows in (1, 64):
            there, past = now.cuda()[:, None], network.zero_state(rows)
            plain = wall(lambda there=there, past=past: network(there, past, head="last")[0].float().cpu(), 5)
        most = (weights + rows * 2 * 4 * network.shape.layers * network.shape.channels * network.shape.head_size) / copies * 1e3
        print(f"{rows:4} {recorded:8.2f} {step:8.3f} {kernels:8.3f} {median(starts) * 1e6:8.0f} {rows / step * 1e3:9.0f} "
              f"{most / step:7.2f} {plain:9.2f}", flush=True)
    graph = GraphDecode(network)
    graph.step(tokens(network, 1, 1), network.zero_state(1))
    squares, turn = graph._recorded[1]._step.squares, wall(lambda: (graph._recorded[1]._step.turn(), torch.cuda.synchronize()), 5)
    print(f"zeros among the squares of the last layer: {float((squares == 0).float().mean()):.3f}; following changed weights {turn:.2f} ms")
    addresses = wall(graph._addresses_now)
    device, host = graph._recorded[1]._step.logits, graph._recorded[1].logits
    copy = wall(lambda: (host.copy_(device, non_blocking=True), torch.cuda.synchronize()))
    print(f"host: addresses {addresses * 1e3:.0f} us, logits of one row to the host {copy * 1e3:.0f} us", flush=True)


@torch.no_grad()
def parts(network: RWKV7, rows: int) -> None:
    """Print microseconds and count of each kernel in a step."""
    step = DecodeStep(network, network.zero_state(rows), rows, GraphDecode(network)._turned() if rows == 1 else ())
    step.turn()
    step.tokens.fill_(5)
    graph = as_graph(step.launch)
    whole = events(graph.replay)
    with profile(activities=[ProfilerActivity.CUDA, ProfilerActivity.CPU]) as trace:
        for _ in range(3):
            graph.replay()
        torch.cuda.synchronize()
    spans = {}
    for event in sorted(trace.events(), key=lambda event: event.time_range.start):
        if event.device_type == DeviceType.CUDA and hasattr(decode_kernels, event.name):
            spans.setdefault(event.name, []).append(event.time_range.elapsed_us())
    print(f"\nkernels, {rows} rows: a step {whole:.3f} ms")
    for name, times in spans.items():
        print(f"  {name:9} {len(times) // 3:4} times {sum(times) / len(times):7.2f} us = {sum(times) / 3e3:7.3f} ms", flush=True)
    matrices = spans.get("multiply", [])
    if len(matrices) % 3 == 0 and matrices:
        each, turns = matrices[: len(matrices) // 3], ["output", "up"] + ["down"] * ("multiply_few" not in spans)
        print("  multiply by turn: " + ", ".join(f"{name} {median(each[i : -1 : len(turns)]):.2f}" for i, name in enumerate(turns))
              + f" us, head {each[-1]:.2f} us", flush=True)


@torch.no_grad()
def products(network: RWKV7, rows: int, settings: list[dict]) -> None:
    """Print microseconds a product, with the matrices of all layers in turn, for several ways to cut it."""
    print(f"\nproducts, {rows} rows: us each (TB/s)")
    blocks = network.blocks
    for name, weights in (("output", [b.att.output.weight for b in blocks]), ("up", [b.ffn.key.weight for b in blocks]),
                          ("down", [b.ffn.value.weight for b in blocks])):
        M, K = weights[0].shape
        x = torch.randn(rows, K, device="cuda", dtype=torch.bfloat16)
        BB = 1 if rows == 1 else max(16, triton.next_power_of_2(rows))
        rate = lambda ms, n=weights[0].nbytes: f"{ms * 1e3 / len(blocks):6.2f} ({n * len(blocks) / ms / 1e9:4.2f})"  # noqa: E731
        out = torch.empty(rows, M, device="cuda", dtype=torch.bfloat16)
        line = [f"torch {rate(events(as_graph(lambda w=weights, x=x, out=out: [torch.mm(x, m.t(), out=out) for m in w]).replay, 8))}"]
        wanted = F.linear(x.float(), weights[-1].float())
        for one in settings:
            one = {**one, "BK": decode_step.block_of(K, one["BK"])}
            S = one.pop("S", None) or decode_step.parts_of(triton.cdiv(M, one["BM"]), K, one["BK"])
            sums = torch.empty(S, rows, M, device="cuda")

            def launch(one=one, S=S, sums=sums, weights=weights, x=x, M=M, K=K, BB=BB):
                for weight in weights:
                    decode_kernels.multiply[(triton.cdiv(M, one["BM"]) * S,)](
                        weight, x, sums, rows, M=M, K=K, S=S, SQUARED=False, BB=BB, PRECISION="tf32", **one)

            label = "/".join(str(one[key]) for key in ("BM", "BK", "num_warps", "num_stages")) + f"/{S}"
            try:
                line.append(f"{label} {rate(events(as_graph(launch).replay, 8))}" + ("" if apart(sums.sum(0), wanted) < 2e-3 else " WRONG"))
            except Exception as error:  # a block that the card has no room for
                line.append(f"{label} {type(error).__name__}")
        print(f"  {name:6} " + "; ".join(line), flush=True)


def main() -> None:
    """Check, measure and print."""
    if not torch.cuda.is_available():
        print("decode_gpu: no CUDA device here, nothing to measure")
        return
    print(f"card={torch.cuda.get_device_name()} torch={torch.__version__} triton={triton.__version__} rounds={ROUNDS}")
    quick = sys.argv[1:] == ["check"]
    names = (["2.9B", "1.5B"] if quick else sys.argv[1:] or [*SHAPES])
    began, everything = time.monotonic(), (1, 2, 4, 8, 16, 32, 64)

    def late(what: str) -> bool:
        """Whether there is no more time for it."""
        over = quick and time.monotonic() - began > SECONDS
        if over:
            print(f"left out, as time is up: {what}", flush=True)
        return over

    check((1, 2, 8, 64) if quick else everything)
    copies = bandwidth()
    print(f"\na large copy moves {copies / 1e12:.2f} TB/s")
    for name in names:
        speed(name, random_network(SHAPES[name]), copies, (1, 8, 64) if quick else BATCHES[name], late)
        torch.cuda.empty_cache()
    if "2.9B" in names:
        network = random_network(SHAPES["2.9B"])
        for act, *arguments in ((parts, 1), (parts, 8), (parts, 64), (products, 1, ONE), (products, 8, SOME), (products, 64, SOME)):
            if not late(f"{act.__name__}, {arguments[0]} rows"):
                act(network, *arguments)


if __name__ == "__main__":
    main()
