"""The recipes of docs/clients.md for clients that nobody here wrote."""

import os
import subprocess

from tests.for_client.recipes import recipe
from tests.foreign.test_openai import CAT


def test_openai(served):
    assert served.run("-c", recipe("openai", served.url, served.home / "token")).strip() == CAT


def test_llm(served, tmp_path):
    block = recipe("llm", served.url, served.home / "token")
    more = {"PATH": f"{served.python.parent}:{os.environ['PATH']}", "LLM_USER_PATH": str(tmp_path), "HOME": str(tmp_path)}
    told = subprocess.run(["bash", "-ec", block], capture_output=True, text=True, check=True, env=os.environ | more, timeout=120).stdout
    assert told.strip() == CAT
