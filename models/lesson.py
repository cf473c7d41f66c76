"""One thing to learn: a conversation, a text, or tokens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from models.message import Message
from models.role import Roles
from models.sample import Sample
from models.scene import Scene
from models.template import Template, TrainOn
from models.unicode_text import require_unicode

VERBS = ("train", "reset", "skip", "benchmark")
"""The tags that say what is done with a lesson: taught though others are not, taught from an empty training memory, not
taught, only measured."""


@dataclass(frozen=True)
class Lesson:
    """Exactly one of messages, text and tokens, with how it is to be learned; ValueError otherwise."""

    messages: Sequence[Message] = ()
    """A Scene, where it is a conversation."""
    text: str | None = None
    tokens: tuple[int, ...] | None = None
    context: int = 0
    """How many of the tokens, from the first, are read and not trained."""
    options: Mapping[str, object] = field(default_factory=dict)
    """What this lesson asks of its training (models.lesson_options); the rest is the caller's or the config's."""
    tags: tuple[str, ...] = ()
    """Words that a person put on it; those of VERBS are for the engine."""
    source: str = ""
    """Where it came from: the name of a file, say."""
    line: int | None = None
    """Its first line there, from 1."""
    after: tuple[int, ...] | None = None
    """Token ids that its conversation goes on from: read, never learned. None: it begins as the template does."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "messages", Scene(self.messages) if self.messages else ())
        object.__setattr__(self, "options", MappingProxyType(dict(self.options)))
        object.__setattr__(self, "tags", tuple(self.tags))
        for name in ("tokens", "after"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, tuple(getattr(self, name)))
        given = [name for name in ("messages", "text", "tokens") if getattr(self, name)]
        if len(given) != 1:
            raise ValueError(f"a lesson needs one of messages, text and tokens, not {' and '.join(given) or 'none'}")
        if self.text is not None:
            require_unicode(self.text, "the text of a lesson")
        if not 0 <= self.context < len(self.tokens or (None,)):
            raise ValueError(f"the context of a lesson must leave some of its tokens to train, not {self.context}")

    @property
    def verbs(self) -> frozenset[str]:
        """Those of its tags, in any case, that are VERBS."""
        return frozenset(tag.lower() for tag in self.tags) & frozenset(VERBS)

    @property
    def taught(self) -> bool:
        """Whether it may be trained at all."""
        return not self.verbs & {"skip", "benchmark"}

    @property
    def measured(self) -> bool:
        """Whether its loss is to be told without it being trained."""
        return "benchmark" in self.verbs and "skip" not in self.verbs

    @property
    def resets(self) -> bool:
        """Whether the training memory is to be emptied before it."""
        return "reset" in self.verbs

    def sample(self, template: Template, train_on: TrainOn | None = None) -> Sample:
        """The lesson in tokens and weights; without `train_on`, the lesson's own option, else "response".

        A text follows the template's `begin`, so that its first token is learned too; tokens are taken as they are.
        ValueError where the template has no such role, a message is empty, or a token id is out of range.
        """
        if self.messages:
            return template.encode(self.messages, train_on or self.options.get("train_on", "response"), self.after)
        if self.text is not None:
            return Sample.from_text(template.tokenizer.encode(self.text), begin=template.begin)
        for token_id in self.tokens:
            template.tokenizer.token_bytes(token_id)
        return Sample.from_text(self.tokens[self.context :], begin=self.tokens[: self.context])

    def fault(self, roles: Roles) -> str | None:
        """Why nothing can be learned from this lesson under these roles, in a few words; None if it can."""
        return self.messages.fault(roles, self.options.get("train_on", "response")) if self.messages else None
