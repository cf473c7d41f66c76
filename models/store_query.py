"""SPARQL over the lesson store for anyone: it only reads, it reaches nothing else, and it ends within its time."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
import weakref
from itertools import count
from pathlib import Path

from models.facts import PREFIXES
from models.store import LessonStore

READER = Path(__file__).with_name("store_reader.py")
AT_ONCE = 2
# SERVICE would ask another server. Everything that can be such a clause is refused, also inside a text or a comment: what a text is
# the parser alone knows. `?service`, `x:service` and "service" are none.
SERVICE = re.compile(r"""(?<![?$:])service(?:\s|\#[^\n\r]*)*(?:silent(?:\s|\#[^\n\r]*)*)?(?:[<?$]|[^\s"'<>(){}?$]*:)""", re.IGNORECASE)


class QueryRefused(ValueError):
    """The query cannot be answered, in one sentence; `code` is "query", "long" (the answer), "time" or "memory"."""

    def __init__(self, message: str, code: str):
        super().__init__(message)
        self.code = code


class QueriesBusy(RuntimeError):
    """As many queries as are allowed at once are being answered."""


class StoreQueries:
    """Answers queries in processes that can be killed: each is kept for the next query, until one ends with it.

    Its folder holds a snapshot of the store for each process, made again when the store has grown since.
    """

    def __init__(self, folder: Path, seconds: float = 5.0, bytes: int = 8 * 2**20):
        self.seconds = seconds
        self.bytes = bytes
        self._folder = folder
        self._turns = threading.BoundedSemaphore(AT_ONCE)
        self._idle: list[_Reader] = []
        self._numbers = count(1)
        self._closed = False
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)

    def run(self, store: LessonStore, query: str, format: str = "") -> tuple[str, bytes]:
        """The media type and the bytes of an answer: W3C JSON for SELECT and ASK, N-Triples for CONSTRUCT and DESCRIBE, or Turtle
        where `format` is text/turtle. Without GRAPH a pattern is looked for in all graphs; PREFIXES need not be declared.

        Raises QueryRefused for what the query is, QueriesBusy, and OSError where the store cannot be read."""
        if SERVICE.search(query):
            raise QueryRefused("query: SERVICE is not allowed, a query reads this store alone (nor is its likeness in a text, "
                               "such as \"service x:\")", "query")
        until = time.monotonic() + self.seconds
        if not self._turns.acquire(timeout=self.seconds):
            raise QueriesBusy("other queries are being answered; try again in a moment")
        try:
            left = until - time.monotonic()
            if left <= 0 or self._closed:
                raise QueriesBusy("other queries are being answered; try again in a moment")
            reader = self._reader()
            try:
                asked = {"query": query, "format": format, "prefixes": PREFIXES, "seconds": left, "bytes": self.bytes}
                head, body = reader.ask(store, asked)
            except BaseException:
                reader.close()
                raise
            if head is None:
                raise self._ended(reader)
            if self._closed:
                reader.close()
            else:
                self._idle.append(reader)
        finally:
            self._turns.release()
        if "error" not in head:
            return head["type"], body
        if head["code"] == "store":
            raise OSError(head["error"])
        if head["code"] == "long":
            raise QueryRefused(f"query: the answer is longer than {self.bytes} bytes; add a LIMIT", "long")
        raise QueryRefused(f"query: {' '.join(head['error'].split())[:500]}", "query")

    def _reader(self) -> _Reader:
        while self._idle:
            reader = self._idle.pop()
            if reader.alive:
                return reader
            reader.close()
        return _Reader(self._folder, self._numbers)

    def _ended(self, reader: _Reader) -> QueryRefused:
        if reader.close() == -signal.SIGALRM:
            return QueryRefused(f"query: it took longer than {self.seconds:g} s and was stopped", "time")
        return QueryRefused("query: it needed more memory than a query may have, or is nested too deep, and was stopped", "memory")

    def close(self) -> None:
        """End the processes and remove the snapshots."""
        self._closed = True
        while self._idle:
            self._idle.pop().close()
        shutil.rmtree(self._folder, ignore_errors=True)


class _Reader:
    """One process and the snapshot that it reads."""

    def __init__(self, folder: Path, numbers: count):
        self._folder, self._numbers = folder, numbers
        self._of: tuple[weakref.ref[LessonStore] | None, int] = None, 0  # it must not keep a store open
        self._snapshot: Path | None = None
        # Isolated: what lies beside the file is not on its path.
        self._process = subprocess.Popen([sys.executable, "-I", str(READER)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                         stderr=subprocess.DEVNULL)

    @property
    def alive(self) -> bool:
        """Whether it is still there."""
        return self._process.poll() is None

    def ask(self, store: LessonStore, request: dict) -> tuple[dict | None, bytes]:
        """Head and body of its answer; no head where it ended."""
        old, head, body, size = None, None, b"", 0
        if self._of != (weakref.ref(store), store.seq):
            old, self._of = self._snapshot, (weakref.ref(store), store.seq)
            self._snapshot = self._folder / str(next(self._numbers))
            store.snapshot(self._snapshot)
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps({"store": str(self._snapshot), **request}).encode() + b"\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
            head = json.loads(line) if line.endswith(b"\n") else None
            size = head.get("bytes", 0) if head else 0
            body = self._process.stdout.read(size) if size else b""
        if old is not None:
            shutil.rmtree(old, ignore_errors=True)
        return (None, b"") if head is None or len(body) < size else (head, body)

    def close(self) -> int:
        """End it; returns its exit status."""
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        try:
            status = self._process.wait(0.05)
        except subprocess.TimeoutExpired:
            self._process.kill()
            status = self._process.wait()
        self._process.stdout.close()
        if self._snapshot is not None:
            shutil.rmtree(self._snapshot, ignore_errors=True)
        return status
