"""What is around every page: its name, the way to the others, the language, and how the model is."""

from __future__ import annotations

from pathlib import Path

import streamlit as st
from ouroboros_client import OuroborosError

from web_ui import chat, data_sets, model, style, timeline
from web_ui.catalogue import LANGUAGES, language, say
from web_ui.connection import client
from web_ui.words import plain

ICON = Path(__file__).parent / "icon.svg"


def show() -> None:
    """The page that the address names, in its frame."""
    if "lang" in st.session_state:
        st.query_params["lang"] = st.session_state.lang
    st.set_page_config(say("page.title"), page_icon=ICON, layout="centered")
    style.apply()
    pages = [
        st.Page(chat.page, title=say("page.chat"), icon=":material/chat:", url_path="chat", default=True),
        st.Page(timeline.page, title=say("page.timeline"), icon=":material/history:", url_path="timeline"),
        st.Page(data_sets.page, title=say("page.data"), icon=":material/dataset:", url_path="data"),
        st.Page(model.page, title=say("page.model"), icon=":material/memory:", url_path="model"),
    ]
    chosen = st.navigation(pages)
    if told := st.session_state.pop("told", None):
        st.toast(told, icon=":material/check:")
    chosen.run()
    with st.sidebar:
        status()
        st.selectbox(say("page.language"), list(LANGUAGES), index=list(LANGUAGES).index(language()), key="lang",
                     format_func=LANGUAGES.__getitem__, label_visibility="collapsed")


@st.fragment(run_every=3)
def status() -> None:
    """Which model answers, at which version, and whether it learns."""
    try:
        health = client().health()
    except OuroborosError:
        st.caption(f":red-badge[:material/cloud_off: {say('page.offline')}]")
        return
    told = say("page.status", model=plain(health["model"]), version=health["version"])
    st.caption(told + (f" · :green-badge[:material/school: {say('page.learning')}]" if health["training"] else ""))
