"""Something in a file that could not be read as it was meant."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Problem:
    """One sentence about one line (from 1)."""

    line: int
    message: str
