"""A conversation, whole."""

from __future__ import annotations

from collections.abc import Iterable

from models.message import Message
from models.role import Roles


class Scene(tuple[Message, ...]):
    """Messages in the order in which they were said: a tuple of at least one, equal to any tuple of the same messages.

    ValueError where there is none, where an entry is no Message, or where a message before the last has a rejected text
    (what follows it was said after the right one).
    """

    __slots__ = ()

    def __new__(cls, messages: Iterable[Message]) -> Scene:
        scene = super().__new__(cls, messages)
        if not scene:
            raise ValueError("a conversation needs at least one message")
        for number, message in enumerate(scene, start=1):
            if not isinstance(message, Message):
                raise ValueError(f"message {number} must be a Message, not {message!r:.80}")
        if any(message.rejected is not None for message in scene[:-1]):
            raise ValueError("only the last message of a lesson may have a rejected text")
        return scene

    def turns(self, roles: Roles) -> tuple[tuple[Message, ...], ...]:
        """The messages by turn: each ends with a message of a role that answers; what is asked last may have no answer yet."""
        turns: list[list[Message]] = [[]]
        for message in self:
            turns[-1].append(message)
            if roles.named(message.role).answers:
                turns.append([])
        return tuple(tuple(turn) for turn in turns if turn)

    def fault(self, roles: Roles, train_on: str = "response") -> str | None:
        """Why nothing can be learned from it under these roles, in a few words; None if it can."""
        for number, message in enumerate(self, start=1):
            if message.role not in roles:
                return f"message {number} has the role {message.role!r}; the roles are {', '.join(roles)}"
            if not message.text.strip():
                return f"message {number} is empty"
        learns_all = train_on == "all"
        learned = [message for message in self if learns_all or roles[message.role].answers]
        if not learned:
            return f"no message of it answers (role {roles.answering.name})"
        if all(message.no_loss or not message.weight for message in learned):
            return f"every {'message' if learns_all else 'answer'} of it is kept from the loss"
        return None
