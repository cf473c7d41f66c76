"""The checkpoints: saved under a name, brought back, called otherwise, written out, deleted."""

from __future__ import annotations

from typing import Any

import streamlit as st

from web_ui.catalogue import say
from web_ui.chats import NAME
from web_ui.connection import asked, client
from web_ui.timeline import when
from web_ui.words import plain, size


def panel() -> None:
    """What can be saved, and what was."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.text_input(say("model.save_name"), "default", key="save-name", max_chars=64, help=say("chats.rename_hint"))
        wanted = st.button(say("model.save"), key="save", icon=":material/save:")
    if wanted and not NAME.fullmatch(name):
        st.warning(say("chats.rename_bad"))
    elif wanted and (told := asked(lambda: client().save(name), "save")):
        done("model.saved", name=told["name"], version=told["version"], size=size(told["bytes"]))
    found = asked(lambda: client().checkpoints()["checkpoints"], "checkpoints")
    if found == []:
        st.caption(say("model.none"))
    numbers: dict[str, int] = {}
    if told := st.session_state.get("exported"):
        st.success(told, icon=":material/download:")
    newest = {(each["name"], each["version"]): each for each in (found or [])[::-1]}  # of several that are alike
    for each in list(newest.values())[::-1]:
        number = numbers[each["name"]] = numbers.get(each["name"], 0) + 1
        row(each, each["name"] if number == 1 else f"{each['name']}@{number}")


def row(each: Any, key: str) -> None:
    """One of the list, and what can be done with it."""
    told = " · ".join((say("chat.version", version=each["version"]), size(each["bytes"]), when(each["time"])))
    mark = f" :green-badge[:material/check: {say('model.in_use_badge')}]" if each["in_use"] else ""
    with st.container(horizontal=True, vertical_alignment="center", key=f"checkpoint-{key}"):
        with st.container(gap=None):
            st.markdown(f"**{plain(each['name'])}**{mark}")
            st.caption(told)
        with st.container(horizontal=True, width="content", gap="small", key=f"actions-checkpoint-{key}"):
            with st.popover(say("model.load"), key=f"sure-load-{key}", type="tertiary", icon=":material/history:"):
                st.markdown(say("model.load_sure", version=each["version"]))
                if st.button(say("model.load"), key=f"load-{key}", type="primary"):
                    load(each)
            with st.popover("", icon=":material/more_vert:", type="tertiary", help=say("model.more"), key=f"more-{key}"):
                more(each, key)


def more(each: Any, key: str) -> None:
    """The rarer wishes."""
    new = st.text_input(say("chats.rename"), each["name"], key=f"new-{key}", max_chars=64, help=say("chats.rename_hint")).strip()
    if st.button(say("chats.rename_do"), key=f"rename-{key}", icon=":material/edit:", disabled=new == each["name"]):
        rename(each, new)
    st.divider()
    st.caption(say("model.export_checkpoint_help"))
    if st.button(say("model.export"), key=f"export-{key}", icon=":material/download:"):
        export(each)
    st.divider()
    if each["in_use"]:
        st.caption(say("model.delete_in_use"))
        return
    st.caption(say("model.delete_what"))
    sure = st.checkbox(say("model.delete"), key=f"sure-{key}")
    if st.button(say("chats.delete_sure"), key=f"delete-{key}", icon=":material/delete:", disabled=not sure):
        delete(each)


def load(each: Any) -> None:
    """Put it in the place of the present weights."""
    with st.spinner(say("timeline.working")):
        told = asked(lambda: client().load(each["name"], version=each["version"]), "load")
    if told:
        done("model.loaded", name=told["name"], version=told["version"])


def rename(each: Any, new: str) -> None:
    """Call it otherwise."""
    if not NAME.fullmatch(new):
        st.warning(say("chats.rename_bad"))
    elif asked(lambda: client().rename_checkpoint(each["name"], new, version=each["version"]), "rename"):
        done("model.renamed", name=each["name"], new=new)


def export(each: Any) -> None:
    """Write it where other programs find it."""
    with st.spinner(say("model.exporting")):
        told = asked(lambda: client().export_checkpoint(each["name"], version=each["version"]), "export")
    if told:
        st.session_state.exported = plain(say("model.exported", file=told["path"].rpartition("/")[2], size=size(told["bytes"])))
        st.rerun()


def delete(each: Any) -> None:
    """Remove it."""
    if asked(lambda: client().delete_checkpoint(each["name"], version=each["version"]), "delete"):
        done("model.deleted", name=each["name"])


def done(key: str, **values: Any) -> None:
    """Say so, and show how it is now."""
    st.session_state.told = plain(say(key, **values))
    st.rerun()
