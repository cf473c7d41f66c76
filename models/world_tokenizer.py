"""The World vocabulary of the RWKV models: 65,529 byte strings, the longest that fits is taken."""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib.util
from pathlib import Path

from pyrwkv_tokenizer import RWKVTokenizer

from models.unicode_text import require_unicode
from models.vocabulary import Vocabulary

VOCABULARY_FILE = "rwkv_vocab_v20230424.txt"
END_MARKER = "<|endoftext|>"
"""How a text writes id 0 where markers are read. The vocabulary has no other marker."""
VOCAB_SIZE = 65536
"""Rows of a World model's embedding. The vocabulary ends at 65529; the ids after it stand for no text (see models.role)."""


class WorldTokenizer(Vocabulary):
    """Encodes as the `rwkv` package does: at each place the longest token of the vocabulary that fits.

    Texts go through the Rust encoder (26-71 MB/s); bytes that are not UTF-8, which it does not take, through a
    table here (3-5 MB/s). Both give the same ids for the same bytes. Decoding uses the table only.
    """

    def __init__(self, path: Path):
        """Read the vocabulary file at `path`, lines of `id literal length`; ValueError where it is not one."""
        try:
            raw = path.read_bytes()
        except OSError as error:
            raise ValueError(f"{path}: the World vocabulary cannot be read ({error.strerror})") from None
        words = _read_words(raw, path)
        reserved = [b""] * (VOCAB_SIZE - 1 - len(words))
        super().__init__("world", hashlib.sha256(raw).hexdigest(), [b"", *words, *reserved], END_MARKER)
        self._rust = RWKVTokenizer(vocab_filepath=str(path))
        self._ids = {word: token_id for token_id, word in enumerate(words, start=1)}
        lengths: dict[bytes, set[int]] = {}
        for word in words:
            if len(word) > 1:
                lengths.setdefault(word[:2], set()).add(len(word))
        self._lengths = {start: sorted(found, reverse=True) for start, found in lengths.items()}

    def encode(self, text: str, markers: bool | None = None) -> list[int]:
        """The ids of a text; ValueError where it is not valid Unicode. `markers`: whether END_MARKER in it is id 0."""
        require_unicode(text)
        if not (self.reads_markers if markers is None else markers):
            return self._rust.encode(text)
        first, *others = text.split(END_MARKER)
        ids = self._rust.encode(first)
        for piece in others:
            ids += [self.end_of_text, *self._rust.encode(piece)]
        return ids

    def encode_bytes(self, raw: bytes) -> list[int]:
        """The ids of any bytes, no marker among them: the first two say which lengths to try, longest first."""
        ids = []
        at = 0
        while at < len(raw):
            for length in (*self._lengths.get(raw[at : at + 2], ()), 1):
                token_id = self._ids.get(raw[at : at + length])
                if token_id is not None:
                    break
            ids.append(token_id)
            at += len(self._tokens[token_id])
        return ids


@functools.cache
def world() -> WorldTokenizer:
    """The World tokenizer, from the vocabulary file inside the `rwkv` package; read once a process."""
    # Only the package's folder is looked up: importing rwkv.model compiles kernels and sets global switches.
    spec = importlib.util.find_spec("rwkv")
    if spec is None or not spec.submodule_search_locations:
        raise ValueError(f"the World tokenizer needs the package 'rwkv', whose {VOCABULARY_FILE} it reads")
    return WorldTokenizer(Path(spec.submodule_search_locations[0]) / VOCABULARY_FILE)


def _read_words(raw: bytes, path: Path) -> list[bytes]:
    """The byte strings of ids 1, 2, 3 …; ValueError where a line is not what the format says."""
    try:
        lines = raw.decode("utf-8").replace("\r\n", "\n").rstrip("\n").split("\n")
        ids = [int(line[: line.index(" ")]) for line in lines]
        sizes = [int(line[line.rindex(" ") :]) for line in lines]
        literals = [line[line.index(" ") : line.rindex(" ")].strip() for line in lines]
        # One literal of all lines is read several times faster than a literal a line.
        words = [w.encode("utf-8") if isinstance(w, str) else w for w in ast.literal_eval(f"[{','.join(literals)}]")]
    except (ValueError, SyntaxError):
        raise ValueError(f"{path}: not a World vocabulary (lines of `id literal length`)") from None
    whole = ids == list(range(1, len(words) + 1)) and sizes == [len(word) for word in words]
    bytes_covered = {word for word in words if len(word) == 1}
    if not whole or len(bytes_covered) != 256 or len(words) >= VOCAB_SIZE:
        raise ValueError(f"{path}: not a whole World vocabulary (ids from 1 without a gap, every single byte among them)")
    return words
