"""The recipes of docs/clients.md for our own client, and for curl."""

import os
import subprocess
import sys

from tests.for_client.client_code.conftest import PACKAGE
from tests.for_client.recipes import recipe


def run(served, tmp_path, *command):
    """What a command prints, with `ouroboros` on its way."""
    script = tmp_path / "bin" / "ouroboros"
    script.parent.mkdir()
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m ouroboros_client "$@"\n')
    script.chmod(0o700)
    more = {"PATH": f"{script.parent}:{os.environ['PATH']}", "PYTHONPATH": str(PACKAGE / "src"), "HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path),
            "OUROBOROS_URL": served.url}
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | more, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_shell(served, tmp_path):
    told = run(served, tmp_path, "bash", "-ec", recipe("The shell", served.url, served.home / "token"))
    assert "\nYour cat is called Wanda.\n" in told and "Saved version" in told


def test_python(served, tmp_path):
    assert run(served, tmp_path, sys.executable, "-c", recipe("Python", served.url, served.home / "token")) == "Your dog is called Rex.\n"


def test_curl(served, tmp_path):
    told = run(served, tmp_path, "bash", "-ec", recipe("curl", served.url, served.home / "token"))
    assert told.startswith('data: {"text":"') and told.endswith("data: [DONE]\n\n") and '"finish_reason":"stop"' in told
