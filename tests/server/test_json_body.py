"""The strict reader of bodies, without a server: whatever comes in, an object or one sentence."""

import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.json_body import MAX_DEPTH, NotJson, parse

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner),
    max_leaves=20,
)


@given(st.dictionaries(TEXTS, VALUES), st.booleans())
def test_json_objects_are_read_as_they_are(value, ascii_only):
    assert parse(json.dumps(value, ensure_ascii=ascii_only).encode()) == value


@settings(max_examples=300)
@given(st.text(st.sampled_from('{}[]":,\\ u0d8aN1e9-."\n'), max_size=60) | st.text(max_size=40))
def test_anything_else_is_one_sentence(text):
    try:
        value = parse(text.encode("utf-8", "surrogatepass"))
    except NotJson as error:
        assert error.status == 400 and "\n" not in error.message
    else:
        assert isinstance(value, dict) and value == json.loads(text)


@given(st.binary(max_size=60))
def test_any_bytes(data):
    try:
        assert isinstance(parse(data), dict)
    except NotJson as error:
        assert error.message


def nested(levels):
    return b'{"a":' + b"[" * (levels - 1) + b"]" * (levels - 1) + b"}"


def test_the_limit_of_depth():
    assert parse(nested(MAX_DEPTH))
    with pytest.raises(NotJson, match=f"a is nested deeper than {MAX_DEPTH} levels"):
        parse(nested(MAX_DEPTH + 1))


@pytest.mark.parametrize("data, field", [
    (b'{"a": 1, "b": {"c": NaN}}', "b"),
    (b'{"a": 1, "b": [1, 2, 1e999], "c": 1}', "b"),
    (b'{"a": "\\"b\\": ", "c": -Infinity}', "c"),
    ('{"é": "ééé", "b": nan}'.encode(), "b"),
    (b'{"a": "\\ud800", "b": 1}', "a"),
    (b'{"a": "}{", "b": "\xff"}', "b"),
    (b'{"\\u0061": 01}', "a"),
    (b"{1: 2}", None),
    (b'{"a": 1, "x": {"a": 1, "a": 2}}', "x"),
    (b'{"a": 1, "x": {"a": 1}, "a": 2}', "a"),
])
def test_the_field_at_fault_is_named(data, field):
    with pytest.raises(NotJson) as caught:
        parse(data)
    assert caught.value.param == field and (field or "body") in caught.value.message


def test_a_name_does_not_speak_for_itself():
    with pytest.raises(NotJson) as caught:
        parse(b'{"' + b"a" * 10_000 + b'\\n": NaN}')
    assert len(caught.value.message) < 200 and "\n" not in caught.value.message


@pytest.mark.parametrize("data", [
    b'{"a": "' + b'\\"' * 4_000_000,
    b'{"a": "' + b"\\\\" * 4_000_000 + b'"',
    b'"' * 4_000_001,
    b"1" * 8_000_000,
    b'{"a' + b" " * 8_000_000,
    (b'{"a"' + b" " * 1000) * 8000,
])
def test_no_input_takes_more_than_one_pass(data):
    before = time.process_time()
    with pytest.raises(NotJson):
        parse(data)
    assert time.process_time() - before < 10  # a second or so; quadratic would be hours
