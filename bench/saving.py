"""Chat beside a checkpoint: how long answers stand still while the weights are copied and written.

    python -m bench.saving [STREAMS …]

The engine without HTTP, the embedded model, the default config. For each number of streams, three times in turn: the streams write alone as
long as a checkpoint took, then beside one, from the request to the end of its writing. A gap is the time between two pieces of one answer,
in milliseconds; it must stay under 200.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from bench.streaming import ROUNDS, Writer, end, teach, wait_for
from config_scripts.schema import load_config
from engine.engine import Engine
from engine.live_model import EMBEDDED
from models.tokenizer import load_tokenizer

COLUMNS = ("streams", "gap", "longest", "beside", "longest", "save s", "MiB")
AROUND = 0.05
"""Seconds before and after the writing, so that a gap that it makes has both of its ends."""


def save(engine: Engine) -> tuple[float, float, int]:
    """Write a checkpoint; (when it was asked for, when it was there, its bytes)."""
    began = time.perf_counter()
    told = engine.save("bench").result(60)
    return began, time.perf_counter(), told["bytes"]


def measure(engine: Engine, endless: list[int], streams: int) -> list[float]:
    """One round, a number for each column but the first."""
    writers = [Writer(engine, endless, seed) for seed in range(streams)]
    wait_for(writers, 50)
    began, ended, size = save(engine)
    time.sleep(max(AROUND, ended - began))
    quiet = [g for w in writers for g in w.gaps(ended, time.perf_counter())]
    time.sleep(AROUND)
    began, ended, size = save(engine)
    time.sleep(AROUND)
    end(writers)
    beside = [g for w in writers for g in w.gaps(began - AROUND, ended + AROUND)]
    return [median(quiet) * 1e3, max(quiet) * 1e3, median(beside) * 1e3, max(beside) * 1e3, ended - began, size / 2**20]


def main() -> None:
    """Print the table: of each number of streams, every round."""
    tokenizer = load_tokenizer(EMBEDDED.parent / "tokenizer.json")
    endless = [0, *(i for i in range(1, tokenizer.vocab_size) if b"\n" in tokenizer.token_bytes(i))]
    print("".join(f"{head:>11}" for head in COLUMNS))
    for streams in [int(n) for n in sys.argv[1:]] or [1, 8]:
        with tempfile.TemporaryDirectory() as folder:
            engine = Engine(load_config(), Path(folder))
            engine.start()
            teach(engine)
            for _ in range(ROUNDS):
                print(f"{streams:11}", "".join(f"{value:11.1f}" for value in measure(engine, endless, streams)), sep="", flush=True)
            engine.close(1)


if __name__ == "__main__":
    main()
