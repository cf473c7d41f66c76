"""The World tokenizer gives the ids of the `rwkv` package's own."""

import hashlib
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rwkv.rwkv_tokenizer import TRIE_TOKENIZER

import models.world_tokenizer
from models.world_tokenizer import VOCABULARY_FILE, WorldTokenizer


@pytest.fixture(scope="module")
def vocabulary_path(world):
    return models.world_tokenizer.Path(models.world_tokenizer.importlib.util.find_spec("rwkv").origin).parent / VOCABULARY_FILE


@pytest.fixture(scope="module")
def official(vocabulary_path):
    return TRIE_TOKENIZER(str(vocabulary_path))


pieces = st.sampled_from(["the ", "The", "\n\n", "\n", "  ", "User:", "Assistant: ", "你好", "世界", "🐈", "é", "\r\n", "0123", "==", "#+"])
texts = st.lists(pieces | st.text(max_size=8), max_size=40).map("".join)


@given(text=texts)
def test_ids_of_texts_are_the_official_ones(world, official, text):
    assert world.encode(text) == official.encode(text)


@given(raw=st.lists(texts.map(str.encode) | st.binary(max_size=12), max_size=8).map(b"".join))
def test_ids_of_bytes_are_the_official_ones(world, official, raw):
    assert world.encode_bytes(raw) == official.encodeBytes(raw)


def test_every_word_of_the_vocabulary_is_its_own_token(world, official):
    for token_id, word in official.idx2token.items():
        assert world.token_bytes(token_id) == word
        assert world.encode_bytes(word) == [token_id]


def test_known_ids(world, vocabulary_path):
    assert world.encode("\n\n") == [261]
    assert world.encode("\n") == [11]
    assert world.vocab_size == 65536
    assert world.decode_bytes(range(65530, 65536)) == b""
    assert world.digest == hashlib.sha256(vocabulary_path.read_bytes()).hexdigest()


def test_nothing_of_the_package_is_imported():
    code = "import sys; from models.tokenizer import load_tokenizer; load_tokenizer('world'); print('rwkv' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "False"


def test_another_file_is_refused_by_name(vocabulary_path, tmp_path):
    lines = vocabulary_path.read_bytes().split(b"\r\n")
    broken = {
        "empty": b"",
        "text": b"hello world\n",
        "gap": b"\n".join(lines[:300] + lines[301:]),
        "length": b"\n".join([*lines[:300], b"301 'ab' 7", *lines[301:]]),
        "literal": b"\n".join([*lines[:300], b"301 open('x') 2", *lines[301:]]),
        "syntax": b"\n".join([*lines[:300], b"301 'a 2", *lines[301:]]),
        "short": b"\n".join(lines[:100]),
    }
    for name, content in broken.items():
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(ValueError, match=f"{name}: not a "):
            WorldTokenizer(path)
    with pytest.raises(ValueError, match="absent: the World vocabulary cannot be read"):
        WorldTokenizer(tmp_path / "absent")


def test_a_missing_package_is_said(monkeypatch):
    monkeypatch.setattr(models.world_tokenizer.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match="needs the package 'rwkv'"):
        models.world_tokenizer.world.__wrapped__()
