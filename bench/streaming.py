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

QUESTION = "Where did we spend our holidays last summer, and what did we do there every morning?"
ANSWER = ("You spent your holidays in a small wooden house by the lake. Every morning you swam to the island and back, and then you ate "
          "bread with honey on the pier.")
LESSON = [{"role": "user", "text": QUESTION}, {"role": "assistant", "text": ANSWER}]
HEADS = ("streams", "tokens/s", "beside", "gap", "beside", "longest", "micro-step", "decode", "lesson s", "beside")


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
    print("".join(f"{head:>11}" for head in HEADS))
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
            milliseconds = (median(quiet), median(busy), max(busy), max(micro), max(decode))
            print(f"{streams:11}{len(quiet) / (stop - start):11.0f}{pieces / seconds:11.0f}",
                  "".join(f"{t * 1e3:11.1f}" for t in milliseconds),
                  f"{median(alone):11.2f}{seconds / len(spans):11.2f}", sep="", flush=True)
            engine.close(1)


if __name__ == "__main__":
    main()
