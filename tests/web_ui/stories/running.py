"""A server with the default model, the page beside it, and a screen to look at it with."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent.parent
SHOTS = ROOT / "screenshots"
"""Where the pictures of a run of these tests are kept; git passes over it."""

CHROMIUM = next((found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None)
START, WAIT = 120, 40_000
"""Seconds for a start, milliseconds for anything that the page shows: the end of a wait that has failed."""


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


class Server:
    """The program, on a port that stays the same when it is started again."""

    def __init__(self, data: Path, *more: str):
        self.data, self.more, self.port = data, more, free_port()
        self.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it; returns when it answers."""
        command = [sys.executable, str(ROOT / "app.py"), "--port", str(self.port), "--data", str(self.data), *self.more]
        with open(self.data / "log", "a") as log:
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, cwd=self.data)
        assert self.process.stdout.readline().startswith("listening on ")

    def kill(self) -> None:
        """End it as roughly as can be."""
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def stop(self) -> None:
        """End it in good order."""
        self.process.terminate()
        self.process.wait(START)
        self.process.stdout.close()


class Page:
    """`streamlit run WebUI.py` for a server."""

    def __init__(self, server: Server, token: Path | None = None):
        self.url = f"http://127.0.0.1:{(port := free_port())}"
        where = {"OUROBOROS_URL": server.url, "OUROBOROS_TOKEN_FILE": str(token or server.data / "token"), "OUROBOROS_TOKEN": ""}
        self.process = subprocess.Popen([sys.executable, "-m", "streamlit", "run", "WebUI.py", "--server.port", str(port)], cwd=ROOT,
                                        env=os.environ | where, stdout=subprocess.DEVNULL)
        wait_for(f"{self.url}/_stcore/health")

    def stop(self) -> None:
        """End it."""
        self.process.terminate()
        self.process.wait(START)


def wait_for(url: str) -> None:
    """Return when somebody answers there."""
    end = time.monotonic() + START
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError:
            assert time.monotonic() < end, f"nobody answers at {url}"
            time.sleep(0.1)


class Screen:
    """A tab of a browser, with words for what a person does in it."""

    def __init__(self, tab, url: str):
        self.tab, self.url = tab, url
        self.requests: list[str] = []
        tab.set_default_timeout(WAIT)
        tab.on("request", lambda request: self.requests.append(request.url))
        self.open()

    def open(self, path: str = "/") -> Screen:
        """Go to a page."""
        self.tab.goto(self.url + path)
        self.tab.locator("[data-testid=stSidebar], [data-testid=stHeading]").first.wait_for(state="attached")
        return self

    def see(self, text: str, **how):
        """Wait until a text is there to be seen."""
        self.tab.get_by_text(text, **how).locator("visible=true").first.wait_for()
        return self

    def gone(self, text: str):
        """Wait until a text is not there."""
        self.tab.get_by_text(text).locator("visible=true").first.wait_for(state="hidden")
        return self

    def press(self, name: str, exact: bool = False):
        """Press a button by what is written on it."""
        self.settled().tab.get_by_role("button", name=name, exact=exact).locator("visible=true").first.click()
        return self

    def settled(self):
        """Wait until the page is drawn: what is pressed while it is drawn anew may be taken away under the finger."""
        self.tab.wait_for_function("document.querySelector('[data-testid=stApp]').dataset.testScriptState !== 'running'")
        return self

    def choose(self, text: str):
        """Take one of several by what is written on it."""
        self.tab.get_by_text(text, exact=True).locator("visible=true").first.click()
        return self

    def write(self, label: str, text: str):
        """Write into a field, in the place of what is there, and leave it."""
        field = self.tab.get_by_role("textbox", name=label).locator("visible=true").first
        field.fill(text)
        field.blur()
        return self

    def say(self, text: str):
        """Write a message and send it."""
        field = self.tab.get_by_test_id("stChatInputTextArea")
        field.fill(text)
        self.tab.wait_for_function("!document.querySelector('[data-testid=stChatInputSubmitButton]').disabled")
        field.press("Enter")
        return self.see(text)

    def answered(self, count: int = 1) -> str:
        """Wait for so many answers; the last one's text."""
        self.tab.get_by_role("button", name="Correct").locator("visible=true").nth(count - 1).wait_for()
        return self.tab.get_by_test_id("stChatMessage").last.get_by_test_id("stMarkdown").first.inner_text()

    def picture(self, name: str) -> None:
        """Keep a picture of what is seen."""
        SHOTS.mkdir(exist_ok=True)
        self.tab.mouse.move(0, 0)
        self.tab.screenshot(path=SHOTS / f"{name}.png")
