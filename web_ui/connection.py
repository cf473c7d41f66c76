"""The server that the page is a client of, and what a reader is told when it does not do as asked."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeVar

import streamlit as st
from ouroboros_client import Client, OuroborosError

from web_ui.catalogue import say

T = TypeVar("T")


@st.cache_resource
def client() -> Client:
    """The one connection of all tabs, from OUROBOROS_URL and the token's file."""
    return Client(retries=0)


def sentence(error: OuroborosError) -> str:
    """An error as one sentence in the reader's language."""
    if no_token(error):
        return say("error.token")
    if error.code == "unreachable":
        return say("error.gone")
    if error.code == "lost":
        return say("error.broken")
    if error.retry_after is not None:
        return say("error.busy", seconds=max(1, math.ceil(error.retry_after)))
    return say("error.refused", sentence=str(error).rstrip("."))


def complain(error: OuroborosError, key: str, again: Callable[[], object] | None = None) -> None:
    """Show an error, with a button that tries once more; the script runs again with it."""
    st.error(sentence(error), icon=":material/error:")
    st.button(say("error.retry"), key=f"retry-{key}", icon=":material/refresh:", on_click=retry, args=(error, again))


def retry(error: OuroborosError, again: Callable[[], object] | None) -> None:
    """Try once more, with the token of now."""
    if no_token(error):
        client.clear()
    if again is not None:
        again()


def no_token(error: OuroborosError) -> bool:
    """Whether the server wants another token than the one that it was given."""
    return error.status == 401 or error.code == "no_token"


def asked(call: Callable[[], T], key: str) -> T | None:
    """What a short request brings, or None with the error shown."""
    try:
        return call()
    except OuroborosError as error:
        complain(error, key)
        return None
