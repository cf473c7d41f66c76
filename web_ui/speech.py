"""What is said in a chat, as bubbles: by people letter by letter, by the model formatted and its thinking folded."""

from __future__ import annotations

from typing import Any

import streamlit as st

from web_ui.catalogue import say
from web_ui.words import formatted, plain, thought_and_answer

AVATARS = {"user": ":material/person:", "assistant": ":material/neurology:"}


def speaker(role: str) -> Any:
    """Whoever speaks next."""
    return st.chat_message(role, avatar=AVATARS.get(role, ":material/group:"))


def said(message: dict[str, str]) -> None:
    """A message that is not the model's."""
    if message["role"] == "system":
        with st.expander(say("chat.system_shown"), icon=":material/tune:"):
            st.markdown(plain(message["text"]))
        return
    with speaker(message["role"]):
        st.markdown(plain(message["text"]))


def answer(text: str) -> None:
    """A text of the model, its thinking folded."""
    thought, rest = thought_and_answer(text)
    if thought:
        with st.expander(say("chat.thinking"), icon=":material/psychology:"):
            st.markdown(formatted(thought))
    st.markdown(formatted(rest))
