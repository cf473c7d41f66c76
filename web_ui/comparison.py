"""Two versions side by side: what they answer to one question, and how far they are from each other."""

from __future__ import annotations

from typing import Any

import streamlit as st

from web_ui.catalogue import say
from web_ui.connection import asked, client
from web_ui.speech import answer


def panel(versions: list[Any], now: int | None) -> None:
    """The two versions, the question, and what came of it."""
    numbers = [version["version"] for version in versions]
    with st.expander(say("compare.title"), icon=":material/compare:"):
        left, right = st.columns(2)
        before = left.selectbox(say("compare.left"), numbers, index=min(1, len(numbers) - 1), key="compare-left", format_func=named)
        after = right.selectbox(say("compare.right"), numbers, index=0, key="compare-right", format_func=named)
        prompt = st.text_input(say("compare.prompt"), key="compare-prompt", placeholder=say("chat.example"))
        if st.button(say("compare.do"), key="compare-do", icon=":material/compare:", disabled=not prompt.strip()):
            with st.spinner(say("compare.asking")):
                st.session_state.compared = asked(lambda: compare(before, after, prompt.strip(), now), "compare")
        if told := st.session_state.get("compared"):
            show(told)


def named(version: int) -> str:
    """A version in a list."""
    return say("chat.version", version=version)


def compare(before: int, after: int, prompt: str, now: int | None) -> dict[str, Any]:
    """Both answers, each the likeliest, and the loss of both on unrelated texts. Raises OuroborosError."""
    def at(version: int) -> str:
        return client().infer(prompt, temperature=0, as_of=None if version == now else version)["text"]

    return {"prompt": prompt, "versions": (before, after), "answers": (at(before), at(after)),
            "probe": client().diff(before, after)["probe_loss"] if before != after else None}


def show(told: dict[str, Any]) -> None:
    """What was found."""
    for column, version, text in zip(st.columns(2), told["versions"], told["answers"], strict=True):
        with column, st.container(border=True):
            st.caption(named(version))
            answer(text)
    if told["probe"]:
        before, after = told["probe"]
        st.caption(say("compare.probe", before=f"{before:.3f}", after=f"{after:.3f}"))
