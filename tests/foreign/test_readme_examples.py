"""The README's section on OpenAI's API, as it stands: the curl command and the Python program."""

import json
import os
import re
import subprocess

from tests.foreign.conftest import ROOT
from tests.foreign.test_openai import CAT


def examples(language, served):
    """The blocks of one language, for the server of the test."""
    section = (ROOT / "README.md").read_text(encoding="utf-8").split("## As an OpenAI server")[1].split("\n## ")[0]
    return [block.replace("http://127.0.0.1:3000", served.url).replace("data/token", str(served.home / "token"))
            for block in re.findall(rf"```{language}\n(.*?)```", section, re.DOTALL)]


def test_curl(served):
    [block] = examples("bash", served)
    answer = subprocess.run(["bash", "-ec", block], capture_output=True, text=True, check=True, env=dict(os.environ), timeout=60).stdout
    assert json.loads(answer)["choices"][0]["message"]["content"] == CAT


def test_python(served):
    [block] = examples("python", served)
    assert served.run("-c", block) == CAT
