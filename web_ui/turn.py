"""One turn of a chat: what was asked, the answer, and what can be done with it."""

from __future__ import annotations

from typing import Any

import streamlit as st

from web_ui import chats, correction, lesson, settings
from web_ui.branches import Family, beside, new_branch, way
from web_ui.catalogue import say
from web_ui.connection import asked, client
from web_ui.jobs import jobs
from web_ui.speech import answer, said, speaker


@st.cache_resource
def speeds() -> dict[tuple[str, int, str], float | None]:
    """Tokens a second of the answers that this process saw being written."""
    return {}


def show(name: str, turns: list[Any], turn: Any, relatives: Family) -> None:
    """A turn, with the lesson that is being made of it."""
    for message in turn["messages"]:
        said(message)
    job = jobs().get(f"lesson:{name}")
    taught = job is not None and job.about["turn"] == turn["turn"]
    if taught and job.learned and "settled" not in job.about:
        correction.leave((name, turn["turn"]))
    with speaker("assistant"):
        if (name, turn["turn"]) in correction.drafts() and not (taught and job.running):
            correction.editor(name, turns, turn)
        else:
            answer(turn["answer"])
            st.caption(facts(name, turn))
            actions(name, turns, turn, relatives)
        if taught:
            lesson.show(name, job)


def facts(name: str, turn: Any) -> str:
    """The version that wrote an answer, how fast, and how it ended."""
    first, last = turn["versions"]
    told = [say("chat.version", version=first) if first == last else say("chat.versions", first=first, last=last)]
    if speed := speeds().get((name, turn["turn"], turn["answer"])):
        told.append(say("chat.speed", speed=f"{speed:.0f}"))
    reasons = {"length": "chat.cut", "cancelled": "chat.stopped", "corrected": "chat.corrected"}
    if reason := reasons.get(turn["finish_reason"]):
        told.append(say(reason))
    return " · ".join(told)


def actions(name: str, turns: list[Any], turn: Any, relatives: Family) -> None:
    """What can be done with an answer, as a row of small buttons."""
    number, others = turn["turn"], beside(relatives, name, turn["turn"])
    key = f"{name}-{number}"

    def button(what: str, icon: str, **more: Any) -> bool:
        return st.button(say(f"chat.{what}"), key=f"{what}-{key}", icon=f":material/{icon}:", type="tertiary",
                         help=say(f"chat.{what}_help"), **more)

    with st.container(horizontal=True, gap="small", vertical_alignment="center", key=f"actions-{key}"):
        button("correct", "edit", on_click=correction.begin, args=(name, turn))
        button("up", "thumb_up", on_click=correction.teach_as_it_is, args=(name, turns, turn))
        if button("again", "refresh"):
            again(name, number, turn)
        if button("branch", "call_split") and (new := asked(lambda: new_branch(name, number), "branch")):
            chats.show(new)
            st.rerun()
        if len(others) > 1:
            place = others.index(name)
            button("previous", "chevron_left", disabled=place == 0, on_click=chats.show, args=(others[place - 1],))
            st.caption(say("chat.place", i=place + 1, n=len(others)), width="content")
            button("next", "chevron_right", disabled=place == len(others) - 1, on_click=chats.show,
                   args=(others[min(place + 1, len(others) - 1)],))
            rivals = [relatives[other][number - 1]["answer"] for other in others
                      if other != name and way(relatives[other], number)[0] == way(turns, number)[0]]
            if rivals:
                button("rank", "trophy", on_click=correction.rank, args=(name, turns, turn, rivals))


def again(name: str, number: int, turn: Any) -> None:
    """Another answer to the same question, in a branch of its own: this one stays."""
    new = asked(lambda: new_branch(name, number), "again")
    if new is None:
        return
    how = settings.options()
    jobs().begin(f"answer:{new}", lambda: client().regenerate_stream(new, number, **how), messages=turn["messages"], turn=number)
    chats.show(new)
    st.rerun()
