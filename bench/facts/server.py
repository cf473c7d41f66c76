"""The server that is taught: one that runs somewhere, or one started here on a folder of its own."""

from __future__ import annotations

import json
import math
import os
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from safetensors.torch import load_file

ROOT = Path(__file__).parents[2]
AT_ONCE = 8
PATIENCE = 600.0
REST = 15.0
"""Seconds without a new version after which a server is at rest."""


def normal(text: str) -> str:
    """A text without what does not make another answer of it."""
    return re.sub(r"\s+", " ", text).strip().rstrip(".").casefold()


class Server:
    """A server by its public routes."""

    def __init__(self, url: str, token: str = ""):
        self.url = url.rstrip("/")
        self.token = token

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_) -> None:
        """Leave it running."""

    def post(self, route: str, body: dict) -> dict:
        """The answer; RuntimeError in the server's words where it refuses."""
        return self._ask("POST", route, json.dumps(body).encode())

    def _ask(self, method: str, route: str, data: bytes | None = None) -> dict:
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        try:
            with urlopen(Request(self.url + route, data, headers, method=method), timeout=PATIENCE) as answer:
                return json.load(answer)
        except HTTPError as error:
            raise RuntimeError(f"{route}: {error.code}: {error.read().decode()[:300]}") from None

    def answers(self, chats: list[list[dict]]) -> list[str]:
        """The greedy answer to each chat, several asked at the same time."""

        def ask(chat: list[dict]) -> str:
            return self.post("/infer", {"messages": chat, "temperature": 0, "max_tokens": 48})["text"]

        with ThreadPoolExecutor(AT_ONCE) as pool:
            return list(pool.map(ask, chats))

    def teach(self, question: str, answer: str, key: str, options: dict) -> tuple[dict, float]:
        """(What /train answers, the seconds of the request.)"""
        began = time.perf_counter()
        messages = [{"role": "user", "text": question}, {"role": "assistant", "text": answer}]
        told = self.post("/train", {"messages": messages, "idempotency_key": key, "checks": False, **options})
        return told, time.perf_counter() - began

    def retract(self, lesson: str) -> None:
        """Have a lesson rehearsed no more."""
        self._ask("DELETE", f"/lessons/{lesson}")

    def rest(self) -> int:
        """Wait until nothing is rehearsed any more; returns how many rehearsals there were."""
        seen = -1
        while seen != (now := self._ask("GET", "/health", None)["version"]):
            seen = now
            time.sleep(REST)
        return sum(row["made_by"] == "rehearsal" for row in self._ask("GET", "/versions", None)["versions"] if "made_by" in row)

    def bits(self, texts: list[dict]) -> dict[str, float]:
        """Bits per byte of the texts, by source."""
        bits, size = {}, {}
        for row in texts:
            asked = {"model": "rwkv-ouroboros", "prompt": row["text"], "max_tokens": 0, "echo": True, "logprobs": 0}
            told = self.post("/v1/completions", asked)
            costs = [cost for cost in told["choices"][0]["logprobs"]["token_logprobs"] if cost is not None]
            bits[row["source"]] = bits.get(row["source"], 0.0) - sum(costs) / math.log(2)
            size[row["source"]] = size.get(row["source"], 0) + len(row["text"].encode())
        return {source: bits[source] / size[source] for source in bits}

    def moved(self) -> float | None:
        """How far the weights are from those that it began with, per mille of their size; None where they are out of reach."""
        return None


class Started(Server):
    """app.py with the default model (or a config script's), on a data folder that may have been used before."""

    def __init__(self, data: Path, config: str | None = None):
        super().__init__("", "")
        self.data = data
        self._config = config

    def __enter__(self) -> Started:
        self.data.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, str(ROOT / "app.py"), "--port", "0", "--data", str(self.data)]
        command += ["--config", self._config] if self._config else []
        self._log = open(self.data.parent / "server.log", "a")  # noqa: SIM115 - open as long as the server runs
        self._process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=self._log, text=True, env=dict(os.environ))
        found = re.match(r"listening on (\S+)", self._process.stdout.readline())
        if found is None:
            raise RuntimeError(f"the server did not start; see {self._log.name}")
        self.url, self.token = found[1], (self.data / "token").read_text(encoding="utf-8").strip()
        return self

    def __exit__(self, *_) -> None:
        self._process.terminate()
        self._process.wait(60)
        self._process.stdout.close()
        self._log.close()

    def moved(self) -> float | None:
        """From a checkpoint of now and one of the beginning."""
        now = self._saved("now")
        begin = self._saved("begin")
        change = math.sqrt(sum(float((now[name].double() - begin[name].double()).square().sum()) for name in now))
        return 1e3 * change / math.sqrt(sum(float(tensor.double().square().sum()) for tensor in begin.values()))

    def save_begin(self) -> None:
        """Keep the weights as they are before the first lesson."""
        if not list((self.data / "checkpoints").glob("begin@*")):
            self.post("/save", {"name": "begin"})

    def _saved(self, name: str) -> dict:
        if name == "now":
            self.post("/save", {"name": name})
        return load_file(sorted((self.data / "checkpoints").glob(f"{name}@*"))[-1] / "model.safetensors")


def messages(question: str) -> list[dict]:
    """A chat that is a question."""
    return [{"role": "user", "text": question}]


def append(path: Path, row: dict) -> None:
    """Add a line of JSON to a file, on the disk before anything else is done."""
    with open(path, "a", encoding="utf-8") as file:
        file.write(json.dumps(row, ensure_ascii=False) + "\n")
        file.flush()
        os.fsync(file.fileno())
