"""Chat beside a lesson: how long answers stand still while the model learns, and what both cost each other.

    python -m bench.streaming [STREAMS …]

The engine without HTTP, the embedded model, the default config. For each number of streams, three times in turn: the lesson is taught
alone, the streams write alone, the lesson is taught beside them, and the streams begin in the midst of one. A gap is the time between two
pieces of one answer. A micro-step is what the owner thread trains at once, the forward and backward of a chunk or of a batch that is
rehearsed, without the steps of decoding in its pauses; the probe and the checks have steps of their own and do not count. Both are medians.
The bound is what the longest gap must stay under: one and a half micro-steps and a step of decoding, of the same lesson.
"""

from __future__ import annotations

import sys
import tempfile
import threading
import time
from collections.abc import Callable
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
ROUNDS = 3
COLUMNS = ("streams", "tokens/s", "beside", "first", "beside", "gap", "beside", "longest", "micro-step", "decode", "of bound",
           "lesson s", "beside")


class Writer(threading.Thread):
    """One open answer, and when its pieces came."""

    def __init__(self, engine: Engine, endless: list[int], seed: int):
        super().__init__(daemon=True)
        options = InferOptions(max_tokens=1_000_000, ban_tokens=endless, seed=seed)
        self.ticket = engine.infer({"text": "Once upon a time"}, options, None, {"max_tokens", "ban_tokens", "seed"})
        self.began = time.perf_counter()
        self.times: list[float] = []
        self.start()

    def run(self) -> None:
        """Read to the end."""
        for kind, _ in self.ticket.events():
            if kind == "progress":
                self.times.append(time.perf_counter())

    @property
    def first(self) -> float:
        """Seconds to its first piece."""
        return self.times[0] - self.began

    def gaps(self, since: float, until: float) -> list[float]:
        """Seconds between its pieces in a span of time."""
        inside = [t for t in self.times if since <= t <= until]
        return [b - a for a, b in zip(inside, inside[1:], strict=False)]


class Clock:
    """The seconds of each micro-step and of each step of decoding, those in the pauses of a micro-step taken off it."""

    def __init__(self, engine: Engine):
        self.micro: list[float] = []
        self.decode: list[float] = []
        self._backwards = 0
        trainer = engine.model.trainer
        trainer.backward = self._noted(trainer.backward)
        engine.lessons.step = self._timed(engine.lessons.step, self.micro, training=True)
        engine.conversations.step = self._timed(engine.conversations.step, self.decode, training=False)

    def _noted(self, backward):
        def run(*given) -> None:
            self._backwards += 1
            backward(*given)

        return run

    def _timed(self, step, into: list[float], training: bool):
        def run() -> None:
            start, before, backwards = time.perf_counter(), len(self.decode), self._backwards
            step()
            if not training or self._backwards > backwards:
                into.append(time.perf_counter() - start - sum(self.decode[before:]))

        return run

    def reset(self) -> None:
        """Begin anew."""
        self.micro.clear()
        self.decode.clear()


def teach(engine: Engine) -> tuple[float, float]:
    """Teach the lesson; (when it began, when it was learned)."""
    began = time.perf_counter()
    engine.train({"messages": LESSON}, TrainOptions(epochs=4), None, {"epochs"}).result(600)
    return began, time.perf_counter()


def begin_beside(engine: Engine, writers: Callable[[], list[Writer]]) -> list[float]:
    """Seconds to the first piece of answers that begin in the midst of a lesson."""
    lesson = engine.train({"messages": LESSON}, TrainOptions(epochs=4), None, {"epochs"})
    events = lesson.events(600)
    next(events)
    begun = writers()
    wait_for(begun, 1)
    assert engine.lessons.training, "the lesson ended before the answers had begun"
    end(begun)
    for _ in events:
        pass
    return [w.first for w in begun]


def wait_for(writers: list[Writer], pieces: int) -> None:
    """Until each has written that many."""
    while any(len(w.times) < pieces for w in writers):
        time.sleep(0.005)


def end(writers: list[Writer]) -> None:
    """Cancel and wait."""
    for writer in writers:
        writer.ticket.cancel()
    for writer in writers:
        writer.join()


def measure(engine: Engine, clock: Clock, endless: list[int], streams: int) -> dict[str, float]:
    """One round."""
    begin = lambda: [Writer(engine, endless, seed) for seed in range(streams)]  # noqa: E731
    alone = teach(engine)
    writers = begin()
    wait_for(writers, 50)
    start = time.perf_counter()
    time.sleep(2)
    stop = time.perf_counter()
    clock.reset()
    span = teach(engine)
    micro, decode = median(clock.micro), median(clock.decode)
    end(writers)
    quiet = [g for w in writers for g in w.gaps(start, stop)]
    busy = [g for w in writers for g in w.gaps(*span)]
    rate = sum(span[0] <= t <= span[1] for w in writers for t in w.times) / (span[1] - span[0])
    return {"tokens/s": len(quiet) / (stop - start), "tokens/s beside": rate,
            "first": median(w.first for w in writers) * 1e3, "first beside": median(begin_beside(engine, begin)) * 1e3,
            "gap": median(quiet) * 1e3, "gap beside": median(busy) * 1e3, "longest": max(busy) * 1e3,
            "micro-step": micro * 1e3, "decode": decode * 1e3, "of bound": max(busy) / (1.5 * micro + decode),
            "lesson": alone[1] - alone[0], "lesson beside": span[1] - span[0]}


def main() -> None:
    """Print the table: of each number of streams, every round."""
    tokenizer = load_tokenizer(EMBEDDED.parent / "tokenizer.json")
    endless = [0, *(i for i in range(1, tokenizer.vocab_size) if b"\n" in tokenizer.token_bytes(i))]
    print("lesson: 4 steps; milliseconds, but for tokens/s, the lesson's seconds and the longest gap as a part of its bound")
    print("".join(f"{head:>11}" for head in COLUMNS))
    for streams in [int(n) for n in sys.argv[1:]] or [1, 8, 32]:
        with tempfile.TemporaryDirectory() as folder:
            engine = Engine(load_config(), Path(folder))
            clock = Clock(engine)
            engine.start()
            for _ in range(8):  # as many earlier lessons as are rehearsed with each step
                teach(engine)
            for _ in range(ROUNDS):
                found = measure(engine, clock, endless, streams)
                digits = {"of bound": 2, "lesson": 2, "lesson beside": 2, "tokens/s": 0, "tokens/s beside": 0}
                print(f"{streams:11}", "".join(f"{value:11.{digits.get(name, 1)}f}" for name, value in found.items()), sep="", flush=True)
            engine.close(1)


if __name__ == "__main__":
    main()
