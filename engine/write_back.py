"""What a run came to, written into the person's own org files."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from engine.atomic import write_file
from engine.run import Run
from models.org_writer import Learned, write_back
from models.role import Roles


def write_back_run(run: Run, paths: Mapping[str, Path], roles: Roles) -> list[dict]:
    """Write loss, version and date of each lesson that was learned under its heading; for each file, what could not be.

    The file as it lies there now is written to; what a person changed meanwhile stays.
    """
    told = []
    for name, path in paths.items():
        learned = [Learned(run.lessons[r["index"]], r["lesson"], r["version"], datetime.fromtimestamp(r["time"], UTC), r["loss_before"],
                           r["loss_after"]) for r in run.learned if run.lessons[r["index"]].source == name]
        try:
            content = path.read_bytes()
            changed, problems = write_back(content, learned, roles)
            if changed != content:
                write_file(path, changed, path.stat().st_mode & 0o777)
            told.append({"file": name, "problems": [{"line": p.line, "message": p.message} for p in problems]})
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            told.append({"file": name, "problems": [{"line": 0, "message": f"nothing was written back: {reason}"}]})
    return told
