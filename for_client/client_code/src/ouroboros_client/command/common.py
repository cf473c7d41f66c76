"""What all commands share: the server they talk to, options, exit codes, and how things are shown."""

from __future__ import annotations

import contextlib
import json
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from enum import IntEnum
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from rich.console import Console
from rich.table import Table

from ouroboros_client.client import Client, Stream
from ouroboros_client.errors import OuroborosError

E = TypeVar("E")
T = TypeVar("T")
app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None, help=(
    "Ask a running RWKV-Ouroboros, correct it, teach it."))
WIDE = 1000
"""Columns of a table that no terminal shows."""

aside = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
"""For what is said about an answer: never among the answer itself, which goes to standard output."""


class Code(IntEnum):
    """Exit codes."""

    DONE = 0
    REFUSED = 1
    USAGE = 2
    NO_SERVER = 3
    NO_TOKEN = 4
    NOT_LEARNED = 5
    INTERRUPTED = 130


class Wrong(typer.BadParameter):
    """What was given cannot be used; one sentence."""


@app.callback()
def place(context: typer.Context,
          url: Annotated[str | None, typer.Option(envvar="OUROBOROS_URL", help="The server [http://127.0.0.1:3000].")] = None,
          token_file: Annotated[Path | None, typer.Option(help=(
              "The file that the server wrote its token to; absent: the token in OUROBOROS_TOKEN, or the file in OUROBOROS_TOKEN_FILE "
              "[data/token]."))] = None) -> None:
    """Ask a running RWKV-Ouroboros, correct it, teach it."""
    context.obj = lambda: Client(url, token_file=token_file)


def connect(context: typer.Context) -> Client:
    """The client, closed at the end of the command."""
    make: Callable[[], Client] = context.find_root().obj
    return context.with_resource(make())


def ask_server(names: Callable[[Client], Iterable[str]]) -> Callable[[str], list[str]]:
    """Completes what the server has names for; nothing where there is no server."""

    def complete(begun: str) -> list[str]:
        try:
            with Client(retries=0, timeout=2.0) as client:
                return [name for name in names(client) if name.startswith(begun)]
        except OuroborosError:
            return []

    return complete


sessions = ask_server(lambda client: [row["session"] for row in client.sessions()["sessions"]])
checkpoints = ask_server(lambda client: [row["name"] for row in client.checkpoints()["checkpoints"]])
lessons = ask_server(lambda client: [row["lesson"] for row in client.lessons()["lessons"]])

AsJson = Annotated[bool, typer.Option("--json", help="Print the server's answer as JSON.")]


def option_of(kind: type[Any]) -> Any:
    """The option -o NAME=VALUE for the options of a kind, with their names completed."""
    names = sorted(kind.__annotations__)
    said = f"One of the options in docs/api.md: {', '.join(names)}."
    return typer.Option("-o", "--option", metavar="NAME=VALUE", help=said, autocompletion=lambda: [f"{name}=" for name in names])


def chosen(kind: type[Any], given: list[str] | None) -> Any:
    """The options that were given; a value is JSON, or else a text. The server says what is wrong with one."""
    found: dict[str, Any] = {}
    for pair in given or []:
        name, equals, value = pair.partition("=")
        if not equals or name not in kind.__annotations__:
            raise Wrong(f"{pair!r} is no option, one is NAME=VALUE with a name of {', '.join(sorted(kind.__annotations__))}")
        try:
            found[name] = json.loads(value)
        except ValueError:
            found[name] = value
    return found


def piped() -> str:
    """What stands on standard input, "" where that is a terminal."""
    return "" if sys.stdin.isatty() else sys.stdin.buffer.read().decode("utf-8-sig", "replace")


def print_json(value: Mapping[str, Any]) -> None:
    """One line of JSON on standard output."""
    print(json.dumps(value, ensure_ascii=False), flush=True)


def print_table(*columns: str, rows: Iterable[Iterable[object]]) -> None:
    """A table on standard output; on a terminal the last column is cut where the line ends."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, no_wrap=True, min_width=0 if column == columns[-1] else None)
    for row in rows:
        table.add_row(*("" if cell is None else str(cell) for cell in row))
    wide = None if sys.stdout.isatty() else WIDE
    Console(highlight=False, markup=False, width=wide).print(table)


def follow(stream: Stream[E, T], show: Callable[[E], object] = lambda event: None) -> T:
    """Show what comes; returns the answer. Control-C asks the server to end it, and what there is of the answer still comes."""

    def end(*_: object) -> None:
        signal.signal(signal.SIGINT, before)  # a second one leaves at once
        threading.Thread(target=stop, daemon=True).start()  # a request, from where the reading of another one was interrupted

    def stop() -> None:
        with contextlib.suppress(OuroborosError):  # the reader is told
            stream.stop()

    before = signal.signal(signal.SIGINT, end)
    try:
        with stream:
            for event in stream:
                show(event)
            return stream.finish()
    finally:
        signal.signal(signal.SIGINT, before)


def code_of(error: OuroborosError) -> Code:
    """The exit code of a failure."""
    if error.status in (401, 403) or error.code == "no_token":
        return Code.NO_TOKEN
    if error.code == "bad_url":
        return Code.USAGE
    return Code.NO_SERVER if error.status is None else Code.REFUSED
