"""What of the model is trained: all of it, parts, an adapter beside it, or the state that it begins from."""

from __future__ import annotations

from typing import Any

import streamlit as st

from web_ui.catalogue import say
from web_ui.connection import asked, client
from web_ui.words import plain

WHAT = ["all", "parts", "lora", "miss", "state"]
PARTS = ["att", "ffn", "ln", "emb", "head", "vectors", "ffn.value"]


def panel() -> None:
    """What is trained now, the way to change it, and the adapters."""
    now = asked(lambda: client().trains(), "trains")
    if now is None:
        return
    trains = now["trains"]
    named = "" if trains["what"] == trains["name"] else f" {plain(trains['name'])}"
    st.caption(say("model.in_use", name=say(f"model.trains_{trains['what']}") + named))
    what = st.selectbox(say("model.trains"), WHAT, index=WHAT.index(trains["what"]), key="what", label_visibility="collapsed",
                        format_func=lambda each: say(f"model.trains_{each}"))
    chosen: dict[str, Any] = {}
    if what == "parts":
        chosen["parts"] = st.multiselect(say("model.parts"), PARTS, ["att"], key="parts", help=say("model.parts_help"))
    if what in ("lora", "miss", "state"):
        chosen["name"] = st.text_input(say("model.adapter_name"), what, key="adapter-name", max_chars=64, help=say("chats.rename_hint"))
    if what in ("lora", "miss"):
        chosen["rank"] = st.number_input(say("model.rank"), 1, 4096, 32, key="rank", help=say("model.rank_help"))
    if st.button(say("model.use"), key="use", icon=":material/check:") and asked(lambda: client().train_this(what, **chosen), "use"):
        done()
    for adapter in now["adapters"]:
        row(adapter)


def done() -> None:
    """Say so, and show how it is now."""
    st.session_state.told = say("model.done")
    st.rerun()


def row(adapter: Any) -> None:
    """An adapter, and what can be done with it."""
    name = adapter["name"]
    with st.container(horizontal=True, vertical_alignment="center", key=f"adapter-{name}"):
        st.markdown(f"**{plain(name)}** · {adapter['kind']} {adapter.get('rank') or ''}", width="stretch")
        if adapter["in_use"] and st.button(say("model.merge"), key=f"merge-{name}", type="tertiary", help=say("model.merge_help")):
            act("merge", None)
        if st.button(say("model.export"), key=f"export-{name}", type="tertiary", help=say("model.export_help")):
            act("export", name)
        if not adapter["in_use"]:
            with st.popover(say("model.remove"), key=f"sure-remove-{name}", type="tertiary"):
                st.markdown(say("model.remove_sure", name=plain(name)))
                if st.button(say("chats.delete_sure"), key=f"remove-{name}", icon=":material/delete:"):
                    act("remove", name)


def act(action: Any, name: str | None) -> None:
    """Do it, and say so."""
    if asked(lambda: client().adapter(action, name), action):
        done()
