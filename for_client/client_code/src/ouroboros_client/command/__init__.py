"""The command `ouroboros`: ask, teach and correct a model from a shell, or from any editor that can pipe a text through a program."""

from __future__ import annotations

import sys

from ouroboros_client.command import asking, keeping, teaching, watching
from ouroboros_client.command.common import Code, app, code_of
from ouroboros_client.errors import OuroborosError

__all__ = ["app", "asking", "keeping", "main", "teaching", "watching"]


def main() -> None:
    """Run the command; every failure is one sentence on standard error, and an exit code."""
    try:
        app(prog_name="ouroboros")
    except OuroborosError as error:
        print(f"ouroboros: {error}", file=sys.stderr)
        sys.exit(code_of(error))
    except KeyboardInterrupt:
        sys.exit(Code.INTERRUPTED)
