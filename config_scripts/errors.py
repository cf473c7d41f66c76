"""What is wrong with a config script, in one sentence that names the file, the key, the value and what is allowed."""

from __future__ import annotations

import json

LONGEST_VALUE = 60


class ConfigError(ValueError):
    """A config script that cannot be used. The text is one sentence for the person who wrote the file."""


class WrongValue(ValueError):
    """Raised inside a check across keys: `key` is the one to change, `allowed` says to what."""

    def __init__(self, key: str, value: object, allowed: str):
        super().__init__(f"{key}: got {shown(value)}; allowed: {allowed}")
        self.key = key
        self.value = value
        self.allowed = allowed


def shown(value: object) -> str:
    """A value on one line, as it would stand in the file, cut where it is long."""
    text = json.dumps(value, ensure_ascii=True, default=str)
    return text if len(text) <= LONGEST_VALUE else f"{text[: LONGEST_VALUE - 1]}…"


def sentence(file: str, key: str, value: str, allowed: str) -> str:
    """The one form of every complaint about a key; `value` is already what `shown` returns."""
    return f"{file}: key {key}: got {value}; allowed: {allowed}"
