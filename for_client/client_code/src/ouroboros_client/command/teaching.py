"""teach, correct and put-back: what is taught, how far it has got, and what came of it, in words."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ouroboros_client.client import Client, Stream
from ouroboros_client.command.common import AsJson, Code, Wrong, app, aside, chosen, connect, follow, option_of, piped, print_json, sessions
from ouroboros_client.options import Message, SetOptions, TrainOptions
from ouroboros_client.results import Checks
from ouroboros_client.results import Progress as Step

Checked = Mapping[str, Any]


@app.command()
def teach(context: typer.Context,
          question: Annotated[str | None, typer.Argument(help="What is asked; absent: lessons come from --file or standard input.")] = None,
          answer: Annotated[str | None, typer.Argument(help="What should be answered; absent: standard input.")] = None,
          file: Annotated[Path | None, typer.Option("--file", "-f", exists=True, dir_okay=False, help="A file of lessons, here.")] = None,
          path: Annotated[str | None, typer.Option(help="A file or folder of lessons under the server's data folder.")] = None,
          resume: Annotated[str | None, typer.Option(help="A run that was cancelled or failed.")] = None,
          name: Annotated[str, typer.Option(help="What the server calls lessons that come from standard input.")] = "stdin",
          option: Annotated[list[str] | None, option_of(SetOptions)] = None, as_json: AsJson = False) -> None:
    """Teach an answer, or lessons from a file or standard input (docs/data.md): org, JSON lines, or a text.

    Control-C ends it: a lesson then changes nothing, and of several those before it stay learned.
    """
    client = connect(context)
    if sum(way is not None for way in (question, file, path, resume)) > 1:
        raise Wrong("a question, --file, --path or --resume: one of them is taught")
    if question is not None:
        right = answer if answer is not None else piped().strip()
        if not right:
            raise Wrong("there is no answer to teach: give one, or pipe one in")
        scene: list[Message] = [{"role": "user", "text": question}, {"role": "assistant", "text": right}]
        finish(client, learn(client.train_stream(scene, **chosen(TrainOptions, option))), as_json)
        return
    how = {"train": True} | chosen(SetOptions, option)
    if resume or path:
        run = client.load_data_stream(path, resume=resume, **({} if resume else how))
    else:
        content = file.read_text(encoding="utf-8-sig") if file else piped()
        if not content.strip():
            raise Wrong("there is nothing to teach: give a question and an answer, --file, or pipe lessons in")
        suffix = {".org": "org", ".jsonl": "jsonl", ".json": "jsonl", ".ndjson": "jsonl"}.get(file.suffix.lower() if file else "", "auto")
        run = client.load_data_stream(content=content, name=set_name(file.name if file else name), **({"format": suffix} | how))
    finish(client, learn(run), as_json)


@app.command()
def correct(context: typer.Context,
            session: Annotated[str, typer.Argument(help="The conversation.", autocompletion=sessions)],
            text: Annotated[str | None, typer.Argument(help="What should have been answered; absent: standard input.")] = None,
            turn: Annotated[int | None, typer.Option(help="Which answer; absent: the last.")] = None,
            option: Annotated[list[str] | None, option_of(TrainOptions)] = None, as_json: AsJson = False) -> None:
    """Replace an answer by what it should have been, and teach that."""
    client = connect(context)
    right = text if text is not None else piped().strip()
    if not right:
        raise Wrong("there is no correction: give one, or pipe one in")
    turn = len(client.session(session)["turns"]) if turn is None else turn
    finish(client, learn(client.correct_stream(session, turn, right, **chosen(TrainOptions, option))), as_json)


@app.command("put-back")
def put_back(context: typer.Context, option: Annotated[list[str] | None, option_of(TrainOptions)] = None, as_json: AsJson = False) -> None:
    """Teach near questions that the last lesson changed their old answers again. That of the last lesson taught from here."""
    client = connect(context)
    kept = remembered(client)
    if kept is None:
        raise Wrong("the last lesson taught from here changed no near question")
    finish(client, learn(client.train_stream(**kept, **chosen(TrainOptions, option))), as_json)


def learn(stream: Stream[Step, Any]) -> Checked:
    """What came of a lesson or a run, with a bar on the way where someone watches."""
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[loss]}"), TimeRemainingColumn()
    with Progress(*columns, console=aside, transient=True, disable=not aside.is_terminal) as bar:
        task = bar.add_task("waiting", total=None, loss="")

        def show(step: Step) -> None:
            loss = "" if step["loss"] is None else f"loss {step['loss']:.2f}"
            bar.update(task, description="lessons" if "run" in step else "steps", completed=step["step"], total=step["steps"], loss=loss)

        came: Checked = follow(stream, show)
        return came


def finish(client: Client, came: Checked, as_json: bool) -> None:
    """Say what came of it, and end with its code."""
    if as_json:
        print_json(came)
    report(client, came, quiet=as_json)
    if not came.get("learned", True):
        raise typer.Exit(Code.INTERRUPTED if str(came["reason"]).startswith("cancelled") else Code.NOT_LEARNED)


def report(client: Client, came: Checked, quiet: bool = False) -> None:
    """What came of a lesson, in words, and how to put back what else it changed."""
    checks: Checks | None = came.get("checks")
    if came.get("learned"):
        remember(client, checks and checks["put_back"])
    if quiet:
        return
    for problem in came.get("problems", []):
        aside.print(f"line {problem['line']}: {problem['message']}")
    if "learned_lessons" in came:
        print(f"{came['learned_lessons']} of {came['lessons']} lessons learned.")
        for refused in came["refused"]:
            aside.print(f"line {refused['line']}: {refused['reason']}")
    elif not came.get("learned", True):
        print(f"Nothing was learned: {came['reason']}.")
        return
    if came.get("words"):
        print(f"{came['words']['en']} Version {came['version']}, {came['lesson']}.")
    for sentence in in_words(checks):
        print(sentence)


def in_words(checks: Checks | None) -> list[str]:
    """What a lesson did beside what it taught."""
    if checks is None:
        return []
    asked, known = checks["kept"]
    said = [f"Of {asked} earlier lessons {known} {'is' if known == 1 else 'are'} still known."] if asked else []
    if checks["forgotten"]:
        said.append(f"Forgotten: {', '.join(checks['forgotten'])}.")
    said += [f"{near['question']} was answered {near['before']!r}, now {near['after']!r}." for near in checks["neighbours"]]
    if checks["put_back"]:
        said.append("`ouroboros put-back` teaches the old answers again.")
    return said


def set_name(name: str) -> str:
    """A file's name as the server takes names."""
    letters = "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "-" for c in name.lower())
    return letters.lstrip("._-")[:64] or "lessons"


def remember(client: Client, lessons: Mapping[str, Any] | None) -> None:
    """Keep what would put back the neighbours of the last lesson, for each server."""
    kept = memory()
    if lessons is None and client.url not in kept:
        return
    kept = {url: value for url, value in kept.items() if url != client.url} | ({client.url: lessons} if lessons else {})
    place = Path(typer.get_app_dir("ouroboros"))
    try:
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = place / "put_back.new"
        draft.write_text(json.dumps(kept), encoding="utf-8")
        draft.replace(place / "put_back.json")
    except OSError as error:  # the lesson is learned all the same
        aside.print(f"{place}: what `ouroboros put-back` would teach cannot be kept: {error.strerror}")


def remembered(client: Client) -> Any:
    """What is kept for this server, None where nothing is."""
    return memory().get(client.url)


def memory() -> dict[str, Any]:
    """What is kept, for all servers."""
    try:
        return dict(json.loads((Path(typer.get_app_dir("ouroboros")) / "put_back.json").read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return {}
