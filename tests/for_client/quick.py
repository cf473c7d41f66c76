"""A config script for tests of clients: the default model, and lessons that take a second, and answers that are the
same each time. What makes lessons good is tested elsewhere."""

import json
import tomllib
from pathlib import Path

TINY = Path(__file__).parents[2] / "config_scripts" / "tiny.toml"
QUICK = {"infer": {"temperature": 0.0}, "train": {"replay": 0, "kl": 0.0}, "checks": {"earlier": 2, "neighbours": 1, "seconds": 1.0}}


def quick_config(folder):
    """Its arguments for the program, written into a folder."""
    config = tomllib.loads(TINY.read_text(encoding="utf-8"))
    lines = []
    for section in {**config, **QUICK}:
        lines += [f"[{section}]", *(f"{key} = {json.dumps(value)}" for key, value in {**config.get(section, {}), **QUICK.get(section, {})}.items())]
    (folder / "quick.toml").write_text("\n".join(lines), encoding="utf-8")
    return "--config", str(folder / "quick.toml")
