"""How the server answers and teaches where nobody says: what its configuration has."""

from __future__ import annotations

from typing import Any

import streamlit as st
from ouroboros_client import OuroborosError

from web_ui.connection import client

FRESH = 60
"""Seconds after which it is asked for again: another server may be there by then."""


@st.cache_data(ttl=FRESH, show_spinner=False)
def told() -> dict[str, dict[str, Any]]:
    """The answer of /defaults. Raises OuroborosError."""
    return dict(client().defaults())


def of(what: str) -> dict[str, Any]:
    """The options of "infer" or of "train" with their values; {} where the server does not tell."""
    try:
        return told()[what]
    except OuroborosError:
        return {}
