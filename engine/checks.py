"""What a lesson did beside what it taught: earlier lessons asked again, and near questions before it and after it.

Nothing is asked aloud: an answer is known where each of its tokens is the likeliest one after those before it, which one forward
of all tells, and which is what greedy decoding would write. Whatever is drawn is drawn by the lesson's seed and by a generator of
its own, and nothing here moves a weight: a lesson is the same to the bit with and without.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Generator, Sequence

from engine.earlier import Earlier
from engine.greedy import ROWS, Greedy
from engine.neighbours import ANSWER, Neighbour, Neighbours


class Clock:
    """Seconds that may be spent, counted while it runs."""

    def __init__(self, seconds: float):
        self._left = seconds
        self._since: float | None = None

    def __enter__(self) -> Clock:
        self._since = time.perf_counter()
        return self

    def __exit__(self, *_) -> None:
        self._left -= time.perf_counter() - self._since

    def over(self) -> bool:
        """Whether they are spent."""
        return time.perf_counter() - self._since >= self._left


class Checks:
    """The checks of one lesson: `before` it, and `after` it was learned."""

    def __init__(self, greedy: Greedy, neighbours: Neighbours, bounds):
        """`bounds`: the section [checks]."""
        self._greedy = greedy
        self._neighbours = neighbours
        self._bounds = bounds
        self._clock = Clock(bounds.seconds)
        self.near: list[Neighbour] = []

    def before(self, source: dict, held: Sequence[Neighbour], gone: Callable[[], bool]) -> Generator[None, None, Checks]:
        """Ask near questions, others than those that the lesson holds; stop where nobody waits any more (`gone`). Returns itself."""
        with self._clock as clock:
            self.near = yield from self._neighbours.of(source, self._bounds.neighbours, lambda: clock.over() or gone(), held)
        return self

    def after(self, earlier: Earlier, lesson: str, seed: int) -> Generator[None, None, dict]:
        """The field `checks` of the answer: a sample of the lessons in `earlier`, but for this one, and the neighbours that changed."""
        with self._clock:
            changed = yield from self._changed()
            kept = yield from self._kept(earlier, lesson, seed)
        return {**kept, "neighbours": [{"question": n.question.text, "before": self._greedy.text(n.answer), "after": after}
                                       for n, after in changed],
                "put_back": {"lessons": [self._old(n) for n, _ in changed]} if changed else None}

    def _changed(self) -> Generator[None, None, list[tuple[Neighbour, str]]]:
        """The neighbours that are answered otherwise now, each with the answer; as far as the old answer was written."""
        if not self.near:
            return []
        same = self._greedy.says([n.sample for n in self.near])
        yield
        others = [n for n, stayed in zip(self.near, same, strict=True) if not stayed]
        # Not cut short by the clock: the answers have a bound of their own, and half of one would be no answer.
        now = yield from self._greedy.answers([n.prompt for n in others], ANSWER)
        texts = [self._greedy.text(answer) for answer in now]
        return [(n, text) for n, text in zip(others, texts, strict=True) if text != self._greedy.text(n.answer)]

    def _kept(self, earlier: Earlier, lesson: str, seed: int) -> Generator[None, None, dict]:
        """How many earlier lessons were asked again, how many of them are known, and the ids of those that are not."""
        drawn = earlier.asked(random.Random(f"{seed}:checks"), self._bounds.earlier, lesson)
        drawn.sort(key=lambda one: len(one[1].tokens))  # alike in length side by side
        asked, forgotten = 0, []
        for first in range(0, len(drawn), ROWS):
            if self._clock.over():
                break
            rows = drawn[first : first + ROWS]
            said = self._greedy.says([sample for _, sample in rows])
            asked += len(rows)
            forgotten += [id for (id, _), known in zip(rows, said, strict=True) if not known]
            yield
        return {"kept": [asked, asked - len(forgotten)], "forgotten": sorted(set(forgotten))}

    def _old(self, neighbour: Neighbour) -> dict:
        """The old answer as a lesson; what was said before it is read."""
        said = [{"role": m.role, "text": m.text, "no_loss": True} for m in neighbour.question.messages]
        return {"messages": [*said, {"role": self._greedy.role, "text": self._greedy.text(neighbour.answer)}]}
