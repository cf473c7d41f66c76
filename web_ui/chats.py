"""The list of chats beside the conversation: begun, found, renamed, deleted."""

from __future__ import annotations

import re
from typing import Any

import streamlit as st
from ouroboros_client import OuroborosError

from web_ui.catalogue import say
from web_ui.connection import asked, client, complain, sentence
from web_ui.correction import drafts
from web_ui.jobs import jobs

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


def current() -> str | None:
    """The chat that is open, None for one that is yet to begin."""
    if "chat" not in st.session_state:
        st.session_state.chat = st.query_params.get("chat")
    return st.session_state.chat


def show(name: str | None) -> None:
    """Open a chat."""
    st.session_state.chat = name


@st.cache_resource
def read_before() -> dict[str, tuple[Any, str]]:
    """What was said in each chat, to search in, with the mark of what it was read at."""
    return {}


def words_of(session: Any) -> str:
    """All that was said in a chat, in small letters."""
    mark = (session["turns"], str(session["versions"]))
    known = read_before().get(session["session"])
    if known is None or known[0] != mark:
        messages = client().session(session["session"])["messages"]
        known = read_before()[session["session"]] = (mark, "\n".join(message["text"] for message in messages).lower())
    return known[1]


def matching(sessions: list[Any], wanted: str) -> list[Any]:
    """The chats that have all words of `wanted` in their name or in what was said."""
    words = wanted.lower().split()
    if not words:
        return sessions
    return [session for session in sessions if all(word in f"{session['session']}\n{words_of(session)}" for word in words)]


def sidebar() -> None:
    """The list."""
    with st.sidebar:
        st.button(say("chats.new"), key="new-chat", icon=":material/add:", width="stretch", on_click=show, args=(None,))
        wanted = st.text_input(say("chats.search"), key="search-chats", placeholder=say("chats.search_hint"),
                               icon=":material/search:", label_visibility="collapsed")
        try:
            sessions = matching(client().sessions()["sessions"][::-1], wanted)
        except OuroborosError as error:
            if current() is None:
                complain(error, "chats")
            else:
                st.caption(sentence(error))  # the conversation has the button that tries again
            return
        if not sessions:
            st.caption(say("chats.no_match" if wanted.strip() else "chats.none"))
        with st.container(gap=None):
            for session in sessions:
                row(session)


def row(session: Any) -> None:
    """One chat: a button that opens it, and what else can be done with it."""
    name = session["session"]
    with st.container(horizontal=True, gap=None, vertical_alignment="center", key=f"row-{name}"):
        st.button(name, key=f"open-{name}", type="secondary" if name == current() else "tertiary", width="stretch",
                  on_click=show, args=(name,), help=say("chats.turns", n=session["turns"]))
        with st.popover("", icon=":material/more_vert:", type="tertiary", help=say("chats.more"), key=f"more-{name}"):
            new = st.text_input(say("chats.rename"), value=name, key=f"name-{name}", help=say("chats.rename_hint"), max_chars=64)
            if st.button(say("chats.rename_do"), key=f"rename-{name}", icon=":material/edit:"):
                rename(session, new.strip())
            st.divider()
            sure = st.checkbox(say("chats.delete"), key=f"sure-{name}")
            if st.button(say("chats.delete_sure"), key=f"delete-{name}", icon=":material/delete:", disabled=not sure):
                delete(name)


def rename(session: Any, new: str) -> None:
    """The chat under another name, with what is shown of its lessons, and what is being written in it."""
    old = session["session"]
    if new == old:
        return
    if not NAME.fullmatch(new):
        st.warning(say("chats.rename_bad"))
        return
    if f"answer:{old}" in jobs():
        st.warning(say("chats.rename_unsent"))
        return
    try:
        client().rename_session(old, new)
    except OuroborosError as error:
        if error.param == "as":
            st.warning(say("chats.rename_taken"))
        else:
            complain(error, f"rename-{old}")
        return
    for kind in ("lesson", "asked"):
        if job := jobs().pop(f"{kind}:{old}", None):
            jobs()[f"{kind}:{new}"] = job
    for name, turn in [place for place in drafts() if place[0] == old]:
        drafts()[new, turn] = drafts().pop((name, turn))
    if current() == old:
        show(new)
    st.rerun()


def delete(name: str) -> None:
    """Forget a chat."""
    if asked(lambda: client().delete_session(name), f"delete-{name}"):
        for kind in ("answer", "lesson", "asked"):
            jobs().put_away(f"{kind}:{name}")
        if current() == name:
            show(None)
        st.rerun()
