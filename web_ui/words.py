"""Texts of people and of the model as the page can show them: nothing in them reaches another host or changes the page."""

from __future__ import annotations

import re

THOUGHT = re.compile(r"\s*<think>?(.*?)(?:</think>|\Z)(.*)", re.DOTALL)
MARKS = re.compile(r"([\\`*_{}\[\]()#+\-.!|<>~$:&])")


def formatted(text: str) -> str:
    """A model's text as Markdown, without pictures (they would be fetched from their host), formulas and Streamlit's own marks."""
    text = re.sub(r"!(?=\[)", r"\\!", text)
    text = re.sub(r"(?<!\\)\$", r"\\$", text)
    return re.sub(r":(?=[a-z]+[-\w]*(\[|:|/))", r"\\:", text)


def plain(text: str) -> str:
    """A text letter by letter, its lines kept."""
    return MARKS.sub(r"\\\1", text).replace("\n", "  \n")


def thought_and_answer(text: str) -> tuple[str, str]:
    """What the model thought, and what it then said; ("", text) where it did not think aloud."""
    found = THOUGHT.fullmatch(text) if text.lstrip().startswith("<think") else None
    return (found[1].strip(), found[2].strip()) if found else ("", text)


def short(text: str, limit: int = 60) -> str:
    """The first line of a text, cut where it is long."""
    line = " ".join(text.split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def slug(text: str) -> str:
    """A name that the server takes, made of a text's first words; "chat" where it has none in its letters."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower())[:32].strip("-") or "chat"


def free_name(wanted: str, taken: set[str], between: str = "-") -> str:
    """`wanted`, or with the first number that makes it free."""
    if wanted not in taken and between == "-":
        return wanted
    return next(name for n in range(2, len(taken) + 3) if (name := f"{wanted}{between}{n}") not in taken)


def size(count: float) -> str:
    """Bytes in a unit that can be read."""
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"
