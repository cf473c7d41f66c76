"""The page beside the server: a process of its own, which knows the server by its address and nothing else (web_ui/)."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from server.token import Token

ROOT = Path(__file__).parent.parent
PATIENCE = 5.0
"""Seconds that the page has to end."""


class Page:
    """Started at once; `stop` ends it, and so does the end of this process."""

    def __init__(self, port: int, url: str, token: Token):
        where = {"OUROBOROS_URL": url, "OUROBOROS_TOKEN": token.value}
        if token.path is not None:
            where |= {"OUROBOROS_TOKEN": "", "OUROBOROS_TOKEN_FILE": str(token.path.resolve())}
        self._process = subprocess.Popen([sys.executable, "-m", "web_ui", str(port)], cwd=ROOT, env=os.environ | where,
                                         stdin=subprocess.PIPE, stdout=sys.stderr)

    def stop(self) -> None:
        """End it, in good order if it can."""
        self._process.stdin.close()
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
