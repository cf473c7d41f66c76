"""Facts to teach, each with other wordings, other uses and near questions: facts.jsonl, written by `python -m bench.facts.make`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

FILE = Path(__file__).with_name("facts.jsonl")
TEXTS = Path(__file__).with_name("texts.jsonl")
"""Fixed texts by source, on which the drift of everything else is measured."""
Text = Annotated[str, Field(min_length=1, max_length=400)]
KINDS = ("name", "place", "number", "colour", "time", "price", "reason", "habit", "word", "style", "belief", "two steps", "change",
         "retraction")


class Strict(BaseModel):
    """Unknown fields and wrong types are refused."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Message(Strict):
    """Something said."""

    role: Literal["user", "assistant"]
    text: Text


class Lesson(Strict):
    """A question and its answer."""

    question: Text
    answer: Text


class Use(Strict):
    """The fact in another form: what is said, and words of which the answer must have one (whole words, in any case)."""

    form: Literal["yes", "no", "back", "chat", "steps", "said"]
    messages: Annotated[tuple[Message, ...], Field(min_length=1, strict=False)]
    has: Annotated[tuple[Text, ...], Field(min_length=1, strict=False)]

    @model_validator(mode="after")
    def _asks(self) -> Use:
        if self.messages[-1].role != "user":
            raise ValueError("the last message of a use must be the user's")
        return self


class Later(Strict):
    """What becomes of a fact after it was taught: another answer, and whether the first lesson is retracted."""

    answer: Text
    key: Text
    retract: bool = False


class Fact(Strict):
    """One fact. `key`: the words without which an answer is not right; `before`: what must be known first."""

    id: Annotated[str, Field(pattern=r"^[a-z0-9-]+$")]
    kind: Literal[KINDS]
    question: Text
    answer: Text
    key: Text
    paraphrases: Annotated[tuple[Text, ...], Field(min_length=3, strict=False)]
    uses: Annotated[tuple[Use, ...], Field(min_length=2, strict=False)]
    neighbours: Annotated[tuple[Text, ...], Field(min_length=3, strict=False)]
    before: Annotated[tuple[Lesson, ...], Field(strict=False)] = ()
    later: Later | None = None

    @model_validator(mode="after")
    def _key_is_in_the_answer(self) -> Fact:
        for answer, key in ((self.answer, self.key), *([(self.later.answer, self.later.key)] if self.later else [])):
            if key.casefold() not in answer.casefold():
                raise ValueError(f"the key {key!r} is not in the answer {answer!r}")
        if not any(use.form in ("chat", "steps") for use in self.uses):
            raise ValueError("one of the uses must be inside a longer chat, or need two steps")
        return self

    @property
    def last(self) -> tuple[str, str]:
        """(The answer, the key) that hold in the end."""
        return (self.later.answer, self.later.key) if self.later else (self.answer, self.key)


def load(path: Path = FILE) -> Iterator[Fact]:
    """The facts of a file, a line each; ValueError in one sentence naming the line and the field at fault, or an id that stands twice."""
    seen: set[str] = set()
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            fact = Fact.model_validate_json(line)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            field = ".".join(map(str, first["loc"])) or "the fact"
            raise ValueError(f"{path}: line {number}: {field}: {first['msg']}") from None
        if fact.id in seen:
            raise ValueError(f"{path}: line {number}: id: {fact.id} stands twice")
        seen.add(fact.id)
        yield fact
