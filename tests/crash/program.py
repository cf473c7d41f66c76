"""The real program, started as a person starts it, and what can be seen of it from outside."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
import zlib
from pathlib import Path

import requests

ROOT = Path(__file__).parent.parent.parent
WAIT = 120
"""Seconds that nothing here should ever take."""
AT_WORK = {".lock", ".store.read"}
"""Hidden names that belong to a running server."""


class Program:
    """`python app.py` on a data folder, with a config script or, by its suffix, with a weights file alone. With `wait=False` it may not
    answer yet."""

    def __init__(self, script: Path, data: Path, wait: bool = True, **environment: str):
        self.data = data
        data.mkdir(parents=True, exist_ok=True)
        self.log = data.with_name(f"{data.name}.log")
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, str(ROOT / "app.py"), "--config" if script.suffix == ".toml" else "--model", str(script), "--data", str(data), "--port", "0"],
                stdout=subprocess.PIPE, stderr=log, text=True, env={**os.environ, "OMP_NUM_THREADS": "1", **environment})
        self.url = ""
        if wait:
            self.ready()

    def ready(self) -> None:
        line = self.process.stdout.readline()
        assert line.startswith("listening on "), f"it does not start: {self.log.read_text()[-3000:]}"
        self.url = line.split()[-1]
        self.headers = {"Authorization": f"Bearer {(self.data / 'token').read_text().strip()}"}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end(signal.SIGKILL)

    def get(self, path: str) -> dict:
        response = requests.get(self.url + path, headers=self.headers, timeout=WAIT)
        response.raise_for_status()
        return response.json()

    def ask(self, path: str, **body) -> requests.Response:
        return requests.post(self.url + path, json=body, headers=self.headers, timeout=WAIT)

    def post(self, path: str, **body) -> dict:
        response = self.ask(path, **body)
        assert response.ok, response.text
        return response.json()

    def listed(self, path: str) -> dict:
        """What a list of the lesson store says, when the store is there."""
        deadline = time.monotonic() + WAIT
        while (response := requests.get(self.url + path, headers=self.headers, timeout=WAIT)).status_code == 503:
            assert time.monotonic() < deadline, response.text
            time.sleep(float(response.headers["Retry-After"]) / 10)
        return response.json()

    def end(self, how: int = signal.SIGKILL) -> int:
        if self.process.poll() is None:
            self.process.send_signal(how)
        code = self.process.wait(WAIT)
        self.process.stdout.close()
        return code


def records(data: Path) -> list[dict]:
    """The whole lines of a journal, read by the format's description alone: CRC-32 in hex, a space, JSON."""
    found = []
    for line in (data / "journal").read_bytes().split(b"\n")[:-1]:
        assert int(line[:8], 16) == zlib.crc32(line[9:]), line
        found.append(json.loads(line[9:]))
    assert [record["seq"] for record in found] == list(range(1, len(found) + 1))
    return found


def lessons(data: Path) -> list[dict]:
    return [record for record in records(data) if record["kind"] == "lesson"]


def strays(data: Path) -> list[str]:
    """What no running server needs and no person made."""
    return [str(path.relative_to(data)) for path in data.rglob("*")
            if path.name not in AT_WORK and (path.name.startswith(".") or path.name.endswith((".new", ".torn", ".tmp")))
            and not path.is_relative_to(data / ".store.read") and not path.is_relative_to(data / "store")]


def unreadable(data: Path) -> list[str]:
    """Checkpoints and sessions that are not what they say."""
    bad, folders = [], sorted(data.glob("checkpoints/*@*"), key=lambda path: path.name.split("@")[1])
    latest = data / "checkpoints" / "latest"
    if folders and latest.read_text()[:-1] not in [path.name for path in folders if path.name[-8:] == folders[-1].name[-8:]]:
        bad.append(f"{latest}: {latest.read_text()}")
    for path in folders:
        files = json.loads((path / "manifest.json").read_bytes())["files"]
        bad += [str(path / name) for name, fact in files.items()
                if hashlib.sha256((path / name).read_bytes()).hexdigest() != fact["sha256"]]
    for path in data.glob("sessions/*"):
        if not isinstance(json.loads(path.read_bytes())["turns"], list):
            bad.append(str(path))
    return bad
