"""How the model answers: the system prompt and the sampling, each with what it does in plain words."""

from __future__ import annotations

from typing import Any

import streamlit as st

from web_ui import defaults
from web_ui.catalogue import say

USUAL: dict[str, Any] = {
    "system": "", "temperature": 1.0, "top_p": 0.85, "top_k": 0, "max_tokens": 256, "presence_penalty": 0.0, "frequency_penalty": 0.0,
    "penalty_decay": 0.996, "stop": "", "ban_tokens": "", "seed": None, "think": False,
}


"""What a server has whose configuration says nothing else."""


def default(name: str) -> Any:
    """What a control shows while nobody chose: what the configuration has, as far as the server tells."""
    value = defaults.of("infer").get(name, USUAL[name])
    return {"stop": "\n", "ban_tokens": ", "}[name].join(map(str, value)) if isinstance(value, list) else value


@st.cache_resource
def chosen() -> dict[str, Any]:
    """What the reader chose, for all tabs; what is not in it is as the server's configuration has it."""
    return {}


def keep(name: str) -> None:
    """Take over what a control shows."""
    chosen()[name] = st.session_state[f"set-{name}"]


def reset() -> None:
    """Everything as the configuration has it."""
    chosen().clear()
    for name in USUAL:
        st.session_state.pop(f"set-{name}", None)


def panel() -> None:
    """The controls, behind one button."""
    with st.popover(say("settings.open"), icon=":material/tune:"):
        control(st.text_area, "system", "system", height=100)
        control(st.slider, "temperature", "temperature", min_value=0.0, max_value=3.0, step=0.05)
        control(st.slider, "top_p", "top_p", min_value=0.05, max_value=1.0, step=0.05)
        control(st.number_input, "max_tokens", "max_tokens", min_value=1, max_value=1_000_000, step=64)
        control(st.number_input, "top_k", "top_k", min_value=0, max_value=1_000_000, step=10)
        control(st.slider, "presence_penalty", "presence", min_value=-2.0, max_value=2.0, step=0.05)
        control(st.slider, "frequency_penalty", "frequency", min_value=-2.0, max_value=2.0, step=0.05)
        control(st.slider, "penalty_decay", "decay", min_value=0.9, max_value=1.0, step=0.001, format="%.3f")
        control(st.text_area, "stop", "stop", height=68)
        control(st.text_input, "ban_tokens", "ban")
        control(st.number_input, "seed", "seed", min_value=0, max_value=2**53 - 1, step=1)
        control(st.toggle, "think", "think")
        st.button(say("settings.defaults"), key="set-reset", on_click=reset, icon=":material/restart_alt:")


def control(widget: Any, name: str, words: str, **how: Any) -> None:
    """One control, which remembers what was chosen."""
    key = f"set-{name}"
    if key not in st.session_state:
        value = chosen().get(name, default(name))
        st.session_state[key] = min(max(value, how["min_value"]), how["max_value"]) if value is not None and "min_value" in how else value
    widget(say(f"settings.{words}"), key=key, help=say(f"settings.{words}_help"), on_change=keep, args=(name,), **how)


def options() -> dict[str, Any]:
    """The fields of /infer that the reader chose."""
    sent = {name: value for name, value in chosen().items() if name != "system" and value != default(name)}
    if "stop" in sent:
        sent["stop"] = [line for line in sent["stop"].splitlines() if line]
    if "ban_tokens" in sent:
        sent["ban_tokens"] = [int(word) for word in sent["ban_tokens"].replace(",", " ").split() if word.isascii() and word.isdigit()]
    return sent


def system() -> str:
    """The system prompt."""
    return chosen().get("system", "").strip()
