"""Lessons that are there already: the same again, nearly the same, or the same question with another answer."""

from __future__ import annotations

import re
import unicodedata
from collections import ChainMap
from collections.abc import Hashable, Iterable
from hashlib import sha256
from typing import Literal, NamedTuple

from rensa import RMinHash

from models.lesson import Lesson

NEAR = 0.5
"""Part of the shingles that near duplicates have in common, question and answer each, at least."""
_SHINGLE, _TEXT_SHINGLE = 4, 8  # characters; two long texts share most fours, whatever they say
_BANDS, _ROWS = 42, 3  # two that are at NEAR in both parts meet in one band with 0.48, at 0.7 with 0.99; at 0.1 with 0.00004
_HASHES, _SEED = _BANDS * _ROWS, 1
_BUCKET = 8  # lessons compared for a band: bounds the work where thousands are alike
_WIDE = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")


class Finding(NamedTuple):
    """What a lesson is to an earlier one."""

    line: Hashable
    """The lesson's key: its line in a file, say."""
    kind: Literal["exact", "near", "conflict"]
    """`conflict`: the same question with another answer. The later one wins."""
    of: Hashable
    """The key of the earlier lesson."""
    similarity: float
    """From 0 to 1: 1 for exact, else estimated from shared shingles (standard error 0.04), of the part that is less alike."""


class _Parts(NamedTuple):
    """What is compared of a lesson: messages are a question (all but the last) and an answer; a text or tokens are an answer."""

    exact: bytes
    question: bytes | None
    answer: bytes
    sketches: tuple[RMinHash, RMinHash] | None


class Duplicates:
    """Finds for each added lesson what it repeats of those added before; none of their texts is kept.

    Blanks and forms of a letter (NFC) make no difference; where only case or width (NFKC) differ, it is near, similarity 1.
    """

    def __init__(self, earlier: Duplicates | None = None):
        """`earlier`: lessons that are compared with too, and to which nothing is added."""
        self._exact: ChainMap[bytes, Hashable] = _over(earlier and earlier._exact)
        self._answered: ChainMap[bytes, tuple[Hashable, _Parts]] = _over(earlier and earlier._answered)
        self._buckets: ChainMap[bytes, tuple[tuple[Hashable, _Parts], ...]] = _over(earlier and earlier._buckets)

    def add(self, key: Hashable, lesson: Lesson) -> list[Finding]:
        """What the lesson is to the earlier ones, and remember it under `key`.

        At most one exact finding and one conflict, with the latest lesson of each kind, or else one near finding, the likest.
        A lesson that takes an answer back is both: exact of the one, in conflict with the other.
        """
        parts = _read(lesson)
        findings = []
        if parts.exact in self._exact:
            findings.append(Finding(key, "exact", self._exact[parts.exact], 1.0))
        if parts.question in self._answered:
            of, known = self._answered[parts.question]
            if known.answer != parts.answer:
                findings.append(Finding(key, "conflict", of, _similarity(parts, known)))
        findings = findings or self._near(key, parts)
        self._remember(key, parts)
        return findings

    def _near(self, key: Hashable, parts: _Parts) -> list[Finding]:
        met = {id(entry): entry for band in _bands(parts) for entry in self._buckets.get(band, ())}
        alike = [(_similarity(parts, known), of) for of, known in met.values()]
        best = max(alike, key=lambda pair: pair[0], default=(0.0, None))
        return [Finding(key, "near", best[1], best[0])] if best[0] >= NEAR else []

    def _remember(self, key: Hashable, parts: _Parts) -> None:
        again = parts.exact in self._exact
        self._exact[parts.exact] = key
        entry = (key, parts)
        if parts.question is not None:
            self._answered[parts.question] = entry
        if not again:
            for band in _bands(parts):
                bucket = self._buckets.get(band, ())
                if len(bucket) < _BUCKET:
                    self._buckets[band] = (*bucket, entry)


def find_duplicates(lessons: Iterable[Lesson], earlier: Duplicates | None = None) -> list[Finding]:
    """What each lesson of a file is to those before it there and to `earlier` ones, in order.

    The key of a lesson is its line, else its number, from 1.
    """
    seen = Duplicates(earlier)
    return [finding for number, lesson in enumerate(lessons, start=1) for finding in seen.add(lesson.line or number, lesson)]


def _over(earlier: ChainMap | None) -> ChainMap:
    return ChainMap() if earlier is None else earlier.new_child()


def _read(lesson: Lesson) -> _Parts:
    if lesson.tokens is not None:
        digest = _digest("tokens", *map(str, lesson.tokens))
        return _Parts(digest, None, digest, None)
    if lesson.text is not None:
        text = _plain(lesson.text)
        sketch = _sketch(_folded(text), _TEXT_SHINGLE)
        return _Parts(_digest("text", text), None, _digest(_folded(text)), (sketch, sketch))
    turns = [(message.role, _plain(message.text)) for message in lesson.messages]
    folded = [word for role, text in turns for word in (role, _folded(text))]
    *asked, role, answer = folded
    question = _digest("question", *asked, role) if asked else None
    sketches = _sketch("\n".join(asked[1::2]), _SHINGLE), _sketch(answer, _SHINGLE)
    return _Parts(_digest("messages", *(word for turn in turns for word in turn)), question, _digest(answer), sketches)


def _plain(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", text).split())


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()


def _digest(*words: str) -> bytes:
    """Of words in order, wherever one ends and the next begins."""
    return sha256(b"".join(len(raw).to_bytes(8) + raw for raw in (word.encode() for word in words))).digest()


def _sketch(text: str, size: int) -> RMinHash:
    """Of the pieces of `size` characters of a text. An ideograph says as much as two letters, so it counts as two."""
    wide = _WIDE.sub(r"\g<0>\g<0>", text)
    sketch = RMinHash(_HASHES, _SEED)
    sketch.update(list({wide[i : i + size] for i in range(max(1, len(wide) - size + 1))}))
    return sketch


def _bands(parts: _Parts) -> Iterable[bytes]:
    """Keys of which two lessons are likely to share one where both their parts are alike."""
    if parts.sketches is None:
        return
    asked, answered = (sketch.digest() for sketch in parts.sketches)
    for band in range(0, _HASHES, _ROWS):
        rows = [band, *asked[band : band + _ROWS], *answered[band : band + _ROWS]]
        yield b"".join(row.to_bytes(4) for row in rows)


def _similarity(one: _Parts, other: _Parts) -> float:
    return min(a.jaccard(b) for a, b in zip(one.sketches, other.sketches, strict=True))
