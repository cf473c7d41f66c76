"""A lesson as it is learned, and what came of it: in words, in figures, and in the answer to the same question."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from web_ui import correction
from web_ui.catalogue import language, say
from web_ui.connection import asked, client, complain
from web_ui.jobs import Job, jobs
from web_ui.speech import answer
from web_ui.words import plain


def show(name: str, job: Job) -> None:
    """The lesson of a chat, under the turn that it is about."""
    with st.container(border=True, key=f"lesson-{name}"):
        if job.running:
            live(name)
        elif job.error is not None:
            complain(job.error, "lesson", again=lambda: jobs().again(f"lesson:{name}"))
            close(name)
        elif job.learned:
            learned(name, job)
        else:
            st.info(say("lesson.cancelled") if job.stopped else say("lesson.kept", reason=job.result["reason"]), icon=":material/undo:")
            close(name)


@st.fragment(run_every=0.5)
def live(name: str) -> None:
    """The curve as it grows, how far it is, and the way to stop it."""
    job = jobs().get(f"lesson:{name}")
    if job is None or not job.running:
        st.rerun()
        return
    if progress(list(job.events), "lesson.learning"):
        st.caption(say("lesson.checking"))
    st.button(say("lesson.cancel"), key=f"cancel-{name}", icon=":material/stop_circle:", on_click=job.stop)


def progress(steps: list[dict[str, Any]], words: str) -> bool:
    """How far the steps are, in the words of that name, and their curve; False where none was made yet."""
    if not steps:
        st.progress(0.0, say("lesson.waiting"))
        return False
    last = steps[-1]
    told = say(words, step=last["step"], steps=last["steps"])
    st.progress(min(1.0, last["step"] / last["steps"]), f"{told} · {say('lesson.left', time=duration(last['eta_s']))}")
    curve([step["loss"] for step in steps])
    return True


def curve(losses: list[float | None]) -> None:
    """Loss by step."""
    step, loss = say("lesson.step"), say("lesson.loss")
    frame = pd.DataFrame({step: range(1, len(losses) + 1), loss: losses})
    st.line_chart(frame, x=step, y=loss, height=160)


def duration(seconds: float) -> str:
    """Seconds as minutes and seconds."""
    minutes, rest = divmod(max(0, round(seconds)), 60)
    return f"{minutes}:{rest:02d}"


def close(name: str) -> None:
    """The button that puts what is shown away."""
    st.button(say("lesson.close"), key=f"close-{name}", on_click=put_away, args=(name,))


def put_away(name: str) -> None:
    """Show the lesson no more."""
    for kind in ("lesson", "asked"):
        jobs().put_away(f"{kind}:{name}")


def learned(name: str, job: Job) -> None:
    """What came of a lesson."""
    result = job.result
    if "settled" not in job.about:
        job.about["settled"] = True
        if job.about["context"]:
            context = job.about["context"]
            jobs().begin(f"asked:{name}", lambda: client().infer_stream(context, temperature=0))
        st.rerun()
    st.success(result["words"][language()], icon=":material/school:")
    if job.about["context"]:
        asked_again(name, job)
    before, after = result["loss_before"], result["loss_after"]
    with st.container(horizontal=True):
        st.metric(say("lesson.before"), f"{before:.2f}")
        st.metric(say("lesson.after"), f"{after:.2f}", f"{after - before:.2f}", delta_color="inverse")
        if result["drift"] is not None:
            st.metric(say("lesson.drift"), f"{result['drift']:+.3f}", help=say("lesson.drift_help"))
    if result["drift"] is not None:
        st.caption(drift_in_words(result["drift"]))
    if len(job.events) > 1:
        with st.expander(say("lesson.curve"), icon=":material/show_chart:"):
            curve([step["loss"] for step in job.events])
    st.caption(say("lesson.facts", steps=result["steps"], tokens=result["tokens"], version=result["version"],
                   seconds=f"{result['seconds']:.0f}"))
    if result["checks"]:
        checks(name, job)
    with st.container(horizontal=True):
        close(name)
        if st.button(say("lesson.undo"), key=f"undo-{name}", icon=":material/undo:"):
            with st.spinner(say("lesson.undoing")):
                undone = asked(lambda: client().undo(result["lesson"]), f"undo-{name}")
            if undone:
                put_away(name)
                st.session_state.told = say("lesson.undone", version=undone["version"])
                st.rerun()


def drift_in_words(drift: float) -> str:
    """Whether the rest of what the model knows has moved."""
    return say(f"lesson.drift_{'none' if abs(drift) < 0.02 else 'some' if abs(drift) < 0.1 else 'much'}")


def asked_again(name: str, job: Job) -> None:
    """The same question once more, its answer beside the one before the lesson."""
    st.markdown(f"**{say('lesson.asked_again')}**")
    before, now = st.columns(2)
    with before:
        st.caption(say("lesson.asked_old"))
        answer(job.about["old"])
    with now:
        st.caption(say("lesson.asked_new"))
        job = jobs().get(f"asked:{name}")
        if job is not None:
            st.fragment(anew, run_every=0.3 if job.running else None)(name, job, job.running)


def anew(name: str, job: Job, was_running: bool) -> None:
    """The answer after the lesson, as it is written; looked at until it is there."""
    if was_running and not job.running:
        st.rerun()
    if job.error is not None:
        complain(job.error, "asked", again=lambda: jobs().again(f"asked:{name}"))
    elif job.text:
        answer(job.text)
    else:
        st.caption(say("lesson.asking"))


def checks(name: str, job: Job) -> None:
    """What else the lesson changed."""
    told = job.result["checks"]
    asked_lessons, known = told["kept"]
    st.markdown(say("checks.kept", asked=asked_lessons, known=known) if asked_lessons else say("checks.kept_none"))
    if told["forgotten"]:
        st.warning(say("checks.forgotten", n=len(told["forgotten"])))
    changed = told["neighbours"]
    if not changed:
        st.markdown(say("checks.neighbours_none"))
        return
    st.markdown(say("checks.neighbours"))
    st.table(pd.DataFrame([{say("checks.question"): plain(row["question"]), say("checks.was"): plain(row["before"]),
                            say("checks.now"): plain(row["after"])} for row in changed]), border="horizontal", hide_index=True)
    if told["put_back"]:
        st.button(say("checks.put_back"), key=f"put-back-{name}", help=say("checks.put_back_help"),
                  icon=":material/settings_backup_restore:", on_click=correction.put_back, args=(name, job.about["turn"], told["put_back"]))
