"""What a caller is told when the disk takes no more."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path

from engine.errors import DiskFull, EngineError

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def disk_error(what: str, error: Exception, folder: Path, needed: int) -> EngineError:
    """`error`, which the writing of `needed` bytes somewhere under `folder` raised, in one sentence for the caller."""
    reason = getattr(error, "strerror", None) or str(error)
    # The writer of safetensors has an error of its own, with the number of the system's in its text.
    if getattr(error, "errno", None) not in FULL and not any(f"(os error {number})" in reason for number in FULL):
        return EngineError(f"{what} cannot be written: {reason}", code="disk")
    try:
        room = f"{shutil.disk_usage(folder).free} bytes are free"
    except OSError:
        room = "how many bytes are free is not known"
    return DiskFull(f"{what} cannot be written: No space left on the disk, {room} and {needed} bytes are needed")
