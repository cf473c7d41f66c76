"""An answer put right: what it should have been, what of it will be trained, and the lesson that teaches it."""

from __future__ import annotations

import uuid
from html import escape
from typing import Any

import streamlit as st

from web_ui import defaults
from web_ui.catalogue import say
from web_ui.connection import asked, client
from web_ui.jobs import jobs

Place = tuple[str, int]
"""A chat and a turn in it."""


@st.cache_resource
def drafts() -> dict[Place, str]:
    """The corrections that are being written; a page that is loaded again has them still."""
    return {}


def begin(name: str, turn: Any) -> None:
    """Open the editor on an answer."""
    drafts().setdefault((name, turn["turn"]), turn["answer"])


def leave(place: Place) -> None:
    """Close it, and forget what was written there."""
    drafts().pop(place, None)
    st.session_state.pop(f"preview-{place}", None)


def keep(place: Place) -> None:
    """Remember what is written."""
    drafts()[place] = st.session_state[f"right-{place}"]


def before(turns: list[Any], number: int) -> list[dict[str, str]]:
    """The conversation that the answer of a turn follows on."""
    messages = []
    for turn in turns[:number]:
        messages += [{"role": m["role"], "text": m["text"]} for m in turn["messages"]]
        if turn["turn"] < number and turn["answer"].strip():
            messages.append({"role": "assistant", "text": turn["answer"]})
    return messages


def scene(turns: list[Any], number: int, text: str, **more: str) -> list[dict[str, Any]]:
    """A lesson of one answer: what is before it is read, and not learned."""
    return [m | {"no_loss": True} for m in before(turns, number)] + [{"role": "assistant", "text": text, **more}]


def editor(name: str, turns: list[Any], turn: Any) -> None:
    """The editor, in the place of the answer."""
    place = (name, turn["turn"])
    st.markdown(f"**{say('teach.title')}**")
    text = st.text_area(say("teach.text"), value=drafts()[place], key=f"right-{place}", height="content", help=say("teach.hint"),
                        on_change=keep, args=(place,)).strip()
    st.caption(say("teach.hint"))
    with st.container(horizontal=True):
        wanted = st.button(say("teach.do"), key=f"teach-{place}", type="primary", icon=":material/school:")
        seen = st.button(say("teach.preview"), key=f"look-{place}", icon=":material/visibility:")
        how = options(place)
        st.button(say("teach.cancel"), key=f"leave-{place}", type="tertiary", on_click=leave, args=(place,))
    if (wanted or seen) and not text:
        st.warning(say("teach.empty"))
    elif wanted:
        drafts()[place] = text
        teach(name, turns, turn, text, how)
        st.rerun()
    elif seen:
        measured = asked(lambda: client().train(scene(turns, turn["turn"], text), dry_run=True, preview=True), f"look-{place}")
        st.session_state[f"preview-{place}"] = (text, measured)
    shown_for, measured = st.session_state.get(f"preview-{place}", (None, None))
    if measured and shown_for == text:
        preview(measured)


def options(place: Place) -> dict[str, Any]:
    """How to teach; what is left empty is as the server's configuration has it, which stands there in grey."""
    usual = {name: "" if value is None else f"{value:g}" for name in ("until_loss", "max_epochs", "lr")
             for value in [defaults.of("train").get(name)]}
    with st.popover(say("teach.options"), icon=":material/tune:"):
        chosen = {
            "until_loss": st.number_input(say("teach.until"), 0.0, 10.0, None, 0.05, key=f"until-{place}",
                                          placeholder=usual["until_loss"], help=say("teach.until_help")),
            "max_epochs": st.number_input(say("teach.epochs"), 1, 10_000, None, 1, key=f"epochs-{place}",
                                          placeholder=usual["max_epochs"], help=say("teach.epochs_help")),
            "lr": st.number_input(say("teach.lr"), 1e-7, 1e-1, None, 1e-5, key=f"lr-{place}", format="%.1e",
                                  placeholder=usual["lr"], help=say("teach.lr_help")),
            "checks": st.toggle(say("teach.checks"), True, key=f"checks-{place}", help=say("teach.checks_help")),
        }
    return {name: value for name, value in chosen.items() if value is not None}


def preview(measured: Any) -> None:
    """The tokens of a lesson, those that will be trained marked by their weight, and how much of a surprise they are."""
    marks = "".join(mark(token) for sample in measured["preview"] for token in sample if token["text"])
    st.html(f'<div class="tokens">{marks}</div>')
    loss = measured["loss_before"]
    words = "none" if loss < 0.3 else "some" if loss < 2 else "much"
    st.caption(say("teach.preview_title"))
    st.caption(say("teach.preview_loss", loss=f"{loss:.2f}", words=say(f"teach.surprise_{words}")))


def mark(token: Any) -> str:
    """One token; a line's end is shown as such and made."""
    text = escape(token["text"]).replace("\n", "↵\n")
    if not token["weight"]:
        return text
    title = escape(say("teach.weight", text=token["text"].strip() or "↵", weight=f"{token['weight']:g}"), quote=True)
    return f'<mark style="--weight:{min(token["weight"], 2):g}" title="{title}">{text}</mark>'


def teach(name: str, turns: list[Any], turn: Any, text: str, how: dict[str, Any]) -> None:
    """Teach a correction; it takes the place of the answer when it is learned."""
    number, key = turn["turn"], once()
    jobs().begin(f"lesson:{name}", lambda: client().correct_stream(name, number, text, idempotency_key=key, **how),
                 turn=number, old=turn["answer"], context=before(turns, number))


def teach_as_it_is(name: str, turns: list[Any], turn: Any) -> None:
    """Teach an answer that is good."""
    lesson, key = scene(turns, turn["turn"], turn["answer"]), once()
    jobs().begin(f"lesson:{name}", lambda: client().train_stream(lesson, checks=True, idempotency_key=key),
                 turn=turn["turn"], old=turn["answer"], context=before(turns, turn["turn"]))


def rank(name: str, turns: list[Any], turn: Any, rivals: list[str]) -> None:
    """Teach that one answer is better than others to the same question."""
    lessons = [{"messages": scene(turns, turn["turn"], turn["answer"], rejected=rival)} for rival in rivals if rival.strip()]
    key = once()
    jobs().begin(f"lesson:{name}", lambda: client().train_stream(lessons=lessons, objective="dpo", checks=True, idempotency_key=key),
                 turn=turn["turn"], old=turn["answer"], context=before(turns, turn["turn"]))


def put_back(name: str, number: int, lessons: dict[str, Any]) -> None:
    """Teach neighbours of a lesson their old answers again."""
    key = once()
    jobs().begin(f"lesson:{name}", lambda: client().train_stream(**lessons, checks=True, idempotency_key=key),
                 turn=number, old=None, context=None)


def once() -> str:
    """A key for a lesson: however often it is tried again, it is learned once."""
    return f"page-{uuid.uuid4().hex}"
