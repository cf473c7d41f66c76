"""Sets that are being taught, or were: the curve as it grows, the way to pause, the way to go on. A run goes on without the page."""

from __future__ import annotations

from typing import Any

import streamlit as st

from web_ui.catalogue import language, say
from web_ui.connection import asked, client, complain
from web_ui.jobs import jobs
from web_ui.lesson import progress
from web_ui.words import plain

SHOWN = 10
"""Runs that are listed, the newest first."""


def begin(**source: Any) -> None:
    """Teach a set."""
    jobs().begin("run", lambda: client().load_data_stream(**source, train=True))


def follow(run: str) -> None:
    """Go on with a run that was paused, or watch one that is under way."""
    jobs().begin("run", lambda: client().load_data_stream(resume=run))


def busy() -> bool:
    """Whether a set is being taught from here."""
    job = jobs().get("run")
    return job is not None and job.running


def settled() -> bool:
    """Whether the server said what came of the last run, or no to it: not where it went away meanwhile."""
    job = jobs().get("run")
    return job is not None and (job.error is None or job.error.status is not None)


def panel() -> None:
    """The run under way, and those before."""
    known = asked(lambda: client().datasets()["runs"], "runs")
    if known is None:
        return
    if not busy() and not settled() and (under_way := next((run["run"] for run in known if run["state"] == "running"), None)):
        follow(under_way)
    job = jobs().get("run")
    if job is not None and job.running:
        live()
    elif job is not None and job.error is not None:
        complain(job.error, "run", again=lambda: jobs().put_away("run"))
    elif job is not None:
        ended(job.result)
    if not known and job is None:
        st.caption(say("data.no_runs"))
    for run in known[::-1][:SHOWN]:
        row(run)


@st.fragment(run_every=0.5)
def live() -> None:
    """How far the run is."""
    job = jobs().get("run")
    if job is None or not job.running:
        st.rerun()
        return
    progress(list(job.events), "data.running")
    st.button(say("data.pause"), key="pause", icon=":material/pause:", on_click=job.stop)


def ended(told: Any) -> None:
    """What came of a run."""
    with st.container(border=True, key="run-ended"):
        if told.get("learned_lessons"):
            st.success(say("data.finished", n=told["learned_lessons"], words=told["words"][language()]))
        elif told.get("reason"):
            st.info(plain(told["reason"]))
        for row in told.get("refused", []):
            st.markdown("- " + plain(say("data.problem", line=row["line"], message=row["reason"])))
        st.button(say("lesson.close"), key="close-run", on_click=jobs().put_away, args=("run",))


def row(run: Any) -> None:
    """One run of the list."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(plain(say("data.run", dataset=run["dataset"], done=run["done"], lessons=run["lessons"],
                              state=say(f"data.state_{run['state']}"))), width="stretch")
        if run["state"] in ("cancelled", "failed"):
            st.button(say("data.resume"), key=f"resume-{run['run']}", icon=":material/play_arrow:", disabled=busy(),
                      on_click=follow, args=(run["run"],))
