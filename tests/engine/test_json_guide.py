"""Answers that must be JSON: Python's parser judges, on texts that hypothesis makes and on what random draws would have written."""

import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.json_guide import DEPTH, JsonGrammar
from engine.live_model import EMBEDDED
from models.tokenizer import load_tokenizer
from models.world_tokenizer import world


@pytest.fixture(scope="module", params=["embedded", "world"])
def grammar(request):
    return JsonGrammar(load_tokenizer(EMBEDDED.parent / "tokenizer.json") if request.param == "embedded" else world())


def bytes_of(grammar, tokens):
    return b"".join(grammar._tokens[token] for token in tokens)


LETTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\x7f")
VALUES = st.recursive(st.none() | st.booleans() | st.integers(-10**15, 10**15) | st.floats(-1e9, 1e9).map(lambda x: round(x, 6)) | st.text(LETTERS),
                      lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(LETTERS, max_size=5), inner, max_size=3), max_leaves=8)


EMBEDDED_GRAMMAR = JsonGrammar(load_tokenizer(EMBEDDED.parent / "tokenizer.json"))


@settings(max_examples=40, deadline=None)
@given(document=st.dictionaries(st.text("abcé猫", max_size=5), VALUES, max_size=3), indent=st.sampled_from([None, 1]))
def test_every_beginning_of_a_document_is_taken_and_can_be_closed(document, indent):
    grammar, guide = EMBEDDED_GRAMMAR, EMBEDDED_GRAMMAR.guide()
    raw = json.dumps(document, ensure_ascii=False, indent=indent).encode()
    for at, byte in enumerate(raw):
        end = bytes_of(grammar, guide._end([]))
        assert isinstance(json.loads((raw[:at] + end).decode()), dict) and len(end) < 64 and not guide.done
        assert guide._takes([], byte), raw[: at + 1]
        guide.settle(grammar.single[byte], 10**6)
    assert guide.done


@pytest.mark.parametrize("limit", [2, 3, 5, 13, 60])
def test_random_draws_end_in_time_with_an_object(grammar, limit):
    for seed in range(4):
        draw, guide, tokens = random.Random(seed), grammar.guide(), []
        while not guide.done:
            assert len(tokens) < limit
            choices = guide.allowed().nonzero()[:, 0].tolist()
            assert choices and not any(grammar._tokens[token] == b"" for token in choices)
            structure = [token for token in choices if grammar._tokens[token] and set(grammar._tokens[token]) <= set(b'{}[]",: tfn1-\\u')]
            tokens.append(guide.settle(draw.choice(structure if structure and draw.random() < 0.7 else choices), limit - len(tokens)))
        assert isinstance(json.loads(bytes_of(grammar, tokens).decode()), dict)


def takes(guide, grammar, text):
    """Whether the grammar goes along with a text to its end."""
    for byte in text.encode():
        if guide.done or not guide._takes([], byte):
            return False
        guide.settle(grammar.single[byte], 10**6)
    return True


@pytest.mark.parametrize("text", [
    "[", "1", '{"a" 1', "{,", '{"a":01', '{"a":.5', '{"a":tru ', '{"\\ud800', '{"\n', '{"a":1,}', '{"a":"\\x', '{"a":NaN', '{"a":1e999', "{}}", "\n{", '{"a":1]',
    '{"\x7f'])
def test_what_is_no_object_is_not_written(grammar, text):
    assert takes(grammar.guide(), grammar, text[:1]) == text.startswith("{") and not takes(grammar.guide(), grammar, text)


def test_the_depth_is_bounded(grammar):
    guide = grammar.guide()
    for byte in b'{"a":' + b"[" * (DEPTH - 1):
        guide.settle(grammar.single[byte], 10**6)
    assert not guide._takes([], ord("[")) and not guide._takes([], ord("{")) and guide._takes([], ord("1"))


def test_less_room_than_any_object_needs_is_filled_and_no_more(grammar):
    guide = grammar.guide()
    assert guide.settle(grammar.single[ord("{")], 1) == grammar.single[ord("{")] and not guide.done
