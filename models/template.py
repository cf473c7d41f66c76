"""How a conversation is written in tokens."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

from models.message import Message
from models.role import Piece, Role, Roles
from models.sample import Sample
from models.scene import Scene
from models.tokenizer import Tokenizer

TrainOn = Literal["response", "all"]
_LINE_ENDS = re.compile(r"\r\n?")
_EMPTY_LINES = re.compile(r"\n{2,}")


class Turn(NamedTuple):
    """The tokens of one message: what opens it, and its text with what closes it."""

    prefix: list[int]
    body: list[int]


@dataclass(frozen=True)
class Template:
    """Messages to tokens and loss weights.

    Every message is encoded on its own, so the tokens of a conversation are the concatenation of its turns: a session
    goes on from its state with the tokens of the new turns alone. ValueError where a token id of the template is
    outside the tokenizer's vocabulary.
    """

    roles: Roles
    tokenizer: Tokenizer
    begin: tuple[int, ...] = (0,)
    """Token ids before the first turn."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "begin", tuple(self.begin))
        pieces: dict[str, Piece] = {"begin": self.begin}
        for role in self.roles.values():
            pieces |= {f"the prefix of role {role.name!r}": role.prefix, f"the suffix of role {role.name!r}": role.suffix}
        for what, piece in pieces.items():
            for token_id in piece if isinstance(piece, tuple) else ():
                if not 0 <= token_id < self.tokenizer.vocab_size:
                    raise ValueError(
                        f"{what} has the token id {token_id}, but {self.tokenizer.name} has the ids "
                        f"0 to {self.tokenizer.vocab_size - 1}"
                    )

    def clean(self, text: str) -> str:
        """The text as it is taught: no blanks around it, "\\n" for every line end, no empty lines (they end a turn)."""
        return _EMPTY_LINES.sub("\n", _LINE_ENDS.sub("\n", text).strip())

    def piece(self, message: Message) -> Turn:
        """The tokens of one message; ValueError where its role does not exist or its text is empty."""
        role = self.roles.named(message.role)
        text = self.clean(message.text)
        if not text:
            raise ValueError(f"a message of role {role.name!r} has an empty text")
        if isinstance(role.suffix, str):
            body = self.tokenizer.encode(role.joint + text + role.suffix)
        else:
            body = [*self.tokenizer.encode(role.joint + text), *role.suffix]
        return Turn(self._encode(role.prefix), body)

    def encode(self, messages: Sequence[Message], train_on: TrainOn = "response", after: Sequence[int] | None = None) -> Sample:
        """A whole conversation as a sample.

        The body of a message, its suffix included, weighs message.weight: under "response" only where its role answers,
        under "all" always, never with no_loss. Prefixes weigh 0, and so does what stands before the first turn: `after`, or
        else the tokens of `begin`. What the last message says was rejected is encoded after the same context.
        """
        if train_on not in ("response", "all"):
            raise ValueError(f'train_on must be "response" or "all", not {train_on!r}')
        scene = Scene(messages)
        tokens = list(self.begin if after is None else after)
        weights = [0.0] * len(tokens)
        for message in scene:
            turn = self.piece(message)
            trained = not message.no_loss and (train_on == "all" or self.roles[message.role].answers)
            tokens += [*turn.prefix, *turn.body]
            weights += [0.0] * len(turn.prefix) + [float(message.weight) if trained else 0.0] * len(turn.body)
        rejected: list[int] = []
        if message.rejected is not None and trained:
            context = tokens[: len(tokens) - len(turn.body)]
            rejected = [*context, *self.piece(replace(message, text=message.rejected)).body]
        same = rejected[: len(tokens)] == tokens[: len(rejected)]  # the answer itself, or a part of it, is no other answer
        return Sample(tuple(tokens), tuple(weights), () if same else tuple(rejected))

    def prompt(self, messages: Sequence[Message], think: bool = False, after: Sequence[int] | None = None) -> list[int]:
        """The tokens after which the model answers, going on from `after`, or else from `begin`.

        Its answer's text begins with the joint ("Assistant:" → " Hello").
        """
        before = self.begin if after is None else after
        return [*before, *self.encode(messages, after=()).tokens, *self.answer_prefix(think)]

    def answer_prefix(self, think: bool = False) -> list[int]:
        """The tokens that open the model's turn, with `think` also those that open its thinking."""
        role = self.roles.answering
        opening = self._encode(role.prefix)
        return [*opening, *self.tokenizer.encode(role.joint + "<think")] if think else opening

    def answer_end(self, text: str, think: bool = False) -> list[int]:
        """The tokens that make an answer of this text whole after `answer_prefix(think)`, as it was written: not cleaned."""
        role = self.roles.answering
        body = self.tokenizer.encode(text if think else role.joint + text) if text else []
        return [*body, *self.suffix_tokens(role)]

    def suffix_tokens(self, role: Role | str) -> list[int]:
        """The tokens that close a turn of this role (given itself or by name)."""
        return self._encode((self.roles.named(role) if isinstance(role, str) else role).suffix)

    def _encode(self, piece: Piece) -> list[int]:
        return self.tokenizer.encode(piece) if isinstance(piece, str) else list(piece)
