"""What a caller is told when there is not enough memory."""

from __future__ import annotations

import torch

from engine.errors import Busy


def is_memory(error: BaseException) -> bool:
    """Whether an error says that there was not enough memory, on whichever device; Python's own often says nothing at all."""
    return isinstance(error, (MemoryError, torch.OutOfMemoryError)) or (isinstance(error, RuntimeError) and "memory" in str(error).lower())


def memory_error(what: str) -> Busy:
    """There was not enough for `what`, with what came of that, in one sentence."""
    return Busy(f"there was not enough memory for {what}", retry_after=30)
