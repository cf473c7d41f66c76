"""A long text in pieces that are learned one after another, so that what is done is known between any two."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import accumulate

from models.lesson import Lesson
from models.template import Template
from models.tokenizer import Tokenizer

_LOOK_BACK = 32
"""Bytes of a text that show how it ends."""
_ENDS = (
    re.compile(r"\n\s*\n\Z"),  # of a paragraph
    re.compile(r"\n\s*\Z"),  # of a line
    re.compile(r"([.!?…][\"'”’»)\]]*\s+|[。！？…][”’」』）]*)\Z"),  # of a sentence
    re.compile(r"\s\Z"),  # of a word
)
"""Where a piece may end, best first."""


def pieces(tokens: Sequence[int], tokenizer: Tokenizer, most: int, overlap: int) -> Iterator[tuple[int, int, int]]:
    """Cut tokens into pieces of at most `most`: (start, first new token, stop) of each.

    A later piece begins with the `overlap` tokens before it, as context, and every token is new in exactly one piece. A piece
    ends with a paragraph, else a line, a sentence, a word, a character, if one ends in the second half of what it may add, and
    then as late as it can. ValueError unless 1 <= overlap < most: what begins a piece without context is predicted by nothing.
    """
    if not 1 <= overlap < most:
        raise ValueError(f"overlap must be from 1 to {most - 1}, less than the {most} tokens of a piece, not {overlap}")
    raw = tokenizer.decode_bytes(tokens)
    ends = [0, *accumulate(len(tokenizer.token_bytes(token)) for token in tokens)]
    new = 0
    while new < len(tokens):
        start = max(0, new - overlap)
        stop = min(start + most, len(tokens))
        if stop < len(tokens):
            stop = min(range(stop, new + (stop - new) // 2, -1), key=lambda border: _rank(raw, ends[border]))
        yield start, new, stop
        new = stop


def book(lesson: Lesson, template: Template, most: int, overlap: int) -> list[Lesson]:
    """The pieces of a text, each a lesson of at most `most` tokens with the options, tags and source of the whole.

    Their new tokens, joined, are those of the whole lesson, each trained once. Learned in order with `keep_state` and an overlap
    of 1, a piece goes on from the very state in which the one before ended. ValueError for a lesson that is no text.
    """
    if lesson.text is None:
        raise ValueError("only a text can be learned in pieces")
    begin = len(template.begin)
    tokens = lesson.sample(template).tokens
    return [
        replace(lesson, text=None, tokens=tokens[start:stop], context=max(new, begin) - start)
        for start, new, stop in pieces(tokens, template.tokenizer, most, overlap)
        if stop > begin
    ]


def _rank(raw: bytes, at: int) -> int:
    """How good a border is here: less is better."""
    if at < len(raw) and raw[at] & 0xC0 == 0x80:
        return len(_ENDS) + 1  # inside a character
    tail = raw[max(0, at - _LOOK_BACK) : at].decode("utf-8", errors="ignore")
    if raw[at : at + 1].isspace():
        tail += " "  # many tokens begin with the blank before a word: the word before it ends here
    return next((rank for rank, end in enumerate(_ENDS) if end.search(tail)), len(_ENDS))
