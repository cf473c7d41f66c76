"""Byte-level BPE files: what is special stays so, what is text stays text."""

import pytest
import tokenizers
from tokenizers import AddedToken, normalizers, pre_tokenizers, processors

from models.json_tokenizer import BYTE_SYMBOLS, JsonTokenizer


def test_the_byte_symbols_are_those_of_the_package():
    assert sorted(BYTE_SYMBOLS) == sorted(pre_tokenizers.ByteLevel.alphabet())
    for text in ("aÿ\n é你🐈", "\x00\x7f\u00a0\u00ad"):
        split = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False).pre_tokenize_str(text)
        assert "".join(BYTE_SYMBOLS[b] for b in text.encode()) == "".join(piece for piece, _ in split)


def test_a_special_token_is_its_text_when_read_and_never_written(bpe):
    assert bpe.token_bytes(1) == b"<|mark|>"
    assert 1 not in bpe.encode("a<|mark|>b")
    assert bpe.decode(bpe.encode("a<|mark|>b")) == "a<|mark|>b"


def test_an_added_word_that_is_not_special_is_a_word(train_bpe):
    added = JsonTokenizer(train_bpe(change=lambda wrapped: wrapped.add_tokens(["WANDA 🐈"])))
    ids = added.encode("my WANDA 🐈!")
    assert added.vocab_size - 1 in ids
    assert added.decode(ids) == "my WANDA 🐈!"


def test_nothing_is_added_cut_or_padded(train_bpe, bpe):
    def change(wrapped):
        wrapped.post_processor = processors.TemplateProcessing(single="<|mark|> $A", special_tokens=[("<|mark|>", 1)])
        wrapped.enable_truncation(max_length=3)
        wrapped.enable_padding(length=50)

    text = "hello there, the cat sat on the mat"
    assert JsonTokenizer(train_bpe(change=change)).encode(text) == bpe.encode(text)


def test_a_normalizer_holds_for_text_but_not_for_bytes(train_bpe):
    normalizing = JsonTokenizer(train_bpe(change=lambda wrapped: setattr(wrapped, "normalizer", normalizers.NFC())))
    apart = "e\u0301"
    assert normalizing.decode(normalizing.encode(apart)) == "\u00e9"
    assert normalizing.decode_bytes(normalizing.encode_bytes(apart.encode())) == apart.encode()
    assert normalizing.encode_bytes(b"hello there") == normalizing.encode("hello there")


def test_a_byte_without_a_token_is_refused_not_dropped(train_bpe):
    poor = JsonTokenizer(train_bpe(alphabet=[]))
    assert poor.decode(poor.encode("the cat")) == "the cat"
    for encode in (lambda: poor.encode("zebra ÿ"), lambda: poor.encode_bytes(b"\xff")):
        with pytest.raises(ValueError, match="tokenizer.json has no token for the byte 0x"):
            encode()


def test_ids_without_a_token_decode_to_nothing(train_bpe, tmp_path):
    raw = train_bpe(special=("<|endoftext|>",)).read_text()
    last = tokenizers.Tokenizer.from_str(raw).get_vocab_size() - 1
    path = tmp_path / "hole.json"
    path.write_text(raw.replace(f": {last}\n", f": {last + 5}\n"))
    holed = JsonTokenizer(path)
    assert holed.vocab_size == last + 6
    assert holed.token_bytes(last) == b"" and holed.token_bytes(last + 5) != b""


def test_token_zero_must_end_a_text(train_bpe):
    with pytest.raises(ValueError, match="tokenizer.json: token 0 must be"):
        JsonTokenizer(train_bpe(special=()))


def test_token_zero_must_be_special(train_bpe):
    def change(wrapped):
        wrapped.add_tokens([AddedToken("!", special=False)])

    with pytest.raises(ValueError, match="token 0 must be"):
        JsonTokenizer(train_bpe(alphabet=["!"], special=(), change=change))


def test_other_kinds_of_tokenizer_are_refused(train_bpe, tmp_path):
    word_level = tokenizers.Tokenizer(tokenizers.models.WordLevel({"<|endoftext|>": 0, "a": 1}, unk_token="a"))
    word_level.save(str(tmp_path / "words.json"))
    with pytest.raises(ValueError, match="words.json: the tokenizer is not a byte-level BPE"):
        JsonTokenizer(tmp_path / "words.json")
    word_level.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    word_level.save(str(tmp_path / "words.json"))
    with pytest.raises(ValueError, match="words.json: the tokenizer is not a byte-level BPE"):
        JsonTokenizer(tmp_path / "words.json")
    with pytest.raises(ValueError, match="not a byte-level BPE"):
        JsonTokenizer(train_bpe(change=lambda wrapped: setattr(wrapped, "pre_tokenizer", pre_tokenizers.Whitespace())))
    spaced = pre_tokenizers.ByteLevel(add_prefix_space=True)
    with pytest.raises(ValueError, match="puts a space before every text"):
        JsonTokenizer(train_bpe(change=lambda wrapped: setattr(wrapped, "pre_tokenizer", spaced)))
    with pytest.raises(ValueError, match="not written in byte-level symbols"):
        JsonTokenizer(train_bpe(alphabet=["▁"]))


def test_a_byte_level_step_inside_a_sequence_is_found(train_bpe):
    def change(wrapped):
        steps = [pre_tokenizers.Digits(), pre_tokenizers.ByteLevel(add_prefix_space=False)]
        wrapped.pre_tokenizer = pre_tokenizers.Sequence(steps)

    nested = JsonTokenizer(train_bpe(change=change))
    assert nested.decode(nested.encode("42 cats")) == "42 cats"
