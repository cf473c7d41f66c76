"""The `rwkv` package as a peer, in a process of its own: it is told how many steps to take, and answers with the times it took."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch


class Package:
    """A program around the package, with these weights and as many threads as here; it prints a line `TIMES`, then JSON, for each line
    that it reads."""

    def __init__(self, program: str, weights: Path, *more: str, **environment: str):
        """The program's arguments: the weights (a `.pth`) without their suffix, the threads, and `more`."""
        command = [sys.executable, "-c", program, str(weights.with_suffix("")), str(torch.get_num_threads()), *more]
        environment = {**os.environ, "RWKV_JIT_ON": "1", **environment}
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)  # noqa: S603

    def timed(self, steps: int) -> Any:
        """What it says of so many steps, in seconds. RuntimeError where it did not run."""
        self.process.stdin.write(f"{steps}\n")
        self.process.stdin.flush()
        for line in self.process.stdout:
            if line.startswith("TIMES"):
                return json.loads(line.removeprefix("TIMES"))
        raise RuntimeError("the `rwkv` package (pip install rwkv) did not run")

    def close(self) -> None:
        """End its process."""
        self.process.kill()
        self.process.communicate()
