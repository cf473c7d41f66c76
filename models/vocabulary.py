"""A vocabulary: what every token id stands for, in bytes."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from typing import Self


class Vocabulary:
    """The decoding half of a tokenizer: a table of bytes, one row a token id.

    `name` is for people, `digest` is the sha256 (hex) of the vocabulary file. Id 0 ends a text and decodes to nothing;
    `end_marker` is how a text writes it where markers are read.
    """

    end_of_text = 0

    def __init__(self, name: str, digest: str, tokens: Sequence[bytes], end_marker: str):
        self.name = name
        self.digest = digest
        self.end_marker = end_marker
        self.reads_markers = False
        self._tokens = tuple(tokens)

    def reading_markers(self) -> Self:
        """The same tokenizer, which reads markers in every text that it is not told to take as mere text."""
        other = copy.copy(self)
        other.reads_markers = True
        return other

    @property
    def vocab_size(self) -> int:
        """How many ids there are: 0 … vocab_size - 1."""
        return len(self._tokens)

    def token_bytes(self, token_id: int) -> bytes:
        """The bytes of one token; ValueError for an id out of range."""
        if not 0 <= token_id < len(self._tokens):
            raise ValueError(f"token id {token_id} is out of range: {self.name} has the ids 0 to {len(self._tokens) - 1}")
        return self._tokens[token_id]

    def decode_bytes(self, ids: Iterable[int]) -> bytes:
        """The bytes of many tokens, joined; ValueError for an id out of range."""
        return b"".join(map(self.token_bytes, ids))

    def decode(self, ids: Iterable[int]) -> str:
        """The text of many tokens; what is not UTF-8 becomes U+FFFD."""
        return self.decode_bytes(ids).decode("utf-8", errors="replace")
