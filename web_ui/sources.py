"""Where a set comes from: a file of the reader's, a text or a table written here, or a file that lies in the data folder."""

from __future__ import annotations

import json
from pathlib import PurePath
from typing import Any

import pandas as pd
import streamlit as st

from web_ui.catalogue import say
from web_ui.words import slug

SUFFIXES = ["org", "jsonl", "json", "ndjson", "txt", "md"]
ROLES = ["system", "user", "assistant"]
EXAMPLE = [("1", "user", "What is my cat called?", 1.0), ("1", "assistant", "Your cat is called Wanda.", 1.0)]


def choose() -> dict[str, Any] | None:
    """The fields of /load_data that say what the set is, or None while it is not said."""
    ways = {"file": file, "text": text, "table": table, "folder": folder}
    way = st.segmented_control(say("data.source"), list(ways), default="file", key="source", format_func=lambda w: say(f"data.source_{w}"),
                               label_visibility="collapsed")
    return ways[way or "file"]()


def file() -> dict[str, Any] | None:
    """A file from the reader's machine; it can be edited before it is taught."""
    sent = st.file_uploader(say("data.upload"), SUFFIXES, key="upload", help=say("data.upload_help"))
    if sent is None:
        return None
    try:
        content = sent.getvalue().decode("utf-8-sig")
    except UnicodeDecodeError:
        st.error(say("data.not_text"))
        return None
    form = {".org": "org", ".txt": "text", ".md": "text"}.get(PurePath(sent.name).suffix, "jsonl")
    content = st.text_area(say("data.edit"), content, key=f"edit-{sent.file_id}", height=240)
    return {"name": slug(PurePath(sent.name).stem), "content": content, "format": form} if content.strip() else None


def text() -> dict[str, Any] | None:
    """A set written as text; its form shows in its content."""
    name = st.text_input(say("data.name"), "my-lessons", key="set-name")
    content = st.text_area(say("data.write"), key="set-text", height=240, placeholder=say("data.write_example"))
    return {"name": slug(name), "content": content} if content.strip() else None


def table() -> dict[str, Any] | None:
    """A set as a table: a message a line, the lessons numbered."""
    name = st.text_input(say("data.name"), "my-table", key="table-name")
    if "table" not in st.session_state:
        st.session_state.table = pd.DataFrame(EXAMPLE, columns=["lesson", "role", "text", "weight"])
    columns = {
        "lesson": st.column_config.TextColumn(say("data.lesson"), required=True, width="small"),
        "role": st.column_config.SelectboxColumn(say("data.role"), options=ROLES, required=True, width="small"),
        "text": st.column_config.TextColumn(say("data.text"), required=True, width="large"),
        "weight": st.column_config.NumberColumn(say("data.weight"), min_value=0.0, max_value=100.0, default=1.0, width="small"),
    }
    st.caption(say("data.table_help"))
    frame = st.data_editor(st.session_state.table, column_config=columns, num_rows="dynamic", hide_index=True, width="stretch",
                           key="table-rows")
    content = as_jsonl(frame)
    return {"name": slug(name), "content": content, "format": "jsonl"} if content else None


def as_jsonl(frame: pd.DataFrame) -> str:
    """The lessons of a table, one on a line; rows without words are left out."""
    lessons: dict[str, list[dict[str, Any]]] = {}
    for row in frame.to_dict("records"):
        if isinstance(row["text"], str) and row["text"].strip() and isinstance(row["role"], str):
            weight = 1.0 if pd.isna(row["weight"]) else float(row["weight"])
            lessons.setdefault(str(row["lesson"]), []).append({"role": row["role"], "text": row["text"], "weight": weight})
    return "\n".join(json.dumps({"messages": messages}, ensure_ascii=False) for messages in lessons.values())


def folder() -> dict[str, Any] | None:
    """A file or a folder of files that lies in the server's data folder; of a folder, so many lessons of each set in a round."""
    path = st.text_input(say("data.path"), "sft.org", key="set-path", help=say("data.path_help")).strip()
    wanted = st.text_input(say("data.shares"), key="set-shares", help=say("data.shares_help"), placeholder="cats:3 dogs:1")
    shares = wanted.replace(",", " ").split()
    return {"path": path} | ({"shares": shares} if shares else {}) if path else None
