"""The earlier lessons that are rehearsed: those in the weights, without what was retracted."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence

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

    @property
    def asks(self) -> set[tuple[int, ...]]:
        """What was asked in those lessons: all that stands before their answers."""
        return {prompt_of(sample) for sample in self.samples}

    def held_beside(self, samples: Sequence[Sample]) -> list[Sample]:
        """Old answers to near questions, but to those that these samples teach another answer to."""
        taught = {prompt_of(sample) for sample in samples}
        return [sample for sample in self.held if prompt_of(sample) not in taught]

    def ids(self, samples: Sequence[Sample]) -> list[str]:
        """The lessons that these samples are of."""
        wanted = {id(sample) for sample in samples}
        return sorted({lesson for lesson, sample in zip(self._lessons, self.samples, strict=True) if id(sample) in wanted})

    def add(self, lesson: str, samples: Sequence[Sample], held: Sequence[Sample] = ()) -> None:
        """A lesson was learned, and near questions held; what was held as the answer to its own question holds no more."""
        asked = {prompt_of(sample) for sample in samples}
        self._keep_held(lambda sample, _: prompt_of(sample) not in asked)
        if lesson not in self.retracted:
            taught = [sample for sample in samples if sample.teaches]
            self.samples += taught
            self._lessons += [lesson] * len(taught)
            self.held += held
            self._holders += [lesson] * len(held)

    def retract(self, lesson: str) -> None:
        """Rehearse this lesson no more, here and on every other branch."""
        self.retracted.add(lesson)
        stay = [i for i, other in enumerate(self._lessons) if other != lesson]
        self.samples[:], self._lessons[:] = [self.samples[i] for i in stay], [self._lessons[i] for i in stay]
        self._keep_held(lambda _, holder: holder != lesson)

    def _keep_held(self, stays: Callable[[Sample, str], bool]) -> None:
        kept = [(sample, holder) for sample, holder in zip(self.held, self._holders, strict=True) if stays(sample, holder)]
        self.held[:], self._holders[:] = [sample for sample, _ in kept], [holder for _, holder in kept]

    def become(self, records: Iterable[dict]) -> None:
        """The weights are others now: the lessons in them are these records of the journal."""
        for all_ in (self.samples, self._lessons, self.held, self._holders):
            all_.clear()
        for record in records:
            self.add(record["id"], *samples_of(record))


def prompt_of(sample: Sample) -> tuple[int, ...]:
    """What stands before a sample's last answer."""
    return sample.tokens[: sample.answer.start]


def samples_of(record: dict) -> tuple[list[Sample], list[Sample]]:
    """What a lesson of the journal taught, and what it held."""
    taught, held = ([Sample.from_description(s) for s in record.get(name, ())] for name in ("samples", "held"))
    return taught, held
