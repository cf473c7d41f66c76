"""What the program asks of a tokenizer, and how one is found."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

from models.json_tokenizer import JsonTokenizer
from models.world_tokenizer import VOCAB_SIZE, world


class Tokenizer(Protocol):
    """Text and bytes to token ids and back, without loss: decode_bytes(encode_bytes(b)) == b for any bytes.

    Text is only text: "<|endoftext|>" in a user's words becomes the tokens of those letters, never id 0. Where markers are
    read instead, it is id 0, and the special tokens of a JSON file are themselves.
    """

    end_of_text: int
    """The id that ends a document: 0. It decodes to nothing."""
    name: str
    digest: str
    """sha256 (hex) of the vocabulary file: two tokenizers of one digest give the same ids."""
    end_marker: str
    """How a text writes id 0 where markers are read."""
    reads_markers: bool
    """Whether `encode` reads markers where it is not told."""

    @property
    def vocab_size(self) -> int:
        """How many ids there are: 0 … vocab_size - 1."""

    def encode(self, text: str, markers: bool | None = None) -> list[int]:
        """The ids of a text; ValueError where it is not valid Unicode. `markers`: whether they are read in this text."""

    def encode_bytes(self, raw: bytes) -> list[int]:
        """The ids of any bytes, UTF-8 or not; markers are never read."""

    def token_bytes(self, token_id: int) -> bytes:
        """The bytes of one token; ValueError for an id out of range."""

    def decode_bytes(self, ids: Iterable[int]) -> bytes:
        """The bytes of many tokens; ValueError for an id out of range."""

    def decode(self, ids: Iterable[int]) -> str:
        """The text of many tokens; what is not UTF-8 becomes U+FFFD."""


BESIDE = ("tokenizer.json", "20B_tokenizer.json")
"""Names of a tokenizer's file beside the weights; the second is the one that the RWKV-4 models of the Pile are published with."""
NEOX_ROWS = 50277
"""Rows that those models have."""


def spec_beside(weights: Path, rows: int) -> str | Path:
    """What `load_tokenizer` takes for a weights file whose embedding has so many rows: the file beside it, else "world".

    ValueError, in one sentence, where neither can be.
    """
    found = next((weights.with_name(name) for name in BESIDE if weights.with_name(name).exists()), None)
    if found is not None:
        return found
    if rows >= VOCAB_SIZE:
        return "world"
    which = "those of the 20B vocabulary" if rows == NEOX_ROWS else f"fewer than the World vocabulary's {VOCAB_SIZE}"
    put = " or ".join(reversed(BESIDE)) if rows == NEOX_ROWS else BESIDE[0]
    raise ValueError(f"{weights}: its {rows} rows are {which}, and no tokenizer lies beside it: put {put} there, or name the file in "
                     "model.tokenizer")


def load_tokenizer(spec: str | Path, special_markers: bool = False) -> Tokenizer:
    """The World tokenizer for "world", else the `tokenizers` JSON file at that path; `special_markers`: it reads markers.

    ValueError, in one sentence that names the file, where it is absent or is not a tokenizer that can be used.
    """
    tokenizer = world() if spec == "world" else JsonTokenizer(Path(spec))
    return tokenizer.reading_markers() if special_markers else tokenizer
