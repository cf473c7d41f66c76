"""The model itself: what it is, its checkpoints, what of it is trained, and the states that chats begin from. Names only, never paths."""

from __future__ import annotations

import re

import streamlit as st

from web_ui import checkpoints, states, training
from web_ui.catalogue import say
from web_ui.connection import asked, client
from web_ui.words import size


def page() -> None:
    """The page."""
    st.header(say("model.title"), anchor=False)
    facts()
    st.subheader(say("model.checkpoints"), anchor=False, help=say("model.checkpoints_help"))
    checkpoints.panel()
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
