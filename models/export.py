"""Lessons written as files that other programs read, and that `models.dataset.read` reads again.

Every lesson is read back as soon as it is written. What has changed on the way is what the form cannot carry, and is told
by name; a lesson that would come back as none is left out, and that is told too.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from models.dataset import read
from models.lesson import Lesson
from models.message import Message
from models.org import NO_LOSS, WEIGHTS
from models.role import G1_ROLES, Roles
from models.role_alias import find_role
from models.scene import Scene
from models.text import SEPARATOR

_ORG_TAG = re.compile(r"[\w@#%]+")
_TO_QUOTE = re.compile(r"^([ \t]*)(,*(?:\*|#\+))", re.MULTILINE)
_ONE_LINE = re.compile(r"\w(?:[^\n:]{0,98}[^\n:\s])?")


@dataclass(frozen=True)
class Loss:
    """What was lost of one lesson."""

    lesson: int
    """Its number among those exported, from 1."""
    message: str


@dataclass(frozen=True)
class Exported:
    """A file of lessons."""

    content: bytes
    suffix: str
    """Of a name for the file: .jsonl, .org or .txt."""
    lessons: int
    """How many are in it."""
    losses: tuple[Loss, ...]


def export(lessons: Sequence[Lesson], form: str, roles: Roles = G1_ROLES) -> Exported:
    """Write lessons in one of FORMS, UTF-8 with "\\n" at line ends; ValueError, naming the forms, for any other."""
    if form not in _WRITERS:
        raise ValueError(f"form must be one of {', '.join(FORMS)}, not {form!r:.40}")
    write, suffix, begin, between = _WRITERS[form]
    blocks, losses = [], []
    begin = begin(roles)
    for number, lesson in enumerate(lessons, start=1):
        try:
            block = write(lesson, roles, len(blocks) + 1)
            lost = _lost(lesson, f"{begin}{block}", suffix, roles)
        except ValueError as error:
            losses.append(Loss(number, f"the lesson is left out: {error}"))
            continue
        blocks.append(block)
        if lost:
            losses.append(Loss(number, f"the form {form} does not carry {' and '.join(lost)}"))
    content = f"{begin}{between.join(blocks)}\n" if blocks else ""
    return Exported(content.encode(), suffix, len(blocks), tuple(losses))


def _lost(lesson: Lesson, content: str, suffix: str, roles: Roles) -> list[str]:
    """What is otherwise when the lesson is read back, in words; ValueError where it does not come back as one lesson."""
    dataset = read(content.encode(), f"lesson{suffix}", roles=roles)
    if len(dataset.lessons) != 1:
        why = dataset.problems[0].message if dataset.problems and not dataset.lessons else "it would be read as several"
        raise ValueError(why)
    return [what for what, value in _VIEWS.items() if value(lesson) != value(dataset.lessons[0])]


_VIEWS: dict[str, Callable[[Lesson], object]] = {
    "who says what": lambda lesson: [message.role for message in lesson.messages],
    "the exact text": lambda lesson: [message.text for message in lesson.messages] or (lesson.text, lesson.tokens),
    "the weights": lambda lesson: [0 if message.no_loss else message.weight for message in lesson.messages],
    "the rejected answer": lambda lesson: [message.rejected for message in lesson.messages if message.rejected is not None],
    "the options": lambda lesson: dict(lesson.options),
    "the tags": lambda lesson: set(lesson.tags),
    "what the conversation goes on from": lambda lesson: lesson.after,
}
"""A lesson in parts, each of which a form carries or not."""


# -- the forms of JSON: each writes a lesson as one record, or says why not


def _json(record: Callable[[Lesson, Roles], dict]) -> Callable[[Lesson, Roles, int], str]:
    return lambda lesson, roles, number: json.dumps(record(lesson, roles), ensure_ascii=False)


def _ours(lesson: Lesson, roles: Roles) -> dict:
    if not lesson.messages:
        return {"text": lesson.text} if lesson.text is not None else {"tokens": list(lesson.tokens)}
    messages = []
    for message in lesson.messages:
        more = {"weight": message.weight, "no_loss": message.no_loss, "rejected": message.rejected}
        usual = {"weight": 1.0, "no_loss": False, "rejected": None}
        messages.append({"role": message.role, "text": message.text} | {k: v for k, v in more.items() if v != usual[k]})
    more = {"options": dict(lesson.options), "tags": list(lesson.tags)}
    return {"messages": messages} | {key: value for key, value in more.items() if value}


def _openai(lesson: Lesson, roles: Roles) -> dict:
    return {"messages": [_spoken(message, roles) for message in _scene(lesson)]}


def _spoken(message: Message, roles: Roles) -> dict:
    weight = 0 if message.no_loss else message.weight
    return {"role": _role(message, roles, "user", "assistant"), "content": message.text} | ({} if weight == 1 else {"weight": weight})


def _sharegpt(lesson: Lesson, roles: Roles) -> dict:
    return {"conversations": [{"from": _role(m, roles, "human", "gpt"), "value": m.text} for m in _scene(lesson)]}


def _alpaca(lesson: Lesson, roles: Roles) -> dict:
    system, pairs = _pairs(lesson, roles)
    earlier, (question, answer) = pairs[:-1], pairs[-1]
    return {"instruction": question, "input": "", "output": answer} | system | ({"history": earlier} if earlier else {})


def _prompt(lesson: Lesson, roles: Roles) -> dict:
    try:
        system, pairs = _pairs(lesson, roles)
    except ValueError:
        pairs = []
    if len(pairs) == 1:
        return {"prompt": pairs[0][0], "completion": pairs[0][1]} | system
    *asked, answer = [_spoken(message, roles) for message in _scene(lesson)]
    return {"prompt": asked, "completion": [answer]}


def _text(lesson: Lesson, roles: Roles) -> dict:
    return {"text": _script(lesson, roles)}


def _scene(lesson: Lesson) -> Scene:
    if not lesson.messages:
        raise ValueError("this form holds conversations only")
    return lesson.messages


def _role(message: Message, roles: Roles, asking: str, answering: str) -> str:
    """The role in the words of the form, where those are read back as this role; else its own name."""
    for name, role in ((asking, roles.asking), (answering, roles.answering)):
        if message.role == role.name and find_role(roles, name) == role:
            return name
    return message.role


def _pairs(lesson: Lesson, roles: Roles) -> tuple[dict, list[list[str]]]:
    """The system text, if there is one, and questions with their answers; ValueError where they do not take turns."""
    scene, system = _scene(lesson), {}
    if scene[0].role == getattr(find_role(roles, "system"), "name", None):
        scene, system = Scene(scene[1:]), {"system": scene[0].text}
    turns, speakers = scene.turns(roles), [roles.asking.name, roles.answering.name]
    if any([message.role for message in turn] != speakers for turn in turns):
        raise ValueError(f"this form holds turns of {speakers[0]} and {speakers[1]}, one after the other")
    return system, [[asked.text, answer.text] for asked, answer in turns]


# -- the other forms


def _script(lesson: Lesson, roles: Roles) -> str:
    """A text as it is; a conversation with the names of the speakers before what they say."""
    if lesson.tokens is not None:
        raise ValueError("tokens are not text")
    if lesson.text is not None:
        return lesson.text
    openings = {name: role.prefix if isinstance(role.prefix, str) else f"{name.capitalize()}:" for name, role in roles.items()}
    return "\n\n".join(f"{openings[message.role]} {message.text}" for message in lesson.messages)


def _org(lesson: Lesson, roles: Roles, number: int) -> str:
    tags = [tag for tag in lesson.tags if _ORG_TAG.fullmatch(tag) and tag.lower() != NO_LOSS]
    lines = [_heading(1, f"Lesson {number}", tags)]
    if lesson.options:
        values = {name: str(value).lower() if isinstance(value, bool) else value for name, value in lesson.options.items()}
        lines += [":PROPERTIES:", *(f":{name}: {value}" for name, value in values.items()), ":END:"]
    letters = {weight: letter for letter, weight in WEIGHTS.items() if weight != 1}
    for message in _scene(lesson):
        letter = letters.get(message.weight)
        words = f"{message.role.upper()}{f' [#{letter}]' if letter else ''}"
        short = _ONE_LINE.fullmatch(message.text)
        lines.append(_heading(2, f"{words} {message.text}" if short else words, [NO_LOSS] if message.no_loss else []))
        if not short:
            lines.append(_TO_QUOTE.sub(r"\1,\2", message.text))
    return "\n".join(lines) + "\n"


def _heading(level: int, words: str, tags: Sequence[str]) -> str:
    return f"{'*' * level} {words}" + (f" :{':'.join(tags)}:" if tags else "")


def _keywords(roles: Roles) -> str:
    """The line that makes the roles keywords for Emacs; those that answer come after the bar, as what is done."""
    asking = " ".join(name.upper() for name, role in roles.items() if not role.answers)
    answering = " ".join(name.upper() for name, role in roles.items() if role.answers)
    return f"#+TODO: {asking} | {answering}\n\n"


_WRITERS: dict[str, tuple[Callable[[Lesson, Roles, int], str], str, Callable[[Roles], str], str]] = {
    **{
        form: (_json(record), ".jsonl", lambda roles: "", "\n")
        for form, record in {
            "messages": _ours, "openai": _openai, "sharegpt": _sharegpt, "alpaca": _alpaca, "prompt": _prompt, "text": _text,
        }.items()
    },
    "org": (_org, ".org", _keywords, "\n"),
    "plain": (lambda lesson, roles, number: _script(lesson, roles), ".txt", lambda roles: "", f"\n{SEPARATOR}\n"),
}
"""By form: what writes a lesson, the suffix of the file, how it begins, and what stands between two lessons."""

FORMS = tuple(_WRITERS)
"""messages is our own and carries everything but the tokens that a conversation goes on from."""
