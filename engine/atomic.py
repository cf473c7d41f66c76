"""Files that are either wholly there or not at all."""

from __future__ import annotations

import os
import shutil
from pathlib import Path


def sync(path: Path) -> None:
    """Push a file or a folder's list of names to the disk."""
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def remove_unfinished(folder: Path) -> None:
    """Remove what a program that was killed left half-written in a folder: `.NAME.new`, files and folders."""
    for leftover in folder.glob(".*.new"):
        remove(leftover)


def remove(path: Path) -> None:
    """Remove a file, a link, or a folder with all that is in it, as far as that can be."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    elif os.path.lexists(path):
        path.unlink(missing_ok=True)


def write_synced(path: Path, data: bytes, mode: int = 0o600) -> None:
    """Write a file and push it to the disk; its name may not be there yet after a crash."""
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def write_file(path: Path, data: bytes, mode: int = 0o600) -> None:
    """Replace `path` by `data`: a reader or a crash sees the old file or the new one."""
    temporary = path.with_name(f".{path.name}.new")
    try:
        write_synced(temporary, data, mode)
        os.replace(temporary, path)
        sync(path.parent)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
