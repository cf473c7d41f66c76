"""A vocabulary: what every token id stands for, in bytes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


class Vocabulary:
    """The decoding half of a tokenizer: a table of bytes, one row a token id.

    `name` is for people, `digest` is the sha256 (hex) of the vocabulary file. Id 0 ends a text and decodes to nothing.
    """

    end_of_text = 0

    def __init__(self, name: str, digest: str, tokens: Sequence[bytes]):
        self.name = name
        self.digest = digest
        self._tokens = tuple(tokens)

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
