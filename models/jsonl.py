"""Lessons from JSON: one record a line, or one array of records; the forms of other people's files are understood.

    messages        {"messages": [{"role", "text", "weight"?, "no_loss"?, "rejected"?}], "options"?, "tags"?}      ours
    openai          {"messages": [{"role", "content", "weight"?}]}
    sharegpt        {"conversations": [{"from", "value"}], "system"?}
    alpaca          {"instruction", "input"?, "output", "system"?, "history"?: [[question, answer]]}
    prompt          {"prompt", "completion", "system"?}; of lists of messages too, where only the completion is learned
    text            {"text"}
    tokens          {"tokens": [token id]}                                                                      ours
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace

from models.lesson import Lesson
from models.lesson_options import read_option
from models.message import Message
from models.problem import Problem
from models.role import Roles
from models.role_alias import find_role


def read_jsonl(text: str, name: str, roles: Roles) -> tuple[list[Lesson], list[Problem], str]:
    """The lessons of a JSON file in order, what could not be read by line, and the names of the forms found.

    A record that cannot be used is left out; the others load.
    """
    lessons: list[Lesson] = []
    problems: list[Problem] = []
    forms: dict[str, None] = {}
    for line, parsed in _records(text):
        try:
            if isinstance(parsed, ValueError):
                raise parsed
            form = form_of(parsed)
            lesson = Lesson(**READERS[form](parsed, roles), source=name, line=line)
            if fault := lesson.fault(roles):
                raise ValueError(f"the record is left out: {fault}")
        except ValueError as error:
            problems.append(Problem(line, str(error)))
            continue
        forms[form] = None
        lessons.append(lesson)
    return lessons, problems, ", ".join(forms)


def form_of(record: object) -> str:
    """The name of a record's form, by its keys; ValueError, naming the forms, for any other."""
    if isinstance(record, dict):
        if isinstance(record.get("messages"), list):
            ours = any(isinstance(entry, dict) and "text" in entry for entry in record["messages"])
            return "messages" if ours else "openai"
        if isinstance(record.get("conversations"), list):
            return "sharegpt"
        for form, keys in _FORMS_BY_KEYS.items():
            if record.keys() >= keys:
                return form
    raise ValueError(f"the record is of no known form; the forms are {', '.join(READERS)}")


_FORMS_BY_KEYS = {"alpaca": {"instruction", "output"}, "prompt": {"prompt", "completion"}, "text": {"text"}, "tokens": {"tokens"}}


def _records(text: str) -> Iterator[tuple[int, object]]:
    """Every record with its line, a ValueError in place of one that is not JSON."""
    if text.lstrip().startswith("["):
        yield from _array(text)
        return
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            try:
                record, end = _decode(line, _skip_blanks(line, 0))
                if line[end:].strip():
                    raise ValueError("not JSON: something follows the record")
            except ValueError as error:
                record = error
            yield number, record


def _array(text: str) -> Iterator[tuple[int, object]]:
    """The records of one array, up to the first that is not JSON."""
    at, line, counted = text.index("[") + 1, 1, 0
    try:
        while True:
            at = _skip_blanks(text, at)
            line, counted = line + text.count("\n", counted, at), at
            if text[at : at + 1] == "]":
                if text[at + 1 :].strip():
                    raise ValueError("not JSON: something follows the end of the array")
                return
            record, at = _decode(text, at)
            yield line, record
            at = _skip_blanks(text, at)
            if text[at : at + 1] == ",":
                at += 1
            elif text[at : at + 1] != "]":
                raise ValueError("not JSON: a comma or the end of the array is missing; what follows is left out")
    except ValueError as error:
        yield line, error


def _skip_blanks(text: str, at: int) -> int:
    while text[at : at + 1] in (" ", "\t", "\r", "\n"):
        at += 1
    return at


def _refuse_constant(constant: str) -> None:
    raise ValueError(f"not JSON: {constant} is not a number")


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)


def _decode(text: str, at: int) -> tuple[object, int]:
    try:
        return _DECODER.raw_decode(text, at)
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON: {error.msg}") from None
    except RecursionError:
        raise ValueError("not JSON that can be read: brackets inside brackets too deep") from None


# -- the forms: each reads a record into the fields of a Lesson


def _read_messages(record: dict, roles: Roles) -> dict:
    options, tags = record.get("options", {}), record.get("tags", [])
    if not isinstance(options, dict):
        raise ValueError("options must be an object")
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        raise ValueError("tags must be a list of words")
    given = dict(read_option(option, value) for option, value in options.items() if value is not None)
    return {"messages": _messages(record["messages"], roles), "options": given, "tags": tuple(tags)}


def _read_openai(record: dict, roles: Roles) -> dict:
    return {"messages": _messages(record["messages"], roles)}


def _read_sharegpt(record: dict, roles: Roles) -> dict:
    return {"messages": (*_system(record, roles), *_messages(record["conversations"], roles))}


def _read_alpaca(record: dict, roles: Roles) -> dict:
    history = record.get("history") or []
    if not isinstance(history, list) or not all(isinstance(pair, list) and len(pair) == 2 for pair in history):
        raise ValueError("history must be a list of pairs [question, answer]")
    question = "\n".join(part for part in (record["instruction"], record.get("input")) if _is_text(part, "instruction and input"))
    return {"messages": (*_system(record, roles), *_exchanges([*history, [question, record["output"]]], roles))}


def _read_prompt(record: dict, roles: Roles) -> dict:
    pair = [record["prompt"], record["completion"]]
    if all(isinstance(part, list) for part in pair):
        asked, answered = (_messages(part, roles) for part in pair)
        return {"messages": (*(replace(m, no_loss=True) if roles[m.role].answers else m for m in asked), *answered)}
    return {"messages": (*_system(record, roles), *_exchanges([pair], roles))}


def _read_text(record: dict, roles: Roles) -> dict:
    if not _is_text(record["text"], "text"):
        raise ValueError("the text is empty")
    return {"text": record["text"]}


def _read_tokens(record: dict, roles: Roles) -> dict:
    tokens = record["tokens"]
    if not isinstance(tokens, list) or not tokens or not all(type(token) is int and token >= 0 for token in tokens):
        raise ValueError("tokens must be a list of token ids, whole numbers from 0")
    return {"tokens": tuple(tokens)}


READERS: dict[str, Callable[[dict, Roles], dict]] = {
    "messages": _read_messages,
    "openai": _read_openai,
    "sharegpt": _read_sharegpt,
    "alpaca": _read_alpaca,
    "prompt": _read_prompt,
    "text": _read_text,
    "tokens": _read_tokens,
}


def _messages(entries: list, roles: Roles) -> tuple[Message, ...]:
    """Messages under any of the three pairs of keys: role and text, role and content, from and value."""
    if not entries:
        raise ValueError("the record has no message")
    return tuple(_message(number, entry, roles) for number, entry in enumerate(entries, start=1))


def _message(number: int, entry: object, roles: Roles) -> Message:
    if not isinstance(entry, dict):
        raise ValueError(f"message {number} must be an object")
    name = entry.get("role", entry.get("from"))
    text = _joined(next((entry[key] for key in ("text", "content", "value") if key in entry), None))
    if text is None:
        raise ValueError(f"message {number} has no text")
    role = find_role(roles, name) if isinstance(name, str) else None
    if role is None:
        raise ValueError(f"message {number} has the role {name!r:.40}; the roles are {', '.join(roles)}")
    try:
        return Message(role.name, text, weight=entry.get("weight", 1.0), no_loss=entry.get("no_loss", False),
                       rejected=entry.get("rejected"))
    except ValueError as error:
        raise ValueError(f"message {number}: {error}") from None


def _joined(content: object) -> object:
    """OpenAI's list of parts as one text; None where a part is not text, such as an image."""
    if not isinstance(content, list):
        return content
    parts = [part.get("text") if isinstance(part, dict) else None for part in content]
    return "\n".join(parts) if all(isinstance(part, str) for part in parts) else None


def _system(record: dict, roles: Roles) -> list[Message]:
    """The record's "system" as its first message, where there is one."""
    if not _is_text(record.get("system"), "system"):
        return []
    role = find_role(roles, "system")
    if role is None:
        raise ValueError(f"the record has a system text; the roles are {', '.join(roles)}")
    return [Message(role.name, record["system"])]


def _exchanges(pairs: list, roles: Roles) -> list[Message]:
    """Questions and answers in turn."""
    speakers = (roles.asking, roles.answering)
    return [Message(role.name, text) for pair in pairs for role, text in zip(speakers, pair, strict=True)]


def _is_text(value: object, what: str) -> bool:
    """Whether there is a text: False for none or blanks; ValueError where it is something else."""
    if value is not None and not isinstance(value, str):
        raise ValueError(f"{what} must be a text, not {value!r:.40}")
    return bool(value and value.strip())
