"""A real server with the embedded model, and other people's clients in a virtual environment of their own."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import requests

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
REQUIREMENTS = ROOT / "requirements-foreign.txt"
ENVIRONMENT = ROOT / ".venv-foreign"


class Served:
    """A running program: where it is, and how clients are run against it."""

    def __init__(self, data, python, *more):
        command = [sys.executable, str(ROOT / "app.py"), "--port", "0", "--data", str(data), *more]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=data)
        self.url = self.process.stdout.readline().removeprefix("listening on ").strip()
        self.token = (data / "token").read_text().strip()
        self.python = python
        self.home = data

    def run(self, *command, timeout=300, given=None):
        """Run a command of the clients' environment; returns what it printed. `given`: its standard input. Nothing outside this machine is reachable or asked for."""
        environment = {
            **{name: value for name, value in os.environ.items() if name in ("PATH", "LANG", "TMPDIR")}, "HOME": str(self.home),
            "OPENAI_BASE_URL": f"{self.url}/v1", "OPENAI_API_BASE": f"{self.url}/v1", "OPENAI_API_KEY": self.token, "SERVER": self.url,
            "LLM_USER_PATH": str(self.home / "llm"), "LITELLM_LOCAL_MODEL_COST_MAP": "True", "HF_HUB_OFFLINE": "1",
            "HF_DATASETS_OFFLINE": "1", "HF_HOME": str(self.home / "hf"), "HF_EVALUATE_OFFLINE": "1", "OMP_NUM_THREADS": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        done = subprocess.run([str(self.python), *command], capture_output=True, text=True, env=environment, timeout=timeout, cwd=HERE,
                              input=given)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
        return done.stdout

    def client(self, name, *arguments, given=None):
        """Run a script of clients/, which prints one JSON value as its last line."""
        return json.loads(self.run(str(HERE / "clients" / f"{name}.py"), *arguments, given=given).strip().splitlines()[-1])

    def get(self, path):
        """What the server says, as JSON."""
        return requests.get(self.url + path, headers={"Authorization": f"Bearer {self.token}"}, timeout=60).json()

    def end(self, how=signal.SIGTERM):
        """Send the program a signal and wait for its end."""
        self.process.send_signal(how)
        code = self.process.wait(30)
        self.process.stdout.close()
        return code


@pytest.fixture(scope="session")
def python():
    """The Python of the clients' environment, which is made anew when the requirements change."""
    stamp, wanted = ENVIRONMENT / ".installed", REQUIREMENTS.read_text(encoding="utf-8")
    here = ENVIRONMENT / "bin" / "python"
    if not stamp.exists() or stamp.read_text(encoding="utf-8") != wanted:
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(ENVIRONMENT)], check=True)
        subprocess.run([str(here), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", str(REQUIREMENTS)], check=True)
        stamp.write_text(wanted, encoding="utf-8")
    return here


@pytest.fixture(scope="module")
def served(python, tmp_path_factory):
    """A server for the clients of one file: some of them teach it."""
    running = Served(tmp_path_factory.mktemp("served"), python)
    yield running
    running.end()
