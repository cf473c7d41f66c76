"""The earlier lessons that are rehearsed: those in the weights, without what was retracted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from models.sample import Sample


class Earlier:
    """Samples in the order in which they were taught. A lesson that was retracted stays in the weights and comes up no more."""

    def __init__(self):
        self.samples: list[Sample] = []
        self.retracted: set[str] = set()
        self._lessons: list[str] = []

    def add(self, lesson: str, samples: Sequence[Sample]) -> None:
        """A lesson was learned."""
        taught = [sample for sample in samples if sample.teaches and lesson not in self.retracted]
        self.samples += taught
        self._lessons += [lesson] * len(taught)

    def retract(self, lesson: str) -> None:
        """Rehearse this lesson no more, here and on every other branch."""
        self.retracted.add(lesson)
        stay = [i for i, other in enumerate(self._lessons) if other != lesson]
        self.samples[:], self._lessons[:] = [self.samples[i] for i in stay], [self._lessons[i] for i in stay]

    def become(self, records: Iterable[dict]) -> None:
        """The weights are others now: the lessons in them are these records of the journal."""
        self.samples.clear()
        self._lessons.clear()
        for record in records:
            self.add(record["id"], [Sample.from_description(s) for s in record["samples"]])
