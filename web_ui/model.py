"""The model itself: what it is, its checkpoints, what of it is trained, and the states that chats begin from. Names only, never paths."""

from __future__ import annotations

import re
from typing import Any

import streamlit as st

from web_ui import states, training
from web_ui.catalogue import say
from web_ui.chats import NAME
from web_ui.connection import asked, client
from web_ui.timeline import when
from web_ui.words import plain


def page() -> None:
    """The page."""
    st.header(say("model.title"), anchor=False)
    facts()
    st.subheader(say("model.checkpoints"), anchor=False, help=say("model.checkpoints_help"))
    checkpoints()
    st.subheader(say("model.trains"), anchor=False, help=say("model.trains_help"))
    training.panel()
    st.subheader(say("model.states"), anchor=False, help=say("model.states_help"))
    states.panel()


def facts() -> None:
    """What there is to know of it at a glance."""
    told = asked(lambda: (client().health(), client().metrics()), "model")
    if told is None:
        return
    health, metrics = told
    shown = [
        (say("model.name"), health["model"]), (say("model.family"), health["family"]),
        (say("model.parameters"), f"{health['parameters'] / 1e6:,.1f} M"), (say("model.mode"), health["mode"]),
        (say("model.version"), health["version"]), (say("model.queue"), health["queue"]),
        (say("model.memory"), size(gauge(metrics, "ouroboros_memory_bytes"))),
    ]
    if on_device := gauge(metrics, "ouroboros_device_memory_bytes"):
        shown.append((say("model.device_memory"), size(on_device)))
    with st.container(horizontal=True, key="facts"):
        for name, value in shown:
            st.metric(name, value, width=150)


def gauge(metrics: str, name: str) -> float:
    """A gauge of /metrics, 0 where it is not told."""
    found = re.search(rf"^{name} (\S+)$", metrics, re.MULTILINE)
    return float(found[1]) if found else 0.0


def size(count: float) -> str:
    """Bytes in a unit that can be read."""
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"


def checkpoints() -> None:
    """Saved under a name, and brought back."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.text_input(say("model.save_name"), "default", key="save-name", max_chars=64, help=say("chats.rename_hint"))
        wanted = st.button(say("model.save"), key="save", icon=":material/save:")
    if wanted and not NAME.fullmatch(name):
        st.warning(say("chats.rename_bad"))
    elif wanted and (told := asked(lambda: client().save(name), "save")):
        st.session_state.told = say("model.saved", name=plain(told["name"]), version=told["version"], size=size(told["bytes"]))
        st.rerun()
    found = asked(lambda: client().checkpoints()["checkpoints"], "checkpoints")
    if found == []:
        st.caption(say("model.none"))
    for each in found or []:
        checkpoint(each)


def checkpoint(each: Any) -> None:
    """One of the list, with the way back to it, asked for twice."""
    with st.container(horizontal=True, vertical_alignment="center"):
        told = (f"**{plain(each['name'])}**", say("chat.version", version=each["version"]), size(each["bytes"]), when(each["time"]))
        st.markdown(" · ".join(told), width="stretch")
        with st.popover(say("model.load"), key=f"sure-load-{each['name']}", type="tertiary", icon=":material/history:"):
            st.markdown(say("model.load_sure", version=each["version"]))
            if st.button(say("model.load"), key=f"load-{each['name']}", type="primary"):
                with st.spinner(say("timeline.working")):
                    told = asked(lambda: client().load(each["name"]), "load")
                if told:
                    st.session_state.told = say("model.loaded", name=plain(told["name"]), version=told["version"])
                    st.rerun()
