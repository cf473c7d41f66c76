"""One program at a time may write under a data folder."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path


class DataInUse(ValueError):
    """Another server has this folder."""


class DataLock:
    """Held from its making to `release` or the end of the process, however that ends."""

    def __init__(self, folder: Path):
        try:
            self._fd = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise ValueError(f"{folder} cannot be written in: {error.strerror}; choose another folder with --data") from None
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._fd)
            raise DataInUse(f"{folder} is in use by another server; stop that one, or choose another folder with --data") from None

    def release(self) -> None:
        """Let another program in."""
        os.close(self._fd)
