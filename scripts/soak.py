"""Half an hour of teaching and answering, with a look at what must not grow: `python -m scripts.soak [--minutes 30]`.

Starts the program on a folder of its own, teaches and asks over HTTP from several threads, and samples the memory and the open descriptors of
the process. Every eighth lesson is as configured, with its checks; the others rehearse one earlier lesson and one general text. Ends it with kill -9, and has another start learn the whole journal again: it must come to the same digest. Prints a table; the exit
status is 1 where something grew, was lost, or differs.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from statistics import linear_regression, median

import psutil

ROOT = Path(__file__).parent.parent
ASKING = 4
"""Threads that ask; one teaches."""
WORDS = ("river", "window", "garden", "letter", "bridge", "candle", "harbour", "pencil", "mirror", "basket", "ladder", "kettle")
KIB_A_LESSON = 64
"""Most growth for each lesson: its record is kept in memory, about 15 KiB, and those of its steps are freed. A copy of the weights is 300
times that."""
UNSTEADY_MIB = 96
"""What the memory goes up and down by itself, as freed pieces are used again or given back: a growth below that is none."""


@dataclass
class Report:
    """What was seen. `samples`: (seconds, lessons, resident bytes, descriptors)."""

    lessons: int = 0
    answers: int = 0
    seconds: float = 0.0
    samples: list[tuple[float, int, int, int]] = field(default_factory=list)
    replay_seconds: float = 0.0
    digests: tuple[str, str] = ("", "")

    @property
    def late(self) -> list[tuple[float, int, int, int]]:
        """The samples after the first third, in which buffers and caches have grown to their size."""
        return self.samples[len(self.samples) // 3 :]

    @property
    def kib_a_lesson(self) -> float:
        """The slope of the memory over lessons."""
        return linear_regression([s[1] for s in self.late], [s[2] / 1024 for s in self.late]).slope

    @property
    def growth(self) -> float:
        """MiB that this slope comes to over the late samples."""
        return self.kib_a_lesson * (self.late[-1][1] - self.late[0][1]) / 1024

    @property
    def descriptors(self) -> tuple[float, float]:
        """The median of the descriptors in the first and the last quarter of the late samples."""
        counts, quarter = [s[3] for s in self.late], max(1, len(self.late) // 4)
        return median(counts[:quarter]), median(counts[-quarter:])

    def problems(self) -> list[str]:
        """What is not as it must be."""
        early, last = self.descriptors
        found = []
        if self.kib_a_lesson > KIB_A_LESSON and self.growth > UNSTEADY_MIB:
            found.append(f"memory grows by {self.kib_a_lesson:.0f} KiB a lesson, above {KIB_A_LESSON}, by {self.growth:.0f} MiB in all")
        if last > early + ASKING:
            found.append(f"descriptors grew from {early:g} to {last:g}")
        if self.digests[0] != self.digests[1]:
            found.append(f"the journal gives {self.digests[1][:12]}, the program had {self.digests[0][:12]}")
        return found

    def __str__(self) -> str:
        early, last = self.descriptors
        memory = [s[2] / 2**20 for s in self.late]
        rows = {"minutes": f"{self.seconds / 60:.1f}", "lessons": self.lessons, "answers": self.answers,
                "memory, MiB, after a third and at the end": f"{memory[0]:.0f} {memory[-1]:.0f}", "its slope, KiB a lesson": f"{self.kib_a_lesson:.1f}",
                "what that comes to, MiB": f"{self.growth:.0f}",
                "descriptors, early and late": f"{early:g} {last:g}", "replay, s": f"{self.replay_seconds:.0f}",
                "digest": self.digests[0][:16], "digest of the replayed journal": self.digests[1][:16]}
        return "\n".join(f"{name:45} {value}" for name, value in rows.items())


class Program:
    """The server on a folder, spoken to over HTTP."""

    def __init__(self, data: Path, config: Path | None):
        script = ["--config", str(config)] if config else []
        with open(data / "soak.log", "ab") as log:
            self.process = subprocess.Popen([sys.executable, str(ROOT / "app.py"), "--data", str(data), "--port", "0", *script],
                                            stdout=subprocess.PIPE, stderr=log, text=True, env=dict(os.environ))
        line = self.process.stdout.readline()
        if not line.startswith("listening on "):
            raise SystemExit(f"soak: the program does not start, see {data / 'soak.log'}")
        self.url, self.token = line.split()[-1], (data / "token").read_text().strip()

    def ask(self, path: str, body: dict | None = None) -> dict:
        """One request; an error of HTTP is raised."""
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        request = urllib.request.Request(self.url + path, None if body is None else json.dumps(body).encode(), headers)
        with urllib.request.urlopen(request, timeout=300) as response:
            return json.load(response)

    def end(self) -> None:
        """kill -9."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.process.stdout.close()


def soak(data: Path, lessons: int, answers: int, minutes: float, config: Path | None = None) -> Report:
    """Teach and ask until both numbers are reached or the time is over."""
    report, over, guard = Report(), threading.Event(), threading.Lock()
    program = Program(data, config)
    seen = psutil.Process(program.process.pid)
    began = time.monotonic()
    deadline = began + 60 * minutes

    def going(done: int, wanted: int) -> bool:
        return done < wanted and time.monotonic() < deadline and not over.is_set()

    def teach() -> None:
        while going(report.lessons, lessons):
            number = report.lessons
            subject, thing = WORDS[number % len(WORDS)], WORDS[number // len(WORDS) % len(WORDS)]
            messages = [{"role": "user", "text": f"Where is my {subject} number {number}?"},
                        {"role": "assistant", "text": f"Your {subject} is behind the {thing}."}]
            options = {} if number % 8 == 0 else {"checks": False, "replay": 1, "general": 1}
            program.ask("/train", {"messages": messages, "epochs": 1, **options, "idempotency_key": f"soak-{number}"})
            report.lessons += 1

    def ask(thread: int) -> None:
        while going(report.answers, answers):
            number = report.answers
            session = {"session": f"soak-{thread}-{number // 80}"} if number % 2 else {}
            program.ask("/infer", {"messages": [{"role": "user", "text": f"Where is my {WORDS[number % len(WORDS)]}?"}], "max_tokens": 24, **session})
            with guard:
                report.answers += 1

    def watch() -> None:
        while not over.wait(min(2.0, minutes)):
            report.samples.append((time.monotonic() - began, report.lessons, seen.memory_info().rss, seen.num_fds()))

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        with ThreadPoolExecutor(ASKING + 1) as pool:
            for each in [pool.submit(teach), *(pool.submit(ask, thread) for thread in range(ASKING))]:
                each.result()
        report.seconds = time.monotonic() - began
        final = program.ask("/weights")
    finally:
        over.set()
        watching.join()
        program.end()
    alone = data / "replayed"
    alone.mkdir()
    shutil.copy(data / "journal", alone)
    began = time.monotonic()
    program = Program(alone, config)
    report.replay_seconds = time.monotonic() - began
    replayed = program.ask("/weights")
    program.end()
    if not final["version"] == replayed["version"] == report.lessons:
        raise SystemExit(f"soak: {report.lessons} lessons were acknowledged, the program has {final['version']}, the journal {replayed['version']}")
    report.digests = final["digest"], replayed["digest"]
    return report


def main() -> int:
    """Run and report."""
    parser = argparse.ArgumentParser(prog="python -m scripts.soak", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30, help="most time for lessons and answers; learning the journal again comes after it")
    parser.add_argument("--lessons", type=int, default=2000)
    parser.add_argument("--answers", type=int, default=5000)
    parser.add_argument("--config", type=Path, help="config script instead of the default")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        report = soak(Path(folder), options.lessons, options.answers, options.minutes, options.config)
    print(report)
    for problem in report.problems():
        print(f"soak: {problem}", file=sys.stderr)
    return 1 if report.problems() else 0


if __name__ == "__main__":
    sys.exit(main())
