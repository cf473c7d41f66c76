"""Answers that are JSON, whatever the model would like to write: which tokens may come next, and how to end in time.

The grammar is enforced by `llguidance` over the bytes of the vocabulary. It allows one object, nested at most DEPTH deep, without
halves of surrogate pairs and with numbers that stay finite, so that every JSON parser reads it.
"""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import torch
from llguidance import LLMatcher, LLTokenizer, TokenizerWrapper
from torch import Tensor

from models.tokenizer import Tokenizer

DEPTH = 16
LONGEST_END = 64
"""More tokens than any unfinished answer needs to be closed; with more than that left, nothing needs to be watched."""

IN_A_TEXT, BEYOND_A_TEXT = b'"', b'}]":0rueals\x80\x90\xa0{'
"""Bytes in the order in which they are tried to close what is open: the first one that the grammar takes leads to an end."""

TERMINALS = r"""
OPENING: " "
WS: /[ ]?|\n[ ]{0,16}/
NUMBER: /-?(0|[1-9][0-9]{0,15})(\.[0-9]{1,16})?([eE][+-]?[0-9]{1,2})?/
LITERAL: "true" | "false" | "null"
STRING: /"([^"\\\x00-\x1f\x7f]|\\(["\\\/bfnrt]|u([0-9a-cA-CefEF][0-9a-fA-F]|[dD][0-7])[0-9a-fA-F]{2}))*"/
"""


class JsonGrammar:
    """JSON over one vocabulary; made once, as it goes through all tokens."""

    def __init__(self, tokenizer: Tokenizer):
        self._tokens = tokens = [tokenizer.token_bytes(token) for token in range(tokenizer.vocab_size)]
        self.single = {word[0]: token for token, word in reversed(list(enumerate(tokens))) if len(word) == 1}
        described = _Callable(tokenizer, eos_token_id=tokenizer.end_of_text, bos_token_id=None, tokens=tokens,
                              special_token_ids=[tokenizer.end_of_text])
        self._vocabulary = LLTokenizer(TokenizerWrapper(described))
        self._rules = LLMatcher.grammar_from_lark(rules())

    @property
    def vocabulary(self) -> int:
        """How many tokens there are."""
        return len(self._tokens)

    def guide(self) -> JsonGuide:
        """A guide for one answer."""
        return JsonGuide(self, LLMatcher(self._vocabulary, self._rules))


class _Callable(SimpleNamespace):
    """A vocabulary as `llguidance` asks for it."""

    def __init__(self, tokenizer: Tokenizer, **facts):
        super().__init__(**facts)
        self._encode = tokenizer.encode_bytes

    def __call__(self, raw: bytes) -> list[int]:
        return self._encode(raw)


class JsonGuide:
    """Leads one answer. Each token: `allowed`, a draw among these, `settle`."""

    def __init__(self, grammar: JsonGrammar, matcher: LLMatcher):
        self._grammar = grammar
        self._matcher = matcher

    @property
    def done(self) -> bool:
        """The object is closed: nothing may follow."""
        return self._matcher.is_accepting()

    def allowed(self) -> Tensor:
        """Which tokens may come next, bool [V]."""
        bits = np.unpackbits(np.frombuffer(self._matcher.compute_bitmask(), np.uint8), count=self._grammar.vocabulary, bitorder="little")
        return torch.from_numpy(bits).bool()

    def settle(self, token: int, left: int) -> int:
        """Take `token`, one of the allowed; or, where the answer could then not end within `left` tokens (this one among them), the
        first of those that end it now. Returns the token that was taken."""
        if left <= LONGEST_END:
            end = self._end([])
            if len(end) <= left < 1 + len(self._end([token])):
                token = end[0]
        if not self._matcher.consume_token(token):
            raise RuntimeError(f"the JSON grammar took token {token} back: {self._matcher.get_error()}")
        return token

    def _end(self, path: list[int]) -> list[int]:
        """Single-byte tokens that close everything that is open after the tokens of `path`."""
        begun, single = len(path), self._grammar.single
        path = list(path)
        while True:
            order = IN_A_TEXT if self._takes(path, ord("z")) else BEYOND_A_TEXT
            follower = next((single[byte] for byte in order if self._takes(path, byte)), None)
            if follower is None:
                return path[begun:]
            path.append(follower)

    def _takes(self, path: list[int], byte: int) -> bool:
        """Whether the grammar goes on from `path` with that byte."""
        token = self._grammar.single.get(byte)
        return token is not None and self._matcher.validate_tokens([*path, token]) == len(path) + 1


def rules() -> str:
    """The grammar, in the Lark form that `llguidance` reads: a copy of the rules for each depth."""
    lines = ["start: OPENING? object0"]
    for depth in range(DEPTH):
        nested = f"object{depth + 1} | array{depth + 1} | " if depth + 1 < DEPTH else ""
        after = " WS" if depth else ""  # nothing follows the last brace
        lines += [
            f'object{depth}: "{{" WS (pair{depth} ("," WS pair{depth})*)? "}}"{after}',
            f'pair{depth}: STRING WS ":" WS value{depth}',
            f"value{depth}: {nested}STRING WS | NUMBER WS | LITERAL WS",
        ]
        if depth:
            lines.append(f'array{depth}: "[" WS (value{depth} ("," WS value{depth})*)? "]" WS')
    return "\n".join(lines) + TERMINALS
