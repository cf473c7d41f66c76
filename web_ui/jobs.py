"""What takes a while: an answer being written, a lesson being learned. It runs beside the page, which may be closed meanwhile."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from typing import Any

import streamlit as st
from ouroboros_client import OuroborosError, Stream


class Job(threading.Thread):
    """One streamed request: `begin` returns its stream. `events` grow, then there is `result` or `error`; the page looks when it likes."""

    def __init__(self, begin: Callable[[], Stream], **about: Any):
        super().__init__(daemon=True)
        self.about = about
        self.events: list[Any] = []
        self.result: Any = None
        self.error: OuroborosError | None = None
        self.stopped = False
        self.began = time.monotonic()
        self.ended: float | None = None
        self.begin = begin
        self._stream: Stream | None = None

    def run(self) -> None:
        """Read the stream to its end."""
        try:
            self._stream = self.begin()
            for event in self._stream:
                self.events.append(event)
            self.result = self._stream.finish()
        except OuroborosError as error:
            self.error = error
        finally:
            self.ended = time.monotonic()

    @property
    def running(self) -> bool:
        """Whether more is to come."""
        return self.ended is None

    @property
    def learned(self) -> bool:
        """Whether it was a lesson, which is learned now."""
        return self.result is not None and bool(self.result.get("learned"))

    def stop(self) -> None:
        """Have the server end it; the stream then comes to its end by itself."""
        self.stopped = True
        if self._stream is not None:
            with contextlib.suppress(OuroborosError):  # gone, or through already: the thread hears of it
                self._stream.stop()

    @property
    def text(self) -> str:
        """What has been written of an answer."""
        return "".join(self.events)

    @property
    def speed(self) -> float | None:
        """Tokens a second of an answer that is there, its waiting and the reading of its prompt included."""
        if self.result is None or self.ended is None:
            return None
        return self.result["usage"]["completion_tokens"] / max(self.ended - self.began, 1e-6)


class Jobs(dict[str, Job]):
    """The jobs of all tabs, by what they are about ("answer:cats", "lesson:cats"); the last of each is kept until it is put away."""

    def begin(self, name: str, begin: Callable[[], Stream], **about: Any) -> Job:
        """Start one, in the place of the one before."""
        job = Job(begin, **about)
        self[name] = job
        job.start()
        return job

    def again(self, name: str) -> None:
        """Start one that failed once more."""
        self.begin(name, self[name].begin, **self[name].about)

    def put_away(self, name: str) -> None:
        """Forget one that has ended."""
        self.pop(name, None)


@st.cache_resource
def jobs() -> Jobs:
    """The jobs of this process: a page that is loaded again finds them here."""
    return Jobs()
