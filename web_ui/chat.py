"""The conversation: what was said, the answer as it is written, and the line to write in."""

from __future__ import annotations

import time
from typing import Any

import streamlit as st
from ouroboros_client import OuroborosError

from web_ui import chats, settings, turn
from web_ui.branches import family
from web_ui.catalogue import say
from web_ui.connection import client, complain
from web_ui.jobs import Job, jobs
from web_ui.speech import answer, said, speaker
from web_ui.words import formatted, free_name, plain, slug


def page() -> None:
    """The page."""
    chats.sidebar()
    name = chats.current()
    st.query_params.from_dict({key: value for key, value in [*st.query_params.items(), ("chat", name)] if value})
    if name is None:
        st.query_params.pop("chat", None)
    with st.container(horizontal=True, vertical_alignment="center", key="chat-head"):
        st.header(plain(name or say("chats.new")), anchor=False, width="stretch")
        settings.panel()
    job = settled(name)
    turns = read(name)
    relatives = family(name, turns) if turns else {}
    if job is not None and "turn" in job.about:
        turns = turns[: job.about["turn"] - 1]
    for each in turns:
        turn.show(name, turns, each, relatives)
    if not turns and job is None and name is None:
        welcome()
    if job is not None:
        pending(name, job)
    text = st.chat_input(say("chat.writing" if job is not None and job.running else "chat.input"), key="say",
                         disabled=job is not None and (job.running or job.error is not None))
    if text and text.strip():
        ask(name, text.strip(), turns)
        st.rerun()


def welcome() -> None:
    """What a chat without a word shows."""
    with st.container(key="welcome"):
        st.subheader(say("chat.empty_title"), anchor=False, text_alignment="center")
        st.caption(say("chat.empty"), text_alignment="center")
        with st.container(horizontal=True, horizontal_alignment="center"):
            if st.button(say("chat.example"), key="example", icon=":material/chat:"):
                ask(chats.current(), say("chat.example"), [])
                st.rerun()


def read(name: str | None) -> list[Any]:
    """The turns of a chat, none for one that is yet to begin. Where the server does not tell, those that it told last, and the error."""
    if name is None:
        return []
    try:
        turns = client().session(name)["turns"]
    except OuroborosError as error:
        turns = [] if error.status == 404 else st.session_state.get("turns", {}).get(name, [])
        if error.status != 404 and not complained(name):
            complain(error, "read")
    st.session_state.turns = {name: turns}
    return turns


def complained(name: str) -> bool:
    """Whether what was asked or taught in a chat has a button already that tries again."""
    job = jobs().get(f"lesson:{name}")
    return f"answer:{name}" in jobs() or (job is not None and job.error is not None)


def new_name(text: str) -> str:
    """A name for a chat that begins with this text."""
    try:
        taken = {session["session"] for session in client().sessions()["sessions"]}
    except OuroborosError:
        return f"{slug(text)}-{int(time.time())}"
    return free_name(slug(text), taken)


def ask(name: str | None, text: str, turns: list[Any]) -> None:
    """Send what was written; it is kept until its answer is there."""
    if name is None:
        name = new_name(text)
        chats.show(name)
    said = [message["text"] for each in turns for message in each["messages"] if message["role"] == "system"]
    messages = [{"role": "user", "text": text}]
    if settings.system() and settings.system() != (said[-1] if said else ""):
        messages.insert(0, {"role": "system", "text": settings.system()})
    send(name, messages)


def send(name: str, messages: list[dict[str, str]]) -> None:
    """Ask the server."""
    how = settings.options()
    jobs().begin(f"answer:{name}", lambda: client().infer_stream(messages, session=name, **how), messages=messages)


def settled(name: str | None) -> Job | None:
    """The answer under way in a chat, or the one that failed; one that is there leaves its speed and is a turn of the chat."""
    job = jobs().get(f"answer:{name}")
    if job is None or job.running or job.error is not None:
        return job
    turn.speeds()[name, job.result["turn"], job.result["text"]] = job.speed
    jobs().put_away(f"answer:{name}")
    return None


def pending(name: str, job: Job) -> None:
    """What is asked and not answered yet."""
    for message in job.about["messages"]:
        said(message)
    if job.error is None:  # also one that is through by now: it was not when the page began to be drawn
        live(name)
        return
    if job.text:
        with speaker("assistant"):
            st.markdown(formatted(job.text))
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(say("chat.unsent"))
        st.button(say("chat.discard"), key="discard", icon=":material/delete:", type="tertiary",
                  on_click=jobs().put_away, args=(f"answer:{name}",))
    complain(job.error, "answer", again=lambda: jobs().again(f"answer:{name}"))


@st.fragment(run_every=0.25)
def live(name: str) -> None:
    """An answer as it is written, and the way to stop it."""
    job = jobs().get(f"answer:{name}")
    if job is None or not job.running:
        st.rerun()
        return
    with speaker("assistant"):
        answer(job.text + " ▌" if job.text else "")
        if not job.text:
            st.caption(say("chat.waiting"))
        st.button(say("chat.stop"), key="stop", icon=":material/stop_circle:", on_click=job.stop)
