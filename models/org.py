"""Lessons from an org file: a level-1 heading opens a lesson, headings with a role as keyword are its messages.

    * Cats                                   a title; with a role as keyword it is the first message itself
    :PROPERTIES:
    :until_loss: 0.3                         an option of the lesson's training
    :END:
    ** USER What is my cat called?
    ** ASSISTANT [#B] Your cat is called Wanda.      priority A, B, C: weight 1.0, 0.8, 0.6

A message's text is what stands under its heading; where nothing does, the heading's own words. `:no_loss:` keeps a
message from training; on a title it does so for the whole lesson, as a priority does. All other tags are the lesson's.
`#+PROPERTY: name value` sets an option for every lesson of the file, `#+FILETAGS:` a tag. docs/data.md has all of it.
"""

from __future__ import annotations

from collections.abc import Callable

from models.lesson import Lesson
from models.lesson_options import read_option
from models.message import Message
from models.org_outline import Heading, Outline, Setting, read_outline
from models.problem import Problem
from models.role import Roles
from models.role_alias import find_role

WEIGHTS = {"A": 1.0, "B": 0.8, "C": 0.6}
NO_LOSS = "no_loss"
OURS = "ouroboros_"
"""What the properties begin with, in any case, that models.org_writer puts under a lesson that was learned."""
_BOOKKEEPING = {"id", "custom_id", "category", "created", "visibility"}
"""Properties that Emacs writes for itself."""


def read_org(text: str, name: str, roles: Roles) -> tuple[list[Lesson], list[Problem]]:
    """The lessons of an org file in order, and what could not be read, by line.

    A lesson with a message that cannot be used is left out; a setting that cannot be used is left out of its lesson.
    """
    outline = read_outline(text, _keyword_rule(roles))
    reader = _OrgReader(name, roles, outline)
    group: list[Heading] = []
    for heading in outline.headings:
        if heading.level == 1 and group:
            reader.read_lesson(group)
            group = []
        group.append(heading)
    if group:
        reader.read_lesson(group)
    return reader.lessons, sorted(reader.problems, key=lambda problem: problem.line)


def _keyword_rule(roles: Roles) -> Callable[[str, int, bool, frozenset[str]], bool]:
    """A keyword is one that the file declares, or a role's name in any case. On level 1, where titles stand, a role's name
    with a capital ("System requirements") is the beginning of a title unless it stands alone."""
    names = {name.casefold() for name in roles}

    def is_keyword(word: str, level: int, alone: bool, declared: frozenset[str]) -> bool:
        if word in declared:
            return True
        return word.casefold() in names and (level > 1 or alone or word in (word.lower(), word.upper()))

    return is_keyword


class _OrgReader:
    """Collects the lessons and problems of one file."""

    def __init__(self, name: str, roles: Roles, outline: Outline):
        self.lessons: list[Lesson] = []
        self.problems: list[Problem] = []
        self._name = name
        self._roles = roles
        self._label_seen = False
        self._file_tags = [tag for s in outline.settings if s.name == "filetags" for tag in s.value.split(":")]
        pairs = [(s.line, *s.value.partition(" ")[::2]) for s in outline.settings if s.name == "property"]
        self._file_options = self._options([Setting(line, option, value.strip()) for line, option, value in pairs])
        if outline.stray_line:
            self._note(outline.stray_line, "text before the first heading belongs to no lesson")

    def read_lesson(self, headings: list[Heading]) -> None:
        """Read the headings of one lesson: the first is its title, unless it is a message itself."""
        first = headings[0]
        title = None if first.keyword else first
        tags = [*self._file_tags, *(tag for heading in headings for tag in heading.tags)]
        tags = tuple(dict.fromkeys(tag.strip() for tag in tags if tag.strip() and not _is_no_loss(tag)))
        skipped = any(tag.lower() == "skip" for tag in tags)
        weight = (self._weight(title) if title else None) or 1.0
        no_loss = title is not None and any(map(_is_no_loss, title.tags))
        read = [self._message(heading, weight, no_loss) for heading in headings if heading is not title]
        faults = [*self._title_faults(title, read), *(each for each in read if isinstance(each, Problem))]
        if faults and skipped:
            return  # a section for a person's notes
        options = self._file_options | self._options([each for heading in headings for each in heading.properties])
        if not faults:
            lesson = Lesson(tuple(read), options=options, tags=tags, source=self._name, line=first.line)
            fault = lesson.fault(self._roles)
            if fault is None:
                self.lessons.append(lesson)
                return
            faults.append(Problem(first.line, f"the lesson is left out: {fault}"))
        self.problems += faults

    def _title_faults(self, title: Heading | None, read: list[Message | Problem]) -> list[Problem]:
        if title is None:
            return []
        faults = []
        if title.level > 1:
            faults.append(Problem(title.line, "a lesson begins with a heading of one star"))
        if title.open_drawer:
            faults.append(_open_drawer(title))
        elif title.body:
            faults.append(Problem(title.line, f"the text under {_short(title.words)} has no role: a title has none"))
        elif not read:
            faults.append(Problem(title.line, f"{_short(title.words)} has no message under it"))
        return faults

    def _message(self, heading: Heading, weight: float, no_loss: bool) -> Message | Problem:
        """The message of a heading, or why there is none. `weight` and `no_loss` are the lesson's."""
        role = find_role(self._roles, heading.keyword) if heading.keyword else None
        if role is None:
            word = heading.keyword or heading.words.partition(" ")[0]
            known = ", ".join(name.upper() for name in self._roles)
            return Problem(heading.line, f"{_short(word)} is not a role: a message begins with one of {known}")
        if heading.open_drawer:
            return _open_drawer(heading)
        text = heading.body or heading.words
        if not text.strip():
            return Problem(heading.line, f"the message of {heading.keyword} is empty")
        if heading.body and heading.words and not self._label_seen:
            self._label_seen = True
            rule = "where text stands under a heading, that alone is the message (said once a file)"
            self._note(heading.line, f"{_short(heading.words)} is taken as a label: {rule}")
        own = self._weight(heading)
        no_loss = no_loss or any(map(_is_no_loss, heading.tags))
        try:
            return Message(role.name, text, weight=weight if own is None else own, no_loss=no_loss)
        except ValueError as error:
            return Problem(heading.line, str(error))

    def _weight(self, heading: Heading) -> float | None:
        if heading.priority and heading.priority not in WEIGHTS:
            known = ", ".join(f"{letter} ({weight:g})" for letter, weight in WEIGHTS.items())
            self._note(heading.line, f"the priority {heading.priority} has no weight and is left out; there are {known}")
        return WEIGHTS.get(heading.priority)

    def _options(self, settings: list[Setting]) -> dict[str, object]:
        options: dict[str, object] = {}
        for setting in settings:
            if setting.name.lower() in _BOOKKEEPING or setting.name.lower().startswith(OURS):
                continue
            try:
                option, value = read_option(setting.name, setting.value)
            except ValueError as error:
                self._note(setting.line, f"{error}; the property is left out")
                continue
            if options.setdefault(option, value) != value:
                self._note(setting.line, f"{option} was set to {options[option]!r} before; that stays")
        return options

    def _note(self, line: int, message: str) -> None:
        self.problems.append(Problem(line, message))


def _is_no_loss(tag: str) -> bool:
    return tag.strip().lower() == NO_LOSS


def _open_drawer(heading: Heading) -> Problem:
    return Problem(heading.open_drawer, "the drawer has no :END:, so its lesson is left out")


def _short(text: str) -> str:
    """Words of a user, quoted, as one sentence can hold them."""
    return repr(text if len(text) <= 40 else f"{text[:39]}…")
