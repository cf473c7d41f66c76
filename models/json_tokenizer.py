"""A byte-level BPE tokenizer from a JSON file of the `tokenizers` package."""

from __future__ import annotations

import copy
import functools
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import tokenizers

from models.unicode_text import require_unicode
from models.vocabulary import Vocabulary


class JsonTokenizer(Vocabulary):
    """Wraps a `tokenizers` file so that texts are only text and any bytes survive.

    The file must be a byte-level BPE with its end-of-text token at id 0, special. Its markers are the special tokens:
    inside a text they are encoded letter by letter, unless markers are read. Nothing is added at either end, nothing cut
    or padded.
    """

    def __init__(self, path: Path):
        """Read the file; ValueError, naming it, where it is absent or not such a tokenizer."""
        try:
            raw = path.read_bytes()
        except OSError as error:
            raise ValueError(f"{path}: the tokenizer file cannot be read ({error.strerror})") from None
        wrapped = _parse(raw, path)
        wrapped.encode_special_tokens = True
        wrapped.no_truncation()
        wrapped.no_padding()
        self._wrapped = wrapped
        self._bpe = wrapped.model
        table = _token_table(wrapped, path)
        super().__init__(path.name, hashlib.sha256(raw).hexdigest(), table, end_marker=wrapped.id_to_token(0))
        self._absent_bytes = frozenset(b for b in range(256) if wrapped.token_to_id(BYTE_SYMBOLS[b]) is None)

    @functools.cached_property
    def _marking(self) -> tokenizers.Tokenizer:
        """The wrapped tokenizer as it reads markers: a second one, since the setting of one is everybody's at once."""
        marking = copy.deepcopy(self._wrapped)
        marking.encode_special_tokens = False
        return marking

    def encode(self, text: str, markers: bool | None = None) -> list[int]:
        """The ids of a text, through the file's own normalizer if it has one; ValueError where it is not valid Unicode.

        Also ValueError where the vocabulary lacks a byte of it, which the wrapped encoder would leave out in silence.
        `markers`: whether special tokens in it are themselves, as `tokenizers` has it by default.
        """
        self._require_bytes(require_unicode(text).encode("utf-8"))
        read = self.reads_markers if markers is None else markers
        return (self._marking if read else self._wrapped).encode(text, add_special_tokens=False).ids

    def encode_bytes(self, raw: bytes) -> list[int]:
        """The ids of any bytes, exactly and without markers: as `encode` gives them where that loses nothing, else by
        the BPE alone."""
        self._require_bytes(raw)
        try:
            ids = self.encode(raw.decode("utf-8"), markers=False)
        except UnicodeDecodeError:
            ids = []
        # A normalizer (NFC, say) or broken UTF-8 changes bytes; the merges over byte symbols never do.
        if self.decode_bytes(ids) == raw:
            return ids
        return [token.id for token in self._bpe.tokenize("".join(BYTE_SYMBOLS[b] for b in raw))]

    def _require_bytes(self, raw: bytes) -> None:
        absent = self._absent_bytes.intersection(raw)
        if absent:
            raise ValueError(f"{self.name} has no token for the byte 0x{min(absent):02X}, so it cannot encode this text")


def _byte_symbols() -> tuple[str, ...]:
    """The printable letter of each byte in byte-level BPE files (GPT-2's table): its own, or the next free from U+0100."""
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    free = iter(range(0x100, 0x200))
    return tuple(chr(byte if byte in printable else next(free)) for byte in range(256))


BYTE_SYMBOLS = _byte_symbols()


def _parse(raw: bytes, path: Path) -> tokenizers.Tokenizer:
    """The wrapped tokenizer; ValueError where the file is not JSON, not a tokenizer, or of another kind."""
    try:
        described = json.loads(raw)
        model = described["model"]["type"]
        wrapped = tokenizers.Tokenizer.from_str(raw.decode("utf-8"))
    # `tokenizers` raises bare Exception for what it cannot read.
    except Exception:  # noqa: BLE001
        raise ValueError(f"{path}: not a tokenizer file of the `tokenizers` package") from None
    byte_level = [step for step in _steps(described.get("pre_tokenizer")) if step.get("type") == "ByteLevel"]
    if model != "BPE" or not byte_level:
        raise ValueError(f"{path}: the tokenizer is not a byte-level BPE, the kind that can be used")
    if any(step.get("add_prefix_space") for step in byte_level):
        raise ValueError(f"{path}: the tokenizer puts a space before every text (add_prefix_space), which none asked for")
    return wrapped


def _steps(described: object) -> Iterator[dict]:
    """Every step inside a described part of a tokenizer."""
    if isinstance(described, dict):
        yield described
        described = list(described.values())
    if isinstance(described, list):
        for inner in described:
            yield from _steps(inner)


def _token_table(wrapped: tokenizers.Tokenizer, path: Path) -> list[bytes]:
    """The bytes of every id. Ids without a token, as some files have them, stand for nothing."""
    byte_of = {symbol: byte for byte, symbol in enumerate(BYTE_SYMBOLS)}
    added = wrapped.get_added_tokens_decoder()
    if 0 not in added or not added[0].special:
        raise ValueError(f"{path}: token 0 must be the special token that ends a text")
    words = wrapped.get_vocab(with_added_tokens=True)
    table = [b""] * (max(words.values()) + 1)
    try:
        for word, token_id in words.items():
            if token_id not in added:
                table[token_id] = bytes(byte_of[symbol] for symbol in word)
    except KeyError:
        raise ValueError(f"{path}: token {token_id} ({word!r}) is not written in byte-level symbols") from None
    for token_id, token in added.items():
        table[token_id] = token.content.encode("utf-8")
    table[0] = b""
    return table
