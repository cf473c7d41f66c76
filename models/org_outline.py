"""The outline of an org file: its headings in order, each with what stands under it.

Read here rather than by orgparse, which loses text that a person wrote and takes a time cubic in the length of a heading
(docs/adr/0006). For ordinary headings both read the same, which the tests hold it to.
"""

from __future__ import annotations

import itertools
import re
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

_STARS = re.compile(r"(\*+)[ \t]+(.*)")
_TAGS = re.compile(r":[\w@#%]+(?::[\w@#%]+)*:")
_PRIORITY = re.compile(r"\[#([A-Z0-9])\][ \t]*")
_SETTING = re.compile(r"#\+(\w+):[ \t]*(.*)")
_PROPERTY = re.compile(r":([^\s:]+):(?:[ \t]+(.*))?")
_PLANNING = re.compile(r"(?:SCHEDULED|DEADLINE|CLOSED):[ \t]*[<\[]")
_COMMENT = re.compile(r"\s*#(?:[ \t]|$|\+\w+:)")
_QUOTED = re.compile(r"^([ \t]*),(,*(?:\*|#\+))", re.MULTILINE)


@dataclass(frozen=True)
class Setting:
    """A name with a value: `#+NAME: value` in the file, or `:NAME: value` in a heading's drawer."""

    line: int
    name: str
    value: str


@dataclass(frozen=True)
class Heading:
    """One heading and the text under it, up to the next heading."""

    line: int
    level: int
    """The number of its stars."""
    keyword: str | None
    """Its first word, where that is a keyword."""
    priority: str | None
    words: str
    """The heading without stars, keyword, priority and tags."""
    tags: tuple[str, ...]
    properties: tuple[Setting, ...]
    body: str
    """The text under it: no drawers at its top, no comment lines at its end, no common indent, org's commas undone."""
    open_drawer: int | None
    """The line of a drawer that is never closed, which then is part of the body."""
    properties_at: int
    """The line that a new property is to stand before: its drawer's :END:, or the one where its drawer would open."""
    has_drawer: bool
    """Whether it has a drawer of properties."""


@dataclass(frozen=True)
class Outline:
    """A file's headings, its `#+` settings, and the first line of text before any heading."""

    headings: tuple[Heading, ...]
    settings: tuple[Setting, ...]
    stray_line: int | None


def read_outline(text: str, is_keyword: Callable[[str, int, bool, frozenset[str]], bool]) -> Outline:
    """Read an org file's text; line ends may be CRLF.

    `is_keyword(word, level, alone, declared)` says whether a heading's first word is its keyword: `alone` where nothing
    but priority and tags follows it, `declared` the keywords of the file's own `#+todo:` lines as they are spelt there.
    """
    lines = text.replace("\r\n", "\n").split("\n")
    starts = [number for number, line in enumerate(lines) if _STARS.match(line)]
    settings = tuple(
        Setting(number, found[1].lower(), found[2].strip())
        for number, line in enumerate(lines, start=1)
        if (found := _SETTING.match(line))
    )
    declared = _declared(settings)
    headings = [
        _heading(start, lines[start:end], lambda word, level, alone: is_keyword(word, level, alone, declared))
        for start, end in itertools.pairwise([*starts, len(lines)])
    ]
    before = lines[: starts[0]] if starts else lines
    stray = next((n for n, line in enumerate(before, start=1) if line.strip() and not _COMMENT.match(line)), None)
    return Outline(tuple(headings), settings, stray)


def _declared(settings: tuple[Setting, ...]) -> frozenset[str]:
    """The keywords of `#+todo: ASK | ANSWER(a)` and its two other names; the letter in brackets is Emacs's shortcut."""
    values = [setting.value for setting in settings if setting.name in ("todo", "seq_todo", "typ_todo")]
    return frozenset(word.partition("(")[0] for value in values for word in value.replace("|", " ").split())


def _heading(start: int, lines: list[str], is_keyword: Callable[[str, int, bool], bool]) -> Heading:
    stars, words = _STARS.match(lines[0]).groups()
    words, tags = _split_tags(words.strip())
    first, rest = (*words.split(maxsplit=1), "", "")[:2]
    keyword = first if first and is_keyword(first, len(stars), not _PRIORITY.sub("", rest, count=1)) else None
    words = rest if keyword else words
    priority = _PRIORITY.match(words)
    drawers = _drawers(start, lines)
    return Heading(
        line=start + 1,
        level=len(stars),
        keyword=keyword,
        priority=priority and priority[1],
        words=words[priority.end() :] if priority else words,
        tags=tags,
        properties=drawers.properties,
        body=_body(lines[drawers.top :]),
        open_drawer=drawers.open_line,
        properties_at=drawers.properties_at,
        has_drawer=drawers.found,
    )


def _split_tags(words: str) -> tuple[str, tuple[str, ...]]:
    """`words :a:b:` → (`words`, (a, b)). As in Emacs, a blank must stand before: "a ratio of 3:4:" has no tags."""
    parts = words.rsplit(maxsplit=1)
    if not parts or not _TAGS.fullmatch(parts[-1]):
        return words, ()
    return (parts[0] if len(parts) == 2 else ""), tuple(parts[-1].strip(":").split(":"))


class _Drawers(NamedTuple):
    """What stands between a heading and its text; `top` is the index of the first line of the text, all else are lines."""

    properties: tuple[Setting, ...]
    top: int
    open_line: int | None
    properties_at: int
    found: bool


def _drawers(start: int, lines: list[str]) -> _Drawers:
    """Read the planning lines and the drawers right under a heading."""
    properties: list[Setting] = []
    closing = None
    planned = next((n for n in range(1, len(lines)) if not _PLANNING.match(lines[n].strip())), len(lines))
    top = planned
    while top < len(lines):
        line = lines[top].strip()
        if _PLANNING.match(line):
            top += 1
        elif line.upper() in (":PROPERTIES:", ":LOGBOOK:"):
            end = next((n for n in range(top, len(lines)) if lines[n].strip().upper() == ":END:"), None)
            if end is None:
                return _Drawers((), top, start + top + 1, start + planned + 1, False)
            if line.upper() == ":PROPERTIES:":
                closing = end if closing is None else closing
                for number in range(top + 1, end):
                    found = _PROPERTY.fullmatch(lines[number].strip())
                    name, value = (found[1], found[2] or "") if found else (lines[number].strip(), "")
                    properties += [Setting(start + number + 1, name, value.strip())] if name else []
            top = end + 1
        else:
            break
    return _Drawers(tuple(properties), top, None, start + 1 + (planned if closing is None else closing), closing is not None)


def _body(lines: list[str]) -> str:
    end = len(lines)
    # Comments between two headings belong to neither message; one that is followed by text may be its "# Title".
    while end and (not lines[end - 1].strip() or _COMMENT.match(lines[end - 1])):
        end -= 1
    body = textwrap.dedent("\n".join(lines[:end])).strip("\n")
    return _QUOTED.sub(r"\1\2", body)
