"""Checkpoints: the weights at one moment, in a folder of their own that appears whole or not at all.

A folder `NAME@SEQ` holds model.safetensors (the network's parameters under their own names), optimizer.safetensors (what a
step would miss in them: fp32 copies, and the moments where they outlive lessons), memory.safetensors (the training memory,
where there is one), adapters.safetensors (those that are kept) and manifest.json: what it is, after which record of the journal,
and size and SHA-256 of each file. It is written under a temporary name, synced, and renamed into place; never changed afterwards.
"""

from __future__ import annotations

import hashlib
import logging
import re
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

import orjson
from torch import Tensor

from engine.atomic import sync, write_file
from engine.errors import BadRequest, NotFound
from rwkv_models.weights_file import WeightsError, read_tensors, save_weights

log = logging.getLogger("ouroboros.checkpoints")
NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


def checked_name(name: str, param: str = "name") -> str:
    """The name, or a refusal: names from callers become parts of paths."""
    if not NAME.fullmatch(name):
        raise BadRequest(f"{param}: a name is 1 to 64 of a-z 0-9 . _ - and begins with a letter or digit", param)
    return name


@dataclass(frozen=True)
class Checkpoint:
    """One checkpoint on disk; `seq` is the last record of the journal that it contains."""

    folder: Path
    name: str
    seq: int
    version: int
    manifest: dict

    @classmethod
    def read(cls, folder: Path) -> Checkpoint:
        """What the manifest of a folder says. Raises OSError, ValueError, KeyError or TypeError where it is none."""
        manifest = orjson.loads((folder / "manifest.json").read_bytes())
        manifest["files"]["model.safetensors"]["bytes"]  # what every one has
        return cls(folder, manifest["name"], manifest["seq"], manifest["version"], manifest)

    def verify(self) -> str | None:
        """None, or in one sentence why it cannot be trusted."""
        for file, fact in self.manifest["files"].items():
            path = self.folder / file
            if not path.is_file():
                return f"{path} is missing"
            if path.stat().st_size != fact["bytes"]:
                return f"{path} has {path.stat().st_size} bytes, its manifest says {fact['bytes']}"
            if _sha256(path) != fact["sha256"]:
                return f"{path} does not match the SHA-256 of its manifest"
        return None

    def part(self, name: str) -> dict[str, Tensor]:
        """The tensors of one part, on the CPU; {} where it has none."""
        path = self.folder / f"{name}.safetensors"
        return read_tensors(path) if path.exists() else {}

    def describe(self) -> dict:
        """What GET /save tells of it."""
        model = self.manifest["files"]["model.safetensors"]
        return {"name": self.name, "version": self.version, "bytes": model["bytes"], "sha256": model["sha256"],
                "time": self.manifest["time"]}


class Checkpoints:
    """The folder of checkpoints."""

    def __init__(self, folder: Path):
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        for unfinished in folder.glob(".*"):
            shutil.rmtree(unfinished, ignore_errors=True)

    def list(self) -> list[Checkpoint]:
        """All readable ones, newest first."""
        found = []
        for path in self.folder.glob("*@*/manifest.json"):
            try:
                found.append(Checkpoint.read(path.parent))
            except (OSError, ValueError, KeyError, TypeError) as error:
                log.warning("checkpoint=%s ignored: its manifest is not readable (%s)", path.parent, error)
        return sorted(found, key=lambda c: (c.seq, c.manifest["time"]), reverse=True)

    def find(self, name: str) -> Checkpoint:
        """The newest checkpoint of that name, verified."""
        checked_name(name)
        for checkpoint in self.list():
            if checkpoint.name == name:
                problem = checkpoint.verify()
                if problem:
                    raise BadRequest(f"the checkpoint {name} is damaged: {problem}", "name")
                return checkpoint
        raise NotFound(f"there is no checkpoint {name}", "name")

    def prune(self, name: str, keep: int) -> None:
        """Remove the oldest checkpoints of this name beyond `keep`."""
        for checkpoint in [c for c in self.list() if c.name == name][keep:]:
            hidden = self.folder / f".{checkpoint.folder.name}.old"
            checkpoint.folder.rename(hidden)  # first out of sight: half a checkpoint is never listed
            shutil.rmtree(hidden, ignore_errors=True)
            log.info("checkpoint=%s removed", checkpoint.folder.name)

    def write(self, name: str, parts: dict[str, dict[str, Tensor]], facts: dict) -> Checkpoint:
        """Write a checkpoint: one safetensors file for each part that holds a tensor, "model" first of all.

        `facts` must hold version and seq, and goes into the manifest. Raises what the disk or the writer of files raises.
        """
        seq = facts["seq"]
        final = self.folder / f"{name}@{seq:08d}"
        temporary = self.folder / f".{final.name}"
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir()
        try:
            for part, tensors in parts.items():
                if tensors:
                    save_weights(tensors, temporary / f"{part}.safetensors", {"format": "pt"})
            files = {}
            for path in sorted(temporary.iterdir()):
                sync(path)
                files[path.name] = {"bytes": path.stat().st_size, "sha256": _sha256(path)}
            manifest = {"name": name, **facts, "time": time.time(), "files": files}
            write_file(temporary / "manifest.json", orjson.dumps(manifest, option=orjson.OPT_INDENT_2), 0o644)
            if final.exists():  # the same name saved twice with no lesson between: the newer takes its place
                final.rename(self.folder / f".{final.name}.old")
            temporary.rename(final)
            sync(self.folder)
        finally:
            for leftover in (temporary, self.folder / f".{final.name}.old"):
                shutil.rmtree(leftover, ignore_errors=True)
        return Checkpoint(final, name, seq, facts["version"], manifest)


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


__all__ = ["Checkpoint", "Checkpoints", "WeightsError", "checked_name"]
