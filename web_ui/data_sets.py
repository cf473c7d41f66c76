"""Sets of lessons: brought in, put right, taught as a whole, and what is left of them."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from web_ui import runs, sources
from web_ui.catalogue import say
from web_ui.connection import asked, client
from web_ui.timeline import taught
from web_ui.words import plain


def page() -> None:
    """The page."""
    st.header(say("data.title"), anchor=False)
    st.caption(say("data.intro"))
    source = sources.choose()
    with st.container(horizontal=True, vertical_alignment="bottom"):
        passes = st.number_input(say("data.passes"), 1, 10_000, 1, key="passes", width=220)
        shuffle = st.toggle(say("data.shuffle"), key="shuffle")
    with st.container(horizontal=True):
        read = st.button(say("data.read"), key="read-set", icon=":material/fact_check:", disabled=source is None)
        teach = st.button(say("data.train"), key="teach-set", type="primary", icon=":material/school:",
                          disabled=source is None or runs.busy())
    if read:
        st.session_state.read = asked(lambda: client().load_data(**(source or {})), "read-set")
    if teach:
        runs.begin(**(source or {}), passes=passes, shuffle=shuffle)
        st.rerun()
    if told := st.session_state.get("read"):
        report(told)
    st.subheader(say("data.runs"), anchor=False)
    runs.panel()
    st.subheader(say("data.worst"), anchor=False)
    worst()


def report(told: Any) -> None:
    """What was found in a set, with what could not be read by line."""
    problems, twice = told["problems"], told.get("duplicates", [])
    found = say("data.found", dataset=told["dataset"], lessons=told["lessons"], tokens=told["tokens"], problems=len(problems))
    (st.warning if problems else st.success)(plain(found))
    for problem in problems:
        st.markdown("- " + plain(say("data.problem", line=problem["line"], message=problem["message"])))
    if twice:
        st.caption(say("data.duplicates", n=len(twice), lines=", ".join(str(row["line"]) for row in twice)))


def worst() -> None:
    """The lessons that are remembered worst, measured on demand, each to be taught again."""
    if st.button(say("data.review"), key="review", icon=":material/straighten:", help=say("data.review_help")):
        with st.spinner(say("timeline.measuring")):
            st.session_state.worst = asked(lambda: (client().review(20)["lessons"], client().lessons(limit=1000)["lessons"]), "review")
    if not st.session_state.get("worst"):
        return
    measured, lessons = st.session_state.worst
    words = {lesson["lesson"]: taught(lesson) for lesson in lessons}
    rows = [{say("timeline.lesson"): words.get(row["lesson"], row["lesson"]), say("data.loss_then"): row["loss_after"],
             say("data.loss_now"): row["loss_now"]} for row in measured]
    chosen = st.dataframe(pd.DataFrame(rows), hide_index=True, width="stretch", on_select="rerun", selection_mode="single-row",
                          key="worst-rows")
    picked = chosen["selection"]["rows"]
    if st.button(say("data.retrain"), key="retrain", icon=":material/school:", disabled=not picked, help=say("data.retrain_help")):
        with st.spinner(say("data.retraining")):
            told = asked(lambda: client().retrain(measured[picked[0]]["lesson"]), "retrain")
        if told:
            st.session_state.told = told["reason"] or say("data.retrained")
            st.rerun()
