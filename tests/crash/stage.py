"""Where scenes are played: processes of tests/crash/scenes.py under the library of faults."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.crash.program import ROOT

COUNT, KILL, TORN, FULL, SHORT = range(5)
"""Kinds of faults, as faults.c has them."""


def build(folder: Path) -> Path:
    """Compile the library of faults."""
    library = folder / "faults.so"
    compiler = next(name for name in (os.environ.get("CC"), "cc", "gcc") if name and shutil.which(name))
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o", str(library), str(Path(__file__).with_name("faults.c")), "-ldl"], check=True)
    return library


class Stage:
    """Plays one case at a time."""

    def __init__(self, library: Path, script: Path, log: Path):
        self.log = log
        environment = {**os.environ, "LD_PRELOAD": str(library), "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
        with open(log, "ab") as errors:
            self.process = subprocess.Popen([sys.executable, "-m", "tests.crash.scenes", str(script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                            stderr=errors, text=True, env=environment, cwd=ROOT)

    def play(self, scene: str, data: Path, **case) -> dict:
        """How the child ended ("code") and what it told, in order ("told")."""
        self.process.stdin.write(json.dumps({"scene": scene, "data": str(data), "log": str(self.log), **case}) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait(30)
        self.process.stdout.close()
