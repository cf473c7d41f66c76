"""Lessons as they wait to be learned, made from what a caller sends, from a file, or from a lesson that was taught before."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import replace

from engine.errors import BadRequest
from engine.journal import Journal
from engine.lessons import Job
from engine.live_model import LiveModel, messages_of
from engine.options import TrainOptions
from engine.plan import Plan, make_plan, require_rejected
from models.lesson import Lesson
from models.rewordings import reworded
from models.sample import Sample


class Jobs:
    """Fills the options that a caller left open from the config script's [train]. Belongs to the owner thread."""

    def __init__(self, model: LiveModel, journal: Journal, train):
        self._model = model
        self._journal = journal
        self._train = train

    def of_source(self, source: dict, options: TrainOptions, given: set[str], key: str | None = None, **facts) -> Job:
        """A body of /train: one lesson or several, learned as one. `facts` are kept in its record."""
        field = next(iter(source))
        try:
            lessons = lessons_of(source)
        except ValueError as error:
            raise BadRequest(f"{field}: {error}", field) from None
        plan = self.plan(options, given)
        samples = samples_of(in_other_words(lessons, plan), self._model.template, options.train_on, field)
        return self._job(samples, plan, options, given, key, {"source": source, **facts})

    def of_lesson(self, lesson: Lesson, options: TrainOptions, given: set[str], **facts) -> Job:
        """A lesson of a file. What it says of its own training goes before what the caller says of the whole file."""
        chosen = {name: getattr(options, name) for name in given} | dict(lesson.options)
        train_on = options.train_on if "train_on" in given else None
        options, given = TrainOptions(**chosen), set(chosen)
        plan = self.plan(options, given)
        train_on = lesson.options.get("train_on", train_on)
        samples = samples_of(in_other_words([lesson], plan), self._model.template, train_on, "content")
        return self._job(samples, plan, options, given, None, {"source": source_of(lesson), **facts})

    def again(self, record: dict, options: TrainOptions, given: set[str], key: str | None) -> Job:
        """The tokens and weights of a lesson of the journal, as they were."""
        if "train_on" in given:
            raise BadRequest("train_on: the tokens of a lesson that is taught again are those that were taught; leave it out", "train_on")
        samples = [Sample.from_description(s) for s in record["samples"]]
        facts = {name: record[name] for name in ("session", "turn", "rejected") if name in record}
        facts |= {"source": record["source"], "retrains": record["id"]}
        return self._job(samples, self.plan(options, given), options, given, key, facts)

    def plan(self, options: TrainOptions, given: set[str]) -> Plan:
        """The options with nothing left open. A lesson and its other wordings make one step."""
        plan = make_plan(options, given, self._train, seed=len(self._journal.records) + 1)
        return replace(plan, accumulate=max(plan.accumulate, 1 + plan.reword))

    def _job(self, samples: list[Sample], plan: Plan, options: TrainOptions, given: set[str], key: str | None, facts: dict) -> Job:
        require_rejected(plan, given, samples)
        checks = self._train.checks if options.checks is None else options.checks
        return Job(samples, plan, {"id": f"lesson-{uuid.uuid4().hex[:12]}", **facts}, key, options.dry_run, options.preview, checks)


def in_other_words(lessons: Sequence[Lesson], plan: Plan) -> list[Lesson]:
    """Each lesson followed by as many other wordings of it as the plan says."""
    return [one for lesson in lessons for one in (lesson, *reworded(lesson, plan.reword))]


def samples_of(lessons: Sequence[Lesson], template, train_on: str | None, field: str) -> list[Sample]:
    """Lessons as samples; BadRequest in one sentence, naming the field that they came in, where one cannot be."""
    try:
        samples = [lesson.sample(template, train_on) for lesson in lessons]
        if any(len(sample.tokens) < 2 for sample in samples):
            raise ValueError("a lesson needs at least two tokens: one to read and one to predict")
    except ValueError as error:
        raise BadRequest(f"{field}: {error}", field) from None
    return samples


def lessons_of(source: dict) -> list[Lesson]:
    """The lessons of a body of /train; ValueError where one is none."""
    if "text" in source:
        return [Lesson(text=source["text"])]
    if "tokens" in source:
        return [Lesson(tokens=tuple(tokens), context=source.get("context", 0)) for tokens in source["tokens"]]
    several = source.get("lessons") or [{"messages": source["messages"]}]
    after = source.get("after")
    return [Lesson(messages=messages_of(lesson["messages"]), after=after) for lesson in several]


def source_of(lesson: Lesson) -> dict:
    """The lesson as a body of /train would say it."""
    if lesson.text is not None:
        return {"text": lesson.text}
    if lesson.tokens is not None:
        return {"tokens": [list(lesson.tokens)], **({"context": lesson.context} if lesson.context else {})}
    messages = []
    for message in lesson.messages:
        more = {"weight": message.weight} if message.weight != 1 else {}
        more |= {"no_loss": True} if message.no_loss else {}
        more |= {} if message.rejected is None else {"rejected": message.rejected}
        messages.append({"role": message.role, "text": message.text, **more})
    return {"messages": messages, **({} if lesson.after is None else {"after": list(lesson.after)})}
