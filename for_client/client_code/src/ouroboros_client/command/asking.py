"""ask and chat."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from ouroboros_client.client import Client
from ouroboros_client.command import org
from ouroboros_client.command.common import AsJson, Code, Wrong, app, aside, chosen, connect, follow, option_of, piped, print_json, sessions
from ouroboros_client.command.teaching import learn, report
from ouroboros_client.errors import OuroborosError
from ouroboros_client.options import InferOptions, Message

Session = Annotated[str | None, typer.Option("--session", "-s", help="Go on with this conversation, and keep it.", autocompletion=sessions)]
Option = Annotated[list[str] | None, option_of(InferOptions)]


@app.command()
def ask(context: typer.Context,
        prompt: Annotated[str | None, typer.Argument(help="What to ask; absent: standard input.")] = None,
        session: Session = None,
        system: Annotated[str | None, typer.Option(help="What a system message says before it.")] = None,
        as_of: Annotated[str | None, typer.Option(help="Ask the weights of a version (17) or a time.")] = None,
        option: Option = None, as_json: AsJson = False) -> None:
    """Ask, and print the answer as it comes.

    Standard input may be an org region whose headings have roles as keywords (USER, ASSISTANT): its last conversation is asked, and the
    answer comes as the next heading. With PROMPT, standard input is what the prompt is about, and stands after it.
    """
    given = piped() if prompt is None or not sys.stdin.isatty() else ""
    talk = org.read(given) if prompt is None else None
    if talk:
        messages = talk.messages
        if messages[-1]["role"] == "assistant":
            raise Wrong("the last heading is an answer, so that nothing is asked")
    else:
        text = "\n\n".join(part for part in (prompt, given.strip()) if part)
        if not text:
            raise Wrong("nothing is asked: give a prompt, or pipe one in")
        messages = [{"role": "user", "text": text}]
    if system:
        messages = [{"role": "system", "text": system}, *messages]
    client = connect(context)
    stream = client.infer_stream(messages, session=session, as_of=as_of, **chosen(InferOptions, option))
    if as_json:
        answer = follow(stream)
        print_json(answer)
    elif talk:
        answer = follow(stream)
        print(f"{talk.stars} ASSISTANT")
        print("\n".join(map(org.escape, answer["text"].split("\n"))))
    else:
        answer = follow(stream, write)
        print()
    if answer["finish_reason"] == "cancelled":
        raise typer.Exit(Code.INTERRUPTED)


@app.command()
def chat(context: typer.Context, session: Session = None, option: Option = None) -> None:
    """Talk, a line each. /correct TEXT teaches what the last answer should have been, /again answers anew, /quit ends.

    Control-C ends an answer, and at the prompt the chat. Without --session nothing is kept, and nothing can be corrected.
    """
    client, how = connect(context), chosen(InferOptions, option)
    messages: list[Message] = []
    while (line := prompted()) is not None:
        word, _, rest = line.strip().partition(" ")
        try:
            if word == "/quit":
                break
            if word in ("/correct", "/again"):
                told(client, session, word, rest, how)
            elif line.strip():
                asked: list[Message] = [{"role": "user", "text": line}]
                stream = client.infer_stream(asked if session else [*messages, *asked], session=session, **how)
                messages += [*asked, {"role": "assistant", "text": follow(stream, write)["text"]}]
                print()
        except OuroborosError as error:
            if error.status is None or error.status in (401, 403):
                raise
            aside.print(str(error))


def told(client: Client, session: str | None, word: str, text: str, how: Any) -> None:
    """A command of the chat about its last turn."""
    if session is None:
        aside.print(f"{word} needs a conversation that is kept: start with --session NAME")
        return
    turn = len(client.session(session)["turns"])
    if word == "/again":
        follow(client.regenerate_stream(session, turn, **how), write)
        print()
    elif text:
        report(client, learn(client.correct_stream(session, turn, text)))
    else:
        aside.print("/correct needs what the answer should have been")


def prompted() -> str | None:
    """The next line, None at the end."""
    try:
        return input("> " if sys.stdin.isatty() else "")
    except EOFError:
        return None


def write(piece: str) -> None:
    """A piece of an answer."""
    sys.stdout.write(piece)
    sys.stdout.flush()

