"""The earlier lessons that are rehearsed: those in the weights, without what was retracted."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence

from models.sample import Sample


class Earlier:
    """Samples in the order in which they were taught. A lesson that was retracted stays in the weights and comes up no more."""

    def __init__(self):
        self.samples: list[Sample] = []
        self.held: list[Sample] = []
        """Old answers to near questions that those lessons held."""
        self.retracted: set[str] = set()
        self._lessons: list[str] = []
        self._holders: list[str] = []

    def asked(self, chance: random.Random, most: int, but: str) -> list[tuple[str, Sample]]:
        """At most `most` of the samples that have a question before their answer, each with its lesson, but those of one lesson."""
        places = chance.sample(range(len(self.samples)), min(4 * most, len(self.samples)))
        drawn = [(self._lessons[i], self.samples[i]) for i in places]
        return [(id, sample) for id, sample in drawn if id != but and sample.answer.start > 1][:most]

    def ids(self, samples: Sequence[Sample]) -> list[str]:
        """The lessons that these samples are of."""
        wanted = {id(sample) for sample in samples}
        return sorted({lesson for lesson, sample in zip(self._lessons, self.samples, strict=True) if id(sample) in wanted})

    def add(self, lesson: str, samples: Sequence[Sample], held: Sequence[Sample] = ()) -> None:
        """A lesson was learned, and near questions held."""
        taught = [sample for sample in samples if sample.teaches and lesson not in self.retracted]
        self.samples += taught
        self._lessons += [lesson] * len(taught)
        if lesson not in self.retracted:
            self.held += held
            self._holders += [lesson] * len(held)

    def retract(self, lesson: str) -> None:
        """Rehearse this lesson no more, here and on every other branch."""
        self.retracted.add(lesson)
        for samples, lessons in ((self.samples, self._lessons), (self.held, self._holders)):
            stay = [i for i, other in enumerate(lessons) if other != lesson]
            samples[:], lessons[:] = [samples[i] for i in stay], [lessons[i] for i in stay]

    def become(self, records: Iterable[dict]) -> None:
        """The weights are others now: the lessons in them are these records of the journal."""
        for all_ in (self.samples, self._lessons, self.held, self._holders):
            all_.clear()
        for record in records:
            self.add(record["id"], *samples_of(record))


def samples_of(record: dict) -> tuple[list[Sample], list[Sample]]:
    """What a lesson of the journal taught, and what it held."""
    taught, held = ([Sample.from_description(s) for s in record.get(name, ())] for name in ("samples", "held"))
    return taught, held
