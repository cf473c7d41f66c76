"""Markers of special tokens in a text: text, unless they are to be read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config_scripts.schema import load_config
from models.message import Message
from models.role import G1_ROLES
from models.template import Template
from models.text_stream import TextStream
from models.tokenizer import load_tokenizer

END = "<|endoftext|>"
texts = st.lists(st.sampled_from([END, "<|mark|>", "<|endof", "text|>", "User: ", "你好", "🐈"]) | st.text(max_size=5)).map("".join)


def test_the_end_of_a_document_is_one_token(tokenizer):
    assert tokenizer.end_marker == END
    assert tokenizer.encode(END, markers=True) == [tokenizer.end_of_text] == [0]


@given(text=texts)
def test_markers_stand_between_the_pieces_of_a_text(tokenizer, text):
    pieces = [tokenizer.encode(piece, markers=True) for piece in text.split(END)]
    joined = [token for piece in pieces for token in (0, *piece)][1:]
    assert tokenizer.encode(text, markers=True) == joined
    assert tokenizer.decode(joined) == text.replace(END, "")


@given(text=texts)
def test_a_tokenizer_keeps_what_it_was_told(tokenizer, text):
    reading = tokenizer.reading_markers()
    assert reading.reads_markers and not tokenizer.reads_markers
    assert reading.encode(text) == tokenizer.encode(text, markers=True)
    assert reading.encode(text, markers=False) == tokenizer.encode(text) == tokenizer.encode(text, markers=False)
    assert 0 not in tokenizer.encode(text)
    assert reading.encode_bytes(text.encode()) == tokenizer.encode_bytes(text.encode())
    assert reading.decode_bytes(reading.encode_bytes(text.encode())) == text.encode()


def test_the_special_tokens_of_a_file_are_markers(bpe):
    assert bpe.encode("a<|mark|>b", markers=True) == [*bpe.encode("a"), 1, *bpe.encode("b")]


@given(text=texts.map(lambda text: text.replace(END, "")), stop=st.sampled_from([(), ("<|mark|>",)]))
def test_an_answer_with_markers_is_shown_as_it_was_written(tokenizer, text, stop):
    stream = TextStream(tokenizer, stop)
    shown = "".join(map(stream.push, tokenizer.encode(text, markers=True))) + stream.flush()
    assert shown == (text.partition("<|mark|>")[0] if stop else text)


@pytest.mark.parametrize("line, read", [("", False), ("special_markers = false", False), ("special_markers = true", True)])
def test_the_config_decides_for_what_users_write(line, read, train_bpe, tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(f"[model]\n{line}\n", encoding="utf-8")
    given = load_config(path).model.special_markers
    for spec in ("world", train_bpe()):
        loaded = load_tokenizer(spec, given)
        prompt = Template(G1_ROLES, loaded).prompt([Message("user", f"a{END}b")])
        assert prompt.count(0) == 1 + read
        assert loaded.digest == load_tokenizer(spec).digest
