"""A document of the training mix: pieces of text, each of which the tokenizer sees on its own.

A chat is cut exactly as `models.template` cuts a conversation: the role's prefix ("User:"), then the body
(" " + text + "\\n\\n"), so that what is trained on is token for token what is answered from.
"""

import re
from dataclasses import dataclass

PREFIXES = {"user": "User:", "assistant": "Assistant:", "system": "System:"}
"""The prefixes of the G1 chat form. Every body ends with SUFFIX."""
SUFFIX = "\n\n"

_BREAKS = re.compile(r"\n{2,}")


@dataclass(frozen=True)
class Piece:
    """A text that is tokenized on its own, and its weight class: "prefix", "user", "system", "assistant" or "text"."""

    text: str
    weight_class: str


@dataclass(frozen=True)
class Document:
    """A whole document: the name of its source and its pieces, without the begin token 0 that is put before them."""

    source: str
    pieces: tuple[Piece, ...]

    @property
    def text(self) -> str:
        return "".join(piece.text for piece in self.pieces)


def clean_body(text: str) -> str:
    """The text of one message as the template takes it: stripped, and no empty line within, which would end the message."""
    return _BREAKS.sub("\n", text.replace("\r\n", "\n").strip())


def chat(source: str, messages) -> Document:
    """A document of `messages`, pairs of a role ("user", "assistant", "system") and a text."""
    pieces = []
    for role, text in messages:
        pieces.append(Piece(PREFIXES[role], "prefix"))
        pieces.append(Piece(" " + clean_body(text) + SUFFIX, role))
    return Document(source, tuple(pieces))


def plain(source: str, text: str) -> Document:
    """A document of running text, a story say."""
    return Document(source, (Piece(text.strip(), "text"),))
