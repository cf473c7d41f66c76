"""save, load, rollback, undo, lessons and versions: what is kept, and how to go back."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

import typer

from ouroboros_client.command.common import AsJson, app, checkpoints, connect, lessons, print_json, print_table
from ouroboros_client.options import LessonIn
from ouroboros_client.results import Taught


@app.command()
def save(context: typer.Context, name: Annotated[str, typer.Argument(help="Of the checkpoint.")] = "default",
         as_json: AsJson = False) -> None:
    """Save a checkpoint of the weights."""
    saved = connect(context).save(name)
    print_json(saved) if as_json else print(f"Saved version {saved['version']} as {saved['name']}, {saved['bytes'] / 1e6:.1f} MB.")


@app.command()
def load(context: typer.Context, name: Annotated[str, typer.Argument(help="Of the checkpoint.", autocompletion=checkpoints)],
         as_json: AsJson = False) -> None:
    """Load a checkpoint: its weights answer from now on."""
    loaded = connect(context).load(name)
    print_json(loaded) if as_json else print(f"Loaded {loaded['name']}, version {loaded['version']}.")


@app.command()
def rollback(context: typer.Context, version: Annotated[int, typer.Argument(help="As `ouroboros versions` lists them.")],
             as_json: AsJson = False) -> None:
    """Go back to a version. Nothing is lost: a later one can be gone back to as well."""
    back = connect(context).rollback(version)
    print_json(back) if as_json else print(f"Version {back['version']}; lessons in the weights no more: {len(back['left'])}.")


@app.command()
def undo(context: typer.Context, lesson: Annotated[str, typer.Argument(help="Its id.", autocompletion=lessons)],
         as_json: AsJson = False) -> None:
    """Take one lesson out of the weights; those after it are learned again without it."""
    undone = connect(context).undo(lesson)
    print_json(undone) if as_json else print(f"Version {undone['version']} is without {lesson}; {undone['relearned']} learned again.")


@app.command("lessons")
def listed(context: typer.Context,
           text: Annotated[str | None, typer.Argument(help="Words that must all be in it.")] = None,
           session: Annotated[str | None, typer.Option("--session", "-s", help="Taught by a correction in this conversation.")] = None,
           state: Annotated[Literal["taught", "left", "retracted"] | None, typer.Option(help=(
               "In the weights, left by a rollback, retracted."))] = None,
           order: Annotated[Literal["newest", "worst"], typer.Option(help="worst: by the loss that was measured last.")] = "newest",
           as_of: Annotated[str | None, typer.Option(help="As known at a version (17), a time, or a transaction (tx:120).")] = None,
           limit: Annotated[int, typer.Option(help="How many.")] = 20, as_json: AsJson = False) -> None:
    """List what was taught."""
    found = connect(context).lessons(text=text, session=session, state=state, order=order, as_of=as_of, limit=limit)
    if as_json:
        print_json(found)
        return
    print_table("lesson", "version", "taught", "loss", "now", "what", rows=(
        (row["lesson"], row["version"], when(row["time"]), fall(row["loss_before"], row["loss_after"]), figure(row["loss_now"]),
         brief(" / ".join(map(said, scenes(row))) or row.get("text", "")))
        for row in found["lessons"]))


@app.command()
def versions(context: typer.Context, as_json: AsJson = False) -> None:
    """List the versions that there were, the newest first; * marks the present one."""
    found = connect(context).versions()
    if as_json:
        print_json(found)
        return
    print_table("", "version", "time", "made by", "lesson", "loss", rows=(
        ("*" if row["present"] else "", row["version"], when(row["time"]), row["made_by"], row["lesson"],
         fall(row["loss_before"], row["loss_after"]))
        for row in found["versions"]))


def scenes(row: Taught) -> list[LessonIn]:
    """The conversations of a lesson."""
    return [{"messages": row["messages"]}] if "messages" in row else row.get("lessons", [])


def said(scene: LessonIn) -> str:
    """The end of a conversation."""
    return " → ".join(message["text"] for message in scene["messages"][-2:])


def when(seconds: float) -> str:
    """A time of this place."""
    return datetime.fromtimestamp(seconds).strftime("%Y-%m-%d %H:%M:%S")


def figure(loss: float | None) -> str:
    """A loss."""
    return "" if loss is None else f"{loss:.2f}"


def fall(before: float | None, after: float | None) -> str:
    """A loss before and after."""
    return "" if before is None else f"{figure(before)} → {figure(after)}"


def brief(text: str) -> str:
    """The beginning of a text, on one line."""
    line = " ".join(text.split())
    return line if len(line) <= 80 else line[:79] + "…"
