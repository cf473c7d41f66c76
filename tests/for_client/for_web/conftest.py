"""The page under /app in Chromium: over an engine that the test holds the strings of, and over the real program."""

import shutil
import subprocess
from contextlib import contextmanager

import pytest

from server.routes_app import FOLDER, LIBRARIES
from tests.for_client.for_web.running import Screen, Strings
from tests.for_client.quick import quick_config
from tests.server.running import TOKEN, Running
from tests.web_ui.stories.running import CHROMIUM, Server


@pytest.fixture(scope="module")
def browser():
    """Chromium, without a window, and the libraries of the page. Of one file: while it is open no other test may run an event loop."""
    if CHROMIUM is None:
        pytest.skip("no Chromium found: the page needs one (Debian, Ubuntu: apt install chromium)")
    if not all(path.exists() for path in LIBRARIES.values()):
        if shutil.which("npm") is None:
            pytest.skip("no npm found: the libraries of the page cannot be installed")
        done = subprocess.run(["npm", "ci", "--prefix", str(FOLDER)], capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"the libraries of the page cannot be installed here: npm ci: {done.stderr.strip().splitlines()[-1]}")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture(scope="module")
def strings():
    """A server whose engine does what the test says."""
    with Running(engine=Strings()) as running:
        running.token = TOKEN
        yield running


@pytest.fixture(scope="module")
def server(browser, tmp_path_factory):
    """The real program with the default model."""
    home = tmp_path_factory.mktemp("web")
    started = Server(home, *quick_config(home))
    started.token = (home / "token").read_text().strip()
    yield started
    started.stop()


@contextmanager
def looking(browser):
    """Opens the page of a server. What a tab threw, what its policy refused, and any other host that it asked fails the test."""
    contexts, screens = [], []

    def opened(server, token=None, **how):
        contexts.append(browser.new_context(**{"viewport": {"width": 1200, "height": 850}, "locale": "en-US", **how}))
        screens.append(Screen(contexts[-1].new_page(), server.url, server.token if token is None else token))
        return screens[-1]

    yield opened
    for context in contexts:
        context.close()
    for screen in screens:
        assert screen.thrown == [] and screen.strangers() == []


@pytest.fixture
def look(browser):
    """Opens tabs for one test."""
    with looking(browser) as opened:
        yield opened


@pytest.fixture(scope="module")
def look_all(browser):
    """Opens tabs for all tests of a file."""
    with looking(browser) as opened:
        yield opened
