"""Checkpoints: the weights at one moment, in a folder of their own that appears whole or not at all.

A folder `NAME@SEQ` holds model.safetensors (the network's parameters under their own names), optimizer.safetensors (what a
step would miss in them: fp32 copies, and the moments where they outlive lessons), memory.safetensors (the training memory,
where there is one), adapters.safetensors (those that are kept), each in shards where it is large, and manifest.json: what it is,
after which record of the journal, size and SHA-256 of each file, and a SHA-256 of itself. It is written under a temporary name,
synced, and renamed into place; nothing in it is changed afterwards. What it is called is the folder's name alone (the manifest has
the name that it was saved under), so that another name is one step that happens or does not.

The file `latest` beside the folders has the name of the newest, for people and their tools. Nothing here believes it.
"""

from __future__ import annotations

import hashlib
import logging
import re
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import orjson
import torch
from torch import Tensor

from engine import shards
from engine.atomic import remove, sync, write_file, write_synced
from engine.errors import BadRequest, Conflict, NotFound
from rwkv_models.weights_file import WeightsError

log = logging.getLogger("ouroboros.checkpoints")
REPLACED = ".old"
LATEST = "latest"
PARTS = ("model", "optimizer", "memory", "adapters")
MOST_MANIFEST = 16 * 2**20
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
        """The checkpoint of a folder; ValueError in one sentence where its manifest cannot be believed."""
        path = folder / "manifest.json"
        try:
            if any(each.is_symlink() for each in (folder, path)) or path.stat().st_size > MOST_MANIFEST:
                raise ValueError(f"{path} is no plain file of less than {MOST_MANIFEST} bytes")
            manifest = orjson.loads(path.read_bytes())
            if manifest["digest"] != digest_of(manifest):
                raise ValueError(f"{path} does not match its own SHA-256")
            checkpoint = cls(folder, folder.name.rpartition("@")[0], manifest["seq"], manifest["version"], manifest)
            if not NAME.fullmatch(checkpoint.name) or folder.name != f"{checkpoint.name}@{checkpoint.seq:08d}":
                raise ValueError(f"{path} is of NAME@{checkpoint.seq:08d}")
            known = {file for part in PARTS for file in checkpoint.files(part)}
            if stray := sorted(manifest["files"].keys() - known):
                raise ValueError(f"{path} names a file that no checkpoint has: {stray[0][:80]}")
            float(manifest["time"]), checkpoint.describe()
            return checkpoint
        except OSError as error:
            raise ValueError(f"{path} cannot be read: {error.strerror}") from None
        except (KeyError, TypeError, AttributeError, orjson.JSONDecodeError) as error:
            raise ValueError(f"{path} is no manifest ({type(error).__name__}: {error})") from None

    def verify(self) -> str | None:
        """None, or in one sentence why it cannot be trusted."""
        for file, fact in self.manifest["files"].items():
            path = self.folder / file
            if path.is_symlink() or not path.is_file():
                return f"{path} is missing, or no plain file"
            if path.stat().st_size != fact["bytes"]:
                return f"{path} has {path.stat().st_size} bytes, its manifest says {fact['bytes']}"
            if sha256_of(path) != fact["sha256"]:
                return f"{path} does not match the SHA-256 of its manifest"
        return None

    def files(self, part: str) -> list[str]:
        """The names of a part's files, in their order."""
        return shards.names_of(part, self.manifest["files"])

    def part(self, name: str) -> dict[str, Tensor]:
        """The tensors of one part, on the CPU; {} where it has none. WeightsError where one of them is not finite."""
        tensors = shards.read(self.folder, self.files(name))
        for key, tensor in tensors.items():
            if not (tensor.is_floating_point() and all(torch.isfinite(end) for end in tensor.aminmax())):
                raise WeightsError(f"{self.folder}: {key} of the part {name} holds values that are not finite numbers")
        return tensors

    def describe(self) -> dict:
        """What GET /save tells of it: the bytes and the SHA-256 of the weights' file, or of several the sum, and that over theirs."""
        facts = [self.manifest["files"][file] for file in self.files("model")]
        sums = [fact["sha256"] for fact in facts]
        sha256 = sums[0] if len(sums) == 1 else hashlib.sha256("".join(sums).encode()).hexdigest()
        return {"name": self.name, "version": self.version, "bytes": sum(fact["bytes"] for fact in facts), "sha256": sha256,
                "time": self.manifest["time"]}


class Checkpoints:
    """The folder of checkpoints."""

    def __init__(self, folder: Path, most: int):
        """`most`: bytes of a file, above which a part is written in shards."""
        self.folder = folder
        self._most = most
        self._read: dict[tuple, Checkpoint] = {}  # those that were listed last
        self.belongs: Callable[[Checkpoint], bool] = lambda checkpoint: True
        """Whether one was made in the course of the journal: beside one that was cut or put back from a copy, others may lie."""
        folder.mkdir(parents=True, exist_ok=True)
        for hidden in folder.glob(".*"):
            name = hidden.name[1:].removesuffix(REPLACED)
            if hidden.name.endswith(REPLACED) and not (folder / name).exists():
                hidden.rename(folder / name)  # the program was killed between the two renames of a replacement
            else:
                remove(hidden)
        self._point()

    def _point(self) -> None:
        """Let `latest` name the newest, where it does not: the end may have come between a checkpoint and its name there."""
        newest, latest = next(iter(self.list()), None), self.folder / LATEST
        try:
            if newest is None:
                remove(latest)
            elif latest.is_symlink() or not latest.is_file() or latest.read_bytes() != _line(newest.folder):
                remove(latest)
                write_file(latest, _line(newest.folder), 0o644)
        except OSError as error:
            log.warning("latest=%s is not told in %s: %s", newest and newest.folder.name, latest, error.strerror)

    def list(self) -> list[Checkpoint]:
        """All readable ones, newest first. A manifest is read once, and again only where its file is another one. From any thread."""
        before, found = self._read, {}
        for folder in self.folder.glob("[!.]*@*"):
            try:
                known = before.get(mark := _mark(folder))
                found[mark] = known or Checkpoint.read(folder)
            except ValueError as error:
                log.warning("checkpoint=%s ignored: %s", folder.name, error)
        self._read = found
        return sorted(found.values(), key=lambda c: (c.seq, c.manifest["time"]), reverse=True)

    def folder_of(self, name: str, version: int | None = None) -> Path:
        """The folder of the newest checkpoint of that name, or of that name and version; damaged ones have no version."""
        return self._folders(name, version)[0]

    def _folders(self, name: str, version: int | None) -> list[Path]:
        """Those of a name, the newest first; NotFound where there is none."""
        folders = self.folder.glob(f"{checked_name(name)}@*")
        if version is not None:
            folders = (c.folder for c in self.list() if (c.name, c.version) == (name, version))
        found = sorted(folders, key=lambda path: path.name, reverse=True)
        if not found:
            raise NotFound(f"there is no checkpoint {name}" + ("" if version is None else f" of version {version}"), "name")
        return found

    def find(self, name: str, version: int | None = None) -> Checkpoint:
        """The newest checkpoint of that name, or of that name and version, that belongs to the journal, verified; BadRequest where it is
        damaged, or none belongs."""
        for folder in self._folders(name, version):
            try:
                checkpoint = Checkpoint.read(folder)
                if self.belongs(checkpoint):
                    if problem := checkpoint.verify():
                        raise ValueError(problem)
                    return checkpoint
            except ValueError as error:
                raise BadRequest(f"the checkpoint {name} is damaged: {error}", "name") from None
        raise BadRequest(f"the checkpoint {name} was made after another course of lessons than this journal's: {folder}", "name")

    def prune(self, name: str, keep: int) -> None:
        """Remove the oldest checkpoints of this name beyond `keep`."""
        for checkpoint in [c for c in self.list() if c.name == name and self.belongs(c)][keep:]:
            hidden = self.folder / f".{checkpoint.folder.name}.gone"
            checkpoint.folder.rename(hidden)  # first out of sight: half a checkpoint is never listed
            shutil.rmtree(hidden, ignore_errors=True)
            log.info("checkpoint=%s removed", checkpoint.folder.name)

    def rename(self, folder: Path, name: str) -> None:
        """Call a checkpoint otherwise. Conflict where the name is taken; raises what the disk raises, with nothing changed."""
        if any(self.folder.glob(f"{checked_name(name, 'as')}@*")):
            raise Conflict(f"as: there is a checkpoint {name} already", "as")
        final = folder.with_name(f"{name}@{folder.name.rpartition('@')[2]}")
        self._move(folder, final, [final if c.folder == folder else c.folder for c in self.list()])

    def hide(self, folder: Path) -> Path:
        """Take a checkpoint out of sight, for good; returns what is to be removed. Raises what the disk raises, with nothing changed."""
        hidden = self.folder / f".{folder.name}.gone"
        remove(hidden)
        self._move(folder, hidden, [c.folder for c in self.list() if c.folder != folder])
        return hidden

    def _move(self, folder: Path, other: Path, listed: list[Path]) -> None:
        """Rename a folder, after which these are listed, the newest first: `latest` follows."""
        pointer = self.folder / f".{LATEST}.new"
        try:
            if listed:
                write_synced(pointer, _line(listed[0]), 0o644)  # what needs room on the disk has it before anything is renamed
            folder.rename(other)
        except BaseException:
            remove(pointer)
            raise
        pointer.rename(self.folder / LATEST) if listed else remove(self.folder / LATEST)
        sync(self.folder)

    def write(self, name: str, parts: dict[str, dict[str, Tensor]], facts: dict) -> Checkpoint:
        """Write a checkpoint: safetensors files for each part that holds a tensor, "model" first of all.

        `facts` must hold version and seq, and goes into the manifest. Raises what the disk or the writer of files raises.
        """
        seq = facts["seq"]
        final = self.folder / f"{name}@{seq:08d}"
        temporary, replaced = self.folder / f".{final.name}", self.folder / f".{final.name}{REPLACED}"
        pointer = self.folder / f".{LATEST}.new"
        remove(temporary)
        temporary.mkdir()
        try:
            for part, tensors in parts.items():
                shards.write(temporary, part, tensors, self._most)
            files = {}
            for path in sorted(temporary.iterdir()):
                sync(path)
                files[path.name] = {"bytes": path.stat().st_size, "sha256": sha256_of(path)}
            manifest = {"name": name, **facts, "time": time.time(), "files": files}
            manifest["digest"] = digest_of(manifest)
            write_file(temporary / "manifest.json", orjson.dumps(manifest, option=orjson.OPT_INDENT_2), 0o644)
            write_synced(pointer, _line(final), 0o644)  # what needs room on the disk has it before anything is put in place
            if final.exists():  # the same name saved twice with no lesson between: the newer takes its place
                remove(replaced)
                final.rename(replaced)
            try:
                temporary.rename(final)
            except OSError:
                if replaced.exists():
                    replaced.rename(final)
                raise
            pointer.rename(self.folder / LATEST)
            sync(self.folder)
            remove(replaced)
        except BaseException:
            remove(temporary)
            remove(pointer)
            raise
        return Checkpoint(final, name, seq, facts["version"], manifest)


def digest_of(manifest: dict) -> str:
    """The SHA-256 that a manifest carries, over everything else in it, in hex."""
    rest = {name: value for name, value in manifest.items() if name != "digest"}
    return hashlib.sha256(orjson.dumps(rest, option=orjson.OPT_SORT_KEYS)).hexdigest()


def _line(folder: Path) -> bytes:
    """What `latest` holds."""
    return f"{folder.name}\n".encode()


def _mark(folder: Path) -> tuple:
    """What is another one when a folder, or the manifest in it, was put there anew."""
    try:
        stats = [each.lstat() for each in (folder, folder / "manifest.json")]
    except OSError as error:
        raise ValueError(f"{folder} is no checkpoint: {error.strerror}") from None
    return folder.name, *((stat.st_ino, stat.st_size, stat.st_ctime_ns) for stat in stats)


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, in hex."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


__all__ = ["Checkpoint", "Checkpoints", "WeightsError", "checked_name", "sha256_of"]
