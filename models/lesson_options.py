"""The settings of training that a lesson may carry itself, as a file writes them."""

from __future__ import annotations

from typing import NamedTuple


class Number(NamedTuple):
    """A number's kind and limits, inside which it must be; `open` leaves the lower one out."""

    kind: type
    low: float
    high: float
    open: bool = False

    def read(self, value: object) -> int | float:
        """The number that `value` (a number or its text) is; ValueError where it is none or outside."""
        if isinstance(value, bool) or not isinstance(value, (str, int, float)):
            raise ValueError
        number = self.kind(value)
        # int() would cut 1.5 to 1 without a word.
        if not isinstance(value, str) and number != value:
            raise ValueError
        inside = self.low <= number <= self.high and not (self.open and number == self.low)
        if not inside:
            raise ValueError
        return number

    def __str__(self) -> str:
        kind = "a whole number" if self.kind is int else "a number"
        return f"{kind} from {self.low:g} to {self.high:g}" + (f", but not {self.low:g}" if self.open else "")


class Choice(NamedTuple):
    """One of a few words; `values` are what they stand for."""

    words: tuple[str, ...]
    values: tuple[object, ...]

    def read(self, value: object) -> object:
        """What the word stands for; the value itself is taken too. ValueError for any other."""
        if isinstance(value, str):
            return self.values[self.words.index(value.strip().lower())]
        # True == 1, so the type is compared as well.
        return next(known for known in self.values if type(known) is type(value) and known == value)

    def __str__(self) -> str:
        return f"one of {', '.join(self.words)}"


_MODES = ("plain", "wani-bot", "pico")
_TRAIN_ON = ("response", "all")
_SCHEDULES = ("constant", "cosine", "wsd")
_OBJECTIVES = ("sft", "dpo", "unlikelihood")
_RULES = ("adam", "sgd")
_TEXTS = Number(int, 0, 1024)
_YES_NO = Choice(("true", "false"), (True, False))
_REPEATS = Number(int, 1, 10_000)
_LOSS = Number(float, 0, 100)
_SCALE = Number(float, 0, 10)

OPTIONS: dict[str, Number | Choice] = {
    "mode": Choice(_MODES, _MODES),
    "train_on": Choice(_TRAIN_ON, _TRAIN_ON),
    "epochs": _REPEATS,
    "until_loss": _LOSS,
    "max_epochs": _REPEATS,
    "lr": Number(float, 0, 1, open=True),
    "rule": Choice(_RULES, _RULES),
    "schedule": Choice(_SCHEDULES, _SCHEDULES),
    "warmup": Number(int, 0, 1_000_000),
    "lr_final": Number(float, 0, 1),
    "accumulate": Number(int, 1, 100_000),
    "objective": Choice(_OBJECTIVES, _OBJECTIVES),
    "beta": Number(float, 0, 100, open=True),
    "sft_weight": Number(float, 0, 100),
    "replay": _TEXTS,
    "general": _TEXTS,
    "kl": Number(float, 0, 1000),
    "kl_texts": Number(int, 1, 1024),
    "near": Number(int, 0, 64),
    "null_space": Number(float, 0, 1000),
    "reword": Number(int, 0, 4),
    "min_loss": _LOSS,
    "max_loss": _LOSS,
    "min_loss_fix": _SCALE,
    "max_loss_fix": _SCALE,
    "ctx_len": Number(int, 2, 1_048_576),
    "window": Number(int, 0, 1_048_576),
    "bptt_range": Number(int, 1, 1_000_000),
    "keep_state": _YES_NO,
    "checks": _YES_NO,
}
"""The options of /train that belong to a lesson, by name."""


def read_option(name: str, value: object) -> tuple[str, object]:
    """An option's proper name and value; ValueError, in one sentence, for an unknown name or a value not allowed.

    The name may be in any case and with hyphens, as org properties are; the value may be its text.
    """
    proper = name.strip().lower().replace("-", "_")
    option = OPTIONS.get(proper)
    if option is None:
        raise ValueError(f"{name!r} is not an option of a lesson; the options are {', '.join(OPTIONS)}")
    try:
        return proper, option.read(value)
    except (ValueError, OverflowError, StopIteration):
        raise ValueError(f"{proper} must be {option}, not {value!r:.80}") from None
