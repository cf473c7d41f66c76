"""A streaming decoder: tokens in, whole characters out, cut at a stop text."""

from __future__ import annotations

import codecs
from collections.abc import Sequence

from models.tokenizer import Tokenizer


class TextStream:
    """Turns the tokens of an answer into pieces of text that can be shown at once.

    A piece never ends inside a character, and never holds what may turn out to be the beginning of a stop text. All
    pieces joined, with that of `flush`, are the decoded answer up to the stop text that is complete first; of several
    that end together, the longest. Bytes that are not UTF-8 become U+FFFD as in bytes.decode(errors="replace").
    """

    def __init__(self, tokenizer: Tokenizer, stop: Sequence[str] = ()):
        """`stop`: the texts that end the answer; ValueError for an empty one."""
        if isinstance(stop, str) or not all(stop):
            raise ValueError("stop must be a list of texts, none of them empty")
        self.stopped: str | None = None
        """The stop text that was met, or None."""
        self._tokenizer = tokenizer
        self._stop = tuple(stop)
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._held = ""
        self._pieces: list[str] = []

    @property
    def text(self) -> str:
        """All pieces so far, joined."""
        return "".join(self._pieces)

    def push(self, token_id: int) -> str:
        """The text that this token makes certain, "" after a stop text; ValueError for an id out of range."""
        return self._advance(self._decoder.decode(self._tokenizer.token_bytes(token_id)))

    def flush(self) -> str:
        """What is left when no token follows: what was held back, a broken character as U+FFFD."""
        piece = self._advance(self._decoder.decode(b"", final=True))
        return piece + self._release(len(self._held))

    def _advance(self, new: str) -> str:
        if self.stopped is not None:
            return ""
        self._held += new
        # A stop text that is not complete yet begins inside what is held, so earlier text need not be searched.
        found = [(at + len(stop), at, stop) for stop in self._stop if (at := self._held.find(stop)) >= 0]
        if found:
            _, at, self.stopped = min(found)
            piece = self._release(at)
            self._held = ""
            return piece
        return self._release(len(self._held) - self._possible_stop())

    def _release(self, size: int) -> str:
        piece, self._held = self._held[:size], self._held[size:]
        if piece:
            self._pieces.append(piece)
        return piece

    def _possible_stop(self) -> int:
        """How many of the last held characters may be the beginning of a stop text."""
        longest = 0
        for stop in self._stop:
            for size in range(min(len(stop) - 1, len(self._held)), longest, -1):
                if self._held.endswith(stop[:size]):
                    longest = size
                    break
        return longest
