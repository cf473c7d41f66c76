"""What every tokenizer keeps: bytes survive, text is only text, ids have limits."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.tokenizer import load_tokenizer

SAMPLES = [
    "",
    "Hello, world!\r\n\r\n\t tabs",
    "我的猫叫汪达。它三岁了。",
    "🐈‍⬛ 👩‍🚀 🇫🇷 e\u0301 \u00e9",
    "\x00\x01\x7f\u0085\u2028\ufeff\U0010ffff",
    "a<|endoftext|>b<|mark|>c",
]
BROKEN = [b"\xff\xfe", b"\xe4\xbd", "\u4f60".encode()[1:], b"ok \xf0\x9f\x90 ok", bytes(range(256)), b"\xc0\x80\xf5"]


@pytest.mark.parametrize("text", SAMPLES)
def test_a_text_survives(tokenizer, text):
    ids = tokenizer.encode(text)
    assert tokenizer.decode(ids) == text
    assert tokenizer.encode_bytes(text.encode()) == ids
    assert all(type(token_id) is int and 0 < token_id < tokenizer.vocab_size for token_id in ids)


@given(text=st.text())
def test_any_text_survives(tokenizer, text):
    assert tokenizer.decode(tokenizer.encode(text)) == text


@pytest.mark.parametrize("raw", BROKEN)
def test_broken_utf8_survives(tokenizer, raw):
    ids = tokenizer.encode_bytes(raw)
    assert tokenizer.decode_bytes(ids) == raw
    assert tokenizer.decode(ids) == raw.decode(errors="replace")


@given(raw=st.binary(max_size=200) | st.lists(st.sampled_from(BROKEN + [s.encode() for s in SAMPLES])).map(b"".join))
def test_any_bytes_survive(tokenizer, raw):
    assert tokenizer.decode_bytes(tokenizer.encode_bytes(raw)) == raw


def test_end_of_text_is_zero_and_decodes_to_nothing(tokenizer):
    assert tokenizer.end_of_text == 0
    assert tokenizer.token_bytes(0) == b""
    assert tokenizer.decode([0, *tokenizer.encode("a"), 0]) == "a"


def test_the_text_of_the_end_marker_is_never_the_end(tokenizer):
    assert 0 not in tokenizer.encode("<|endoftext|>")
    assert 0 not in tokenizer.encode_bytes(b"<|endoftext|>\xff")


@pytest.mark.parametrize("beyond", [-1, 0])
def test_an_id_out_of_range_is_refused(tokenizer, beyond):
    token_id = -1 if beyond else tokenizer.vocab_size
    for decode in (tokenizer.token_bytes, lambda i: tokenizer.decode_bytes([i]), lambda i: tokenizer.decode([i])):
        with pytest.raises(ValueError, match=f"token id {token_id} is out of range"):
            decode(token_id)


def test_every_id_in_range_decodes(tokenizer):
    assert len(tokenizer.decode_bytes(range(tokenizer.vocab_size))) > tokenizer.vocab_size / 2


@pytest.mark.parametrize("text", ["\ud800", "ab\udfff", "\udc80c"])
def test_half_a_surrogate_pair_is_refused(tokenizer, text):
    with pytest.raises(ValueError, match="the text is not valid Unicode at character") as refused:
        tokenizer.encode(text)
    assert type(refused.value) is ValueError  # not the UnicodeEncodeError of some layer below


def test_load_world_and_file(world, train_bpe, tmp_path):
    assert load_tokenizer("world") is world
    path = train_bpe()
    for spec in (path, str(path)):
        loaded = load_tokenizer(spec)
        assert loaded.name == "tokenizer.json"
        assert loaded.digest == hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize(
    "content",
    [None, b"", b"{}", b"[1]", b"\xff\xfe", b'{"model": {"type": "BPE"}}', b"[" * 100_000, b'{"model": null}'],
)
def test_what_is_not_a_tokenizer_is_refused_by_name(tmp_path, content):
    path = tmp_path / "strange.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ValueError, match="strange.json") as refused:
        load_tokenizer(path)
    assert "\n" not in str(refused.value)


def test_a_folder_is_no_tokenizer(tmp_path):
    with pytest.raises(ValueError, match="cannot be read"):
        load_tokenizer(tmp_path)
