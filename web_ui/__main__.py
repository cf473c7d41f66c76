"""The page as a child of the server: `python -m web_ui PORT`. It ends when its standard input does, and so with its parent."""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path

from streamlit.web import cli

ENTRY = Path(__file__).parent.parent / "WebUI.py"


def end_with_input() -> None:
    """Wait for the end of standard input, then end in good order."""
    sys.stdin.buffer.read()
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    threading.Thread(target=end_with_input, daemon=True).start()
    cli.main(["run", str(ENTRY), "--server.port", sys.argv[1]])
