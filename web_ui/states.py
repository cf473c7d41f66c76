"""The states: where chats begin and the training memory, saved and brought back by name, mixed, begun afresh."""

from __future__ import annotations

from typing import Any

import streamlit as st

from web_ui.catalogue import say
from web_ui.connection import asked, client
from web_ui.training import done

KINDS = ["infer", "train"]


def panel() -> None:
    """What is kept and in use, and the ways to change it."""
    told = asked(lambda: (client().states(), client().sessions()["sessions"]), "states")
    if told is None:
        return
    kept, chats = told
    kind: Any = st.segmented_control(say("model.state_kind"), KINDS, default="infer", key="kind",
                                     format_func=lambda each: say(f"model.state_{each}")) or "infer"
    in_use = kept[kind]
    st.caption(say("model.in_use", name=in_use["name"] if isinstance(in_use, dict) and in_use.get("name") else say("model.state_none")))
    save(kind, [chat["session"] for chat in chats])
    names = [state["name"] for state in kept["states"] if state["kind"] == kind]
    if names:
        load(kind, names)
    if st.button(say("model.state_reset"), key="state-reset", icon=":material/restart_alt:", help=say("model.state_reset_help")):
        act(kind, "reset")


def save(kind: Any, chats: list[str]) -> None:
    """Keep a state under a name."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.text_input(say("model.save_name"), "state", key="state-name", max_chars=64, help=say("chats.rename_hint"))
        how = {"session": st.selectbox(say("model.state_session"), chats, key="state-chat")} if kind == "infer" and chats else {}
        if st.button(say("model.save"), key="state-save", icon=":material/save:"):
            act(kind, "save", name, **how)


def load(kind: Any, names: list[str]) -> None:
    """Bring one back, or a mixture of two."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.selectbox(say("model.state_which"), names, key="state-load-name")
        blend = st.selectbox(say("model.state_blend"), [None, *names], key="state-blend",
                             format_func=lambda each: each or say("model.state_none"))
        share = st.slider(say("model.state_share"), 0.0, 1.0, 0.5, 0.05, key="state-share", disabled=blend is None, width=160)
        if st.button(say("model.load"), key="state-load", icon=":material/history:"):
            act(kind, "load", name, **({"blend": blend, "share": share} if blend else {}))


def act(kind: Any, action: Any, name: str | None = None, **how: Any) -> None:
    """Do it, and say so."""
    if asked(lambda: client().state(kind, action, name, **how), f"state-{action}"):
        done()
