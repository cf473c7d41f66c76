"""Questions that anybody may ask, with what the model answered them when near questions were first held; some are held beside each lesson.

A lesson teaches "What is my cat called?" at one place and, unless something says otherwise, at every other. The model's own near
questions say otherwise for that one form; these do for many forms, and their answers are of the time before they could be spoiled.
"""

from __future__ import annotations

import json
import logging
import random
import re
from collections import Counter
from collections.abc import Generator, Sequence
from pathlib import Path

from engine.atomic import remove_unfinished, write_file
from engine.greedy import Greedy
from engine.journal import Journal
from engine.near_questions import Question
from engine.neighbours import ANSWER, Neighbour
from models.message import Message
from models.template import Template

log = logging.getLogger("ouroboros.near")
FILE = Path(__file__).with_name("common_questions.txt")
AT_ONCE = 64  # asked side by side
COMMON = 6  # a word of more questions than this belongs to their form, one of fewer says what is asked about
WORD = re.compile(r"\w+")


class CommonQuestions:
    """Asked once in a data folder, when they are first wanted; `file` keeps the answers."""

    def __init__(self, file: Path, template: Template, journal: Journal):
        """`journal` tells which model it is: a file of answers of another one is written anew."""
        self._file = file
        self._journal = journal
        remove_unfinished(file.parent)
        self._template = template
        self._texts = FILE.read_text(encoding="utf-8").splitlines()
        counts = Counter(word for text in self._texts for word in words(text))
        self._about = {text: {word for word in words(text) if counts[word] <= COMMON} for text in self._texts}
        self._known: dict[str, Neighbour] | None = None

    def beside(self, asked: Sequence[Question], taught: Sequence[str], count: int, seed: int, greedy: Greedy
               ) -> Generator[None, None, list[Neighbour]]:
        """`count` of them for a lesson that asks this: one half nearest by words, the rest drawn by its seed; none about anything that is
        named in what was `taught`. [] where a lesson asks nothing."""
        if not asked or not count:
            return []
        if self._known is None:
            self._known = yield from self._answered(greedy)
        named = words(" ".join((*taught, *(question.text for question in asked))))
        free = [text for text in self._known if not self._about[text] & named and text not in taught]
        random.Random(f"{seed}:common").shuffle(free)
        mine = words(" ".join(question.text for question in asked))
        nearest = sorted(free, key=lambda text: -len(words(text) & mine) / len(words(text) | mine))[: -(-count // 2)]
        rest = [text for text in free if text not in nearest]
        return [self._known[text] for text in (nearest + rest)[:count]]

    def _answered(self, greedy: Greedy) -> Generator[None, None, dict[str, Neighbour]]:
        """Every question that has an answer which comes to an end."""
        key = {"model": self._journal.records[0]["digest"], "questions": self._texts}
        if self._file.exists():
            kept = json.loads(self._file.read_text(encoding="utf-8"))
            if kept["key"] == key:
                return {text: self._neighbour(text, answer) for text, answer in kept["answers"].items()}
        found = {}
        for first in range(0, len(self._texts), AT_ONCE):
            texts = self._texts[first : first + AT_ONCE]
            prompts = [self._neighbour(text, ()).prompt for text in texts]
            answers = yield from greedy.answers(prompts, ANSWER)
            found |= {text: answer for text, answer in zip(texts, answers, strict=True) if len(answer) < ANSWER and greedy.text(answer)}
        try:
            write_file(self._file, json.dumps({"key": key, "answers": found}).encode())
        except OSError as error:
            log.warning("%s is not kept, and will be asked for again at the next start: %s", self._file.name, error.strerror)
        return {text: self._neighbour(text, answer) for text, answer in found.items()}

    def _neighbour(self, text: str, answer: Sequence[int]) -> Neighbour:
        question = Question((Message(self._template.roles.asking.name, text),))
        return Neighbour(question, tuple(self._template.prompt(question.messages)), tuple(answer))


def words(text: str) -> set[str]:
    """The words of a text, in small letters."""
    return set(WORD.findall(text.lower()))
