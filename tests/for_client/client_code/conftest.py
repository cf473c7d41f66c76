"""One program with the embedded model for all tests of the client, and the command run against it."""

import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from ouroboros_client import Client
from ouroboros_client.command import main

from tests.for_client.quick import quick_config
from tests.foreign.conftest import Served

PACKAGE = Path(__file__).parents[3] / "for_client" / "client_code"
ONE_STEP = {"epochs": 1, "replay": 0, "kl": 0, "checks": False}


@pytest.fixture(scope="package")
def served(tmp_path_factory):
    """The running program."""
    home = tmp_path_factory.mktemp("client")
    running = Served(home, None, *quick_config(home))
    yield running
    running.end()


@pytest.fixture
def client(served):
    """A client of it."""
    with Client(served.url, served.token) as client:
        yield client


class Done:
    """What a command came to."""

    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err

    @property
    def json(self):
        """The one line of JSON that it printed."""
        (line,) = self.out.splitlines()
        return json.loads(line)


class Command:
    """The command against a server; what it keeps between two runs lies in `home`."""

    def __init__(self, url, token, home, monkeypatch, capsys):
        self.environment = {
            "OUROBOROS_URL": url, "OUROBOROS_TOKEN": token, "OUROBOROS_TOKEN_FILE": "", "HOME": str(home), "XDG_CONFIG_HOME": str(home),
            "PYTHONPATH": str(PACKAGE / "src"), "TERM": "dumb", "COLUMNS": "80"}
        self.monkeypatch, self.capsys = monkeypatch, capsys

    def start(self, *arguments):
        """The process; Control-C means to it what it means at a terminal, also when the tests run in the background."""
        return subprocess.Popen(
            [sys.executable, "-m", "ouroboros_client", *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True, env=os.environ | self.environment, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler))

    def __call__(self, *arguments, given="", **more):
        """The same in this process, with what is piped in."""
        for name, value in (self.environment | more).items():
            self.monkeypatch.setenv(name, value)
        self.monkeypatch.setattr(sys, "argv", ["ouroboros", *arguments])
        self.monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(given.encode())))
        self.capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        return Done(ended.value.code or 0, *self.capsys.readouterr())


@pytest.fixture
def ouroboros(served, tmp_path, monkeypatch, capsys):
    """The command."""
    return Command(served.url, served.token, tmp_path, monkeypatch, capsys)
