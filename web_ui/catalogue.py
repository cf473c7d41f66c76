"""What the page says, in the reader's language: one file of sentences for each, with the same keys and placeholders."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path

import streamlit as st

LANGUAGES = {"en": "English", "zh": "中文"}
FOLDER = Path(__file__).parent / "catalogues"


@cache
def sentences(language: str) -> dict[str, str]:
    """A catalogue as {"part.name": sentence}."""
    parts = tomllib.loads((FOLDER / f"{language}.toml").read_text(encoding="utf-8"))
    return {f"{part}.{name}": sentence for part, named in parts.items() for name, sentence in named.items()}


def language() -> str:
    """The language of the address (?lang=zh), else the browser's, else English."""
    asked = st.query_params.get("lang") or (st.context.locale or "en").partition("-")[0]
    return asked if asked in LANGUAGES else "en"


def say(key: str, **values: object) -> str:
    """The sentence of a key in the reader's language, its placeholders filled. Raises KeyError for a key that no catalogue has."""
    return sentences(language())[key].format(**values)
