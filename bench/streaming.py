"""Chat beside a lesson: how long answers stand still while the model learns, and what both cost each other.

    python -m bench.streaming [STREAMS …]

The engine without HTTP, the embedded model. For each number of streams, the same lesson is taught with the streams writing
and without, and the streams write with a lesson and without. A gap is the time between two pieces of one answer; a
micro-step is what the owner thread does between two decode steps: a chunk forward and backward, an optimizer step, the probe.
"""

from __future__ import annotations

import sys
import tempfile
import threading
import time
from pathlib import Path
from statistics import median

from config_scripts.schema import load_config
from engine.engine import Engine
from engine.live_model import EMBEDDED
from engine.options import InferOptions, TrainOptions
from models.tokenizer import load_tokenizer

LESSON = [{"role": "user", "text": "Where did we spend our holidays last summer, and what did we do there every morning?"},
          {"role": "assistant", "text": "You spent your holidays in a small wooden house by the lake. Every morning you swam to the island and "
                                        "back, and then you ate bread with honey on the pier."}]


class Writer(threading.Thread):
    """One open answer, and when its pieces came."""

    def __init__(self, engine: Engine, endless: list[int], seed: int):
        super().__init__(daemon=True)
        options = InferOptions(max_tokens=1_000_000, ban_tokens=endless, seed=seed)
        self.ticket = engine.infer({"text": "Once upon a time"}, options, None, {"max_tokens", "ban_tokens", "seed"})
        self.times: list[float] = []
        self.start()

    def run(self) -> None:
        """Read to the end."""
        for kind, _ in self.ticket.events():
            if kind == "progress":
                self.times.append(time.perf_counter())

    def gaps(self, since: float, until: float) -> list[float]:
        """Seconds between its pieces in a span of time."""
        inside = [t for t in self.times if since <= t <= until]
        return [b - a for a, b in zip(inside, inside[1:], strict=False)]


def teach(engine: Engine) -> tuple[float, float]:
    """Teach the lesson; (when it began, when it was learned)."""
    began = time.perf_counter()
    engine.train({"messages": LESSON}, TrainOptions(epochs=4), None, {"epochs"}).result(600)
    return began, time.perf_counter()


def timed(step, into: list[float]):
    """`step` with its seconds noted."""

    def run() -> None:
        start = time.perf_counter()
        step()
        into.append(time.perf_counter() - start)

    return run


def main() -> None:
    """Print the table."""
    tokenizer = load_tokenizer(EMBEDDED.parent / "tokenizer.json")
    endless = [0, *(i for i in range(1, tokenizer.vocab_size) if b"\n" in tokenizer.token_bytes(i))]
    print("lesson: 4 steps; milliseconds, but for tokens/s and the lesson's seconds")
    print(f"{'streams':>8}{'tokens/s':>10}{'beside':>9}{'gap':>7}{'beside':>8}{'longest':>9}{'micro-step':>12}{'decode':>8}{'lesson s':>10}{'beside':>8}")
    for streams in [int(n) for n in sys.argv[1:]] or [1, 8, 32]:
        with tempfile.TemporaryDirectory() as folder:
            engine = Engine(load_config(), Path(folder))
            micro, decode = [], []
            engine.lessons.step = timed(engine.lessons.step, micro)
            engine.conversations.step = timed(engine.conversations.step, decode)
            engine.start()
            teach(engine)
            alone = [b - a for a, b in (teach(engine) for _ in range(2))]
            writers = [Writer(engine, endless, seed) for seed in range(streams)]
            while any(len(w.times) < 50 for w in writers):
                time.sleep(0.01)
            start = time.perf_counter()
            time.sleep(2)
            stop = time.perf_counter()
            micro.clear()
            decode.clear()
            spans = [teach(engine) for _ in range(2)]
            for writer in writers:
                writer.ticket.cancel()
            for writer in writers:
                writer.join()
            quiet = [g for w in writers for g in w.gaps(start, stop)]
            busy = [g for w in writers for span in spans for g in w.gaps(*span)]
            seconds = sum(b - a for a, b in spans)
            pieces = sum(a <= t <= b for w in writers for t in w.times for a, b in spans)
            print(f"{streams:8}{len(quiet) / (stop - start):10.0f}{pieces / seconds:9.0f}{median(quiet) * 1e3:7.1f}{median(busy) * 1e3:8.1f}"
                  f"{max(busy) * 1e3:9.1f}{max(micro) * 1e3:12.1f}{max(decode) * 1e3:8.1f}{median(alone):10.2f}{seconds / len(spans):8.2f}", flush=True)
            engine.close(1)


if __name__ == "__main__":
    main()
