"""The files that were taught, kept as they were: a run that was broken off goes on with them, whatever became of the originals."""

from __future__ import annotations

import hashlib
from pathlib import Path

from engine.atomic import remove_unfinished, write_file
from engine.disk import disk_error


class Archive:
    """A folder of contents, each under its SHA-256."""

    def __init__(self, folder: Path):
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        remove_unfinished(folder)

    def keep(self, content: bytes) -> str:
        """Write a content, unless it is there, and return its SHA-256 in hex; EngineError where the disk refuses."""
        digest = hashlib.sha256(content).hexdigest()
        path = self._folder / digest
        if not path.exists():
            try:
                write_file(path, content)
            except OSError as error:
                raise disk_error("the set", error, self._folder, len(content)) from None
        return digest

    def read(self, digest: str) -> bytes:
        """The content of that SHA-256; ValueError where it is missing or is another by now."""
        path = self._folder / digest
        try:
            content = path.read_bytes()
        except OSError:
            raise ValueError(f"{path} is missing; put it back from a copy, or load the set anew") from None
        if hashlib.sha256(content).hexdigest() != digest:
            raise ValueError(f"{path} was changed; put it back from a copy, or load the set anew")
        return content
