"""The neighbours of a lesson: near questions that the model makes itself, with what it answers them before the lesson."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass

from engine.greedy import Greedy
from engine.near_questions import NearQuestions, Question
from models.sample import Sample
from models.template import Template

QUESTIONS = 4  # of a lesson that asks several, those whose neighbours are sought
MOST_TOKENS = 512  # of a question with what was said before it; a longer one has none
ANSWER = 32  # tokens of an answer; a longer one is cut


@dataclass(frozen=True)
class Neighbour:
    """A near question and the tokens of its greedy answer, as far as it was written."""

    question: Question
    prompt: tuple[int, ...]
    answer: tuple[int, ...]

    @property
    def sample(self) -> Sample:
        """The answer as a thing to learn, or to be asked for."""
        return Sample((*self.prompt, *self.answer), (0.0,) * len(self.prompt) + (1.0,) * len(self.answer))


class Neighbours:
    """Looks for them before a lesson."""

    def __init__(self, greedy: Greedy, template: Template):
        self._greedy = greedy
        self._template = template
        self._near = NearQuestions(greedy, template)

    def of(self, source: dict, count: int, enough: Callable[[], bool] = lambda: False,
           others: Sequence[Neighbour] = ()) -> Generator[None, None, list[Neighbour]]:
        """At most `count` neighbours of what a body of /train asks, none where it is a text; fewer where it was `enough`, and none of
        the `others`.

        A near question that is answered word for word as the lesson's own is another wording of it, and no neighbour.
        """
        asked = [q for q in Question.of(source, self._template.roles)[:QUESTIONS] if len(self._prompt(q)) <= MOST_TOKENS]
        known = {question.text for question in asked} | {other.question.text for other in others}
        found: list[list[Neighbour]] = []
        for question in asked if count else ():
            near = yield from self._near.of(question, 2 * (count + len(others)), enough)
            questions = [question, *near]
            prompts = [self._prompt(one) for one in questions]
            written = yield from self._greedy.answers(prompts, ANSWER, enough)
            own, *near = [Neighbour(q, tuple(p), tuple(a)) for q, p, a in zip(questions, prompts, written, strict=True)]
            found.append([n for n in near if n.answer != own.answer and n.question.text not in known and self._greedy.text(n.answer)])
        return [n for rank in range(count) for near in found for n in near[rank : rank + 1]][:count]

    def _prompt(self, question: Question) -> list[int]:
        return self._template.prompt(question.messages)
