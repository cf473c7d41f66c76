"""The recipes of docs/clients.md."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def recipe(title, url, token):
    """The one block under a title, for the server of a test."""
    section = (ROOT / "docs" / "clients.md").read_text(encoding="utf-8").split(f"\n## {title}\n")[1].split("\n## ")[0]
    [block] = re.findall(r"```\w+\n(.*?)```", section, re.DOTALL)
    assert len(block.splitlines()) <= 6  # with an empty line between import and program
    return block.replace("http://127.0.0.1:3000", url).replace("data/token", str(token))
