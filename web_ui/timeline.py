"""What the model learned, the newest first: each lesson with its version, when it was, what it did; and the ways back."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import streamlit as st

from web_ui import comparison
from web_ui.catalogue import say
from web_ui.connection import asked, client
from web_ui.words import plain, short

PAGE = 20
"""Versions that are shown at first, and more with each wish for older ones."""


def page() -> None:
    """The page."""
    st.header(say("timeline.title"), anchor=False)
    found = asked(lambda: (client().versions()["versions"], client().lessons(limit=1000)["lessons"]), "timeline")
    if found is None:
        return
    versions, lessons = found[0], {lesson["lesson"]: lesson for lesson in found[1]}
    now = asked(lambda: client().health()["version"], "timeline-now")
    if len(versions) < 2:
        st.info(say("timeline.empty"), icon=":material/school:")
        return
    undo_last(versions)
    comparison.panel(versions, now)
    wanted = st.text_input(say("timeline.search"), key="search-lessons", icon=":material/search:", placeholder=say("timeline.search"),
                           label_visibility="collapsed").lower().split()
    fitting = [version for version in versions if all(word in what(version, lessons).lower() for word in wanted)]
    shown = st.session_state.setdefault("versions-shown", PAGE)
    for version in fitting[:shown]:
        row(version, lessons, now)
    if len(fitting) > shown and st.button(say("timeline.more"), key="more-versions"):
        st.session_state["versions-shown"] += PAGE
        st.rerun()


def what(version: Any, lessons: dict[str, Any]) -> str:
    """What made a version, in words."""
    if version["made_by"] == "base":
        return say("timeline.base")
    if version["made_by"] == "rehearsal":
        return say("timeline.rehearsed")
    lesson = lessons.get(version["lesson"])
    told = taught(lesson) if lesson else say("timeline.lesson")
    return say("timeline.undo_of", what=told) if version["made_by"] == "undo" else told


def taught(lesson: Any) -> str:
    """A lesson on one line: the last question and its answer, or the beginning of its text."""
    messages = lesson.get("messages")
    if not messages:
        return short(lesson.get("text") or say("timeline.lesson"), 120)
    return " → ".join(short(message["text"], 70) for message in messages[-2:])


def when(time: float) -> str:
    """A moment on the reader's clock."""
    zone = st.context.timezone
    return datetime.fromtimestamp(time, ZoneInfo(zone) if zone else None).strftime("%Y-%m-%d %H:%M")


def losses(row: Any) -> str:
    """Loss before and after, where both are known."""
    before, after = row["loss_before"], row["loss_after"]
    return "" if before is None or after is None else say("timeline.loss", before=f"{before:.2f}", after=f"{after:.2f}")


def row(version: Any, lessons: dict[str, Any], now: int | None) -> None:
    """One version: what made it, and the ways from here."""
    number, is_now = version["version"], version["version"] == now
    with st.container(border=True, key=f"version-{number}", gap="small"):
        title = plain(what(version, lessons))
        st.markdown(f"**{title}**" if version["in_weights"] else f":gray[{title}]")
        drift = st.session_state.get(f"drift-{number}", version["drift"])
        told = [say("chat.version", version=number), when(version["time"]), losses(version)]
        told.append("" if drift is None else say("timeline.drift", drift=f"{drift:+.3f}"))
        marks = [f":green-badge[:material/check: {say('timeline.now')}]"] if is_now else []
        marks += [] if version["in_weights"] else [f":gray-badge[{say('timeline.left')}]"]
        st.caption(" · ".join(filter(None, told)) + " " + " ".join(marks))
        with st.container(horizontal=True, gap="small", key=f"actions-version-{number}"):
            if not is_now:
                rollback(number)
            if version["made_by"] == "lesson":
                if drift is None:
                    measure(number)
                if version["in_weights"]:
                    st.button(say("lesson.undo"), key=f"undo-{number}", type="tertiary", icon=":material/undo:", on_click=take_out,
                              args=(version["lesson"],))
    if problem := st.session_state.pop(f"problem-{number}", None):
        st.error(problem)


def measure(number: int) -> None:
    """The button that measures how far a lesson moved the rest, where that is not known: lessons of a set are not measured one by one."""
    if st.button(say("timeline.measure"), key=f"measure-{number}", type="tertiary", icon=":material/straighten:",
                 help=say("timeline.measure_help")):
        with st.spinner(say("timeline.measuring")):
            diff = asked(lambda: client().diff(number - 1, number), f"measure-{number}")
        if diff:
            before, after = diff["probe_loss"]
            st.session_state[f"drift-{number}"] = after - before
            st.rerun()


def rollback(number: int) -> None:
    """The way back to a version, asked for twice."""
    with st.popover(say("timeline.rollback", version=number), type="tertiary", icon=":material/history:", key=f"back-{number}"):
        st.markdown(say("timeline.rollback_sure", version=number))
        if st.button(say("timeline.rollback", version=number), key=f"rollback-{number}", type="primary"):
            with st.spinner(say("timeline.working")):
                done = asked(lambda: client().rollback(number), f"rollback-{number}")
            if done:
                st.session_state.told = say("timeline.rolled", version=done["version"])
                st.rerun()


def undo_last(versions: list[Any]) -> None:
    """The one button."""
    last = next((v["lesson"] for v in versions if v["made_by"] == "lesson" and v["in_weights"]), None)
    st.button(say("timeline.undo_last"), key="undo-last", icon=":material/undo:", help=say("timeline.undo_last_help"),
              disabled=last is None, on_click=take_out, args=(last,))


def take_out(lesson: str) -> None:
    """Undo a lesson, and say so."""
    with st.spinner(say("lesson.undoing")):
        done = asked(lambda: client().undo(lesson), f"undo-{lesson}")
    if done:
        st.session_state.told = say("lesson.undone", version=done["version"])
