"""One thing to learn: a conversation, a text, or tokens."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from models.message import Message
from models.role import Roles
from models.sample import Sample
from models.template import Template, TrainOn
from models.unicode_text import require_unicode


@dataclass(frozen=True)
class Lesson:
    """Exactly one of messages, text and tokens, with how it is to be learned; ValueError otherwise."""

    messages: tuple[Message, ...] = ()
    text: str | None = None
    tokens: tuple[int, ...] | None = None
    context: int = 0
    """How many of the tokens, from the first, are read and not trained."""
    options: Mapping[str, object] = field(default_factory=dict)
    """What this lesson asks of its training (models.lesson_options); the rest is the caller's or the config's."""
    tags: tuple[str, ...] = ()
    """Words for the engine, e.g. train, reset, skip, benchmark."""
    source: str = ""
    """Where it came from: the name of a file, say."""
    line: int | None = None
    """Its first line there, from 1."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "messages", tuple(self.messages))
        if self.tokens is not None:
            object.__setattr__(self, "tokens", tuple(self.tokens))
        given = [name for name in ("messages", "text", "tokens") if getattr(self, name)]
        if len(given) != 1:
            raise ValueError(f"a lesson needs one of messages, text and tokens, not {' and '.join(given) or 'none'}")
        if self.text is not None:
            require_unicode(self.text, "the text of a lesson")
        if not 0 <= self.context < len(self.tokens or (None,)):
            raise ValueError(f"the context of a lesson must leave some of its tokens to train, not {self.context}")

    def sample(self, template: Template, train_on: TrainOn | None = None) -> Sample:
        """The lesson in tokens and weights; without `train_on`, the lesson's own option, else "response".

        A text follows the template's `begin`, so that its first token is learned too; tokens are taken as they are.
        ValueError where the template has no such role, a message is empty, or a token id is out of range.
        """
        if self.messages:
            return template.encode(self.messages, train_on or self.options.get("train_on", "response"))
        if self.text is not None:
            return Sample.from_text(template.tokenizer.encode(self.text), begin=template.begin)
        for token_id in self.tokens:
            template.tokenizer.token_bytes(token_id)
        return Sample.from_text(self.tokens[self.context :], begin=self.tokens[: self.context])

    def fault(self, roles: Roles) -> str | None:
        """Why nothing can be learned from this lesson under these roles, in a few words; None if it can."""
        for number, message in enumerate(self.messages, start=1):
            if message.role not in roles:
                return f"message {number} has the role {message.role!r}; the roles are {', '.join(roles)}"
            if not message.text.strip():
                return f"message {number} is empty"
        learns_all = self.options.get("train_on") == "all"
        learned = [message for message in self.messages if learns_all or roles[message.role].answers]
        if self.messages and not learned:
            return f"no message of it answers (role {roles.answering.name})"
        if self.messages and all(message.no_loss or not message.weight for message in learned):
            return f"every {'message' if learns_all else 'answer'} of it is kept from the loss"
        return None
