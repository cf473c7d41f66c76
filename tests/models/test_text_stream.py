"""The streaming decoder: however the bytes are cut, the pieces are the whole up to its first stop text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.text_stream import TextStream
from models.vocabulary import Vocabulary


class Chunks(Vocabulary):
    """A vocabulary whose tokens are just the given chunks of bytes."""

    def __init__(self, chunks):
        super().__init__("chunks", "", chunks, end_marker="<end>")

    def stream(self, stop):
        """Push every chunk in turn; returns the stream and its pieces, flush included."""
        stream = TextStream(self, stop)
        pieces = [stream.push(token_id) for token_id in range(self.vocab_size)]
        return stream, [*pieces, stream.flush()]


def cut_at_first_stop(text, stop):
    """The definition, read one character at a time: the stop text complete first; of those ending together the longest."""
    for end in range(1, len(text) + 1):
        met = [each for each in stop if text[:end].endswith(each)]
        if met:
            longest = max(met, key=len)
            return text[: end - len(longest)], longest
    return text, None


letters = st.text(alphabet="ab\n你🐈", max_size=30)
stops = st.lists(st.text(alphabet="ab\n你🐈", min_size=1, max_size=4), max_size=3)
raw_bytes = letters.map(str.encode) | st.binary(max_size=30) | st.lists(
    st.sampled_from([b"\xf0\x9f\x90", b"\xf0", b"\x90\x88", b"\xe4\xbd", b"a", b"\xff", "🐈".encode(), b"\xed\xa0\x80"]), max_size=12
).map(b"".join)


@st.composite
def chunked(draw, source):
    raw = draw(source)
    cuts = sorted(draw(st.lists(st.integers(0, len(raw)), max_size=10)))
    return [raw[a:b] for a, b in zip([0, *cuts], [*cuts, len(raw)], strict=True)]


@given(chunks=chunked(raw_bytes), stop=stops)
def test_the_pieces_are_the_whole_up_to_the_first_stop(chunks, stop):
    whole = b"".join(chunks).decode(errors="replace")
    stream, pieces = Chunks(chunks).stream(stop)
    expected, met = cut_at_first_stop(whole, stop)
    assert "".join(pieces) == stream.text == expected
    assert stream.stopped == met


@given(chunks=chunked(raw_bytes), stop=stops)
def test_nothing_shown_is_ever_taken_back(chunks, stop):
    stream = TextStream(Chunks(chunks), stop)
    whole, _ = cut_at_first_stop(b"".join(chunks).decode(errors="replace"), stop)
    shown = ""
    for token_id in range(len(chunks)):
        shown += stream.push(token_id)
        assert whole.startswith(shown) and stream.text == shown


@given(text=letters, stop=stops)
def test_only_what_may_begin_a_stop_is_held(text, stop):
    stream = TextStream(Chunks([text.encode()]), stop)
    shown = stream.push(0)
    held = text[len(shown) :]
    assert stream.stopped or held == "" or any(each.startswith(held) and each != held for each in stop)


def test_a_character_is_shown_when_it_is_whole():
    stream = TextStream(Chunks([b"\xf0\x9f", b"\x90", b"\x88!"]))
    assert [stream.push(token_id) for token_id in range(3)] == ["", "", "🐈!"]


def test_a_broken_end_becomes_one_mark():
    stream, pieces = Chunks([b"a\xf0\x9f\x90"]).stream([])
    assert pieces == ["a", "\ufffd"]
    assert stream.stopped is None


def test_after_a_stop_nothing_follows():
    stream, pieces = Chunks([b"Wanda.\n", b"\nUser", b": hi", b"\n\n"]).stream(["\n\n"])
    assert pieces == ["Wanda.", "", "", "", ""]
    assert stream.stopped == "\n\n" and stream.text == "Wanda."


def test_a_stop_that_did_not_come_is_given_back():
    assert Chunks([b"1 <", b"e", b"n"]).stream(["<end>"])[1] == ["1 ", "", "", "<en"]


@pytest.mark.parametrize("chunks", [[b"abcd"], [b"a", b"b", b"c", b"d"], [b"abc", b"d"]])
def test_the_stop_that_is_complete_first_ends_the_answer(chunks):
    stream, pieces = Chunks(chunks).stream(["abcd", "c"])
    assert "".join(pieces) == "ab" and stream.stopped == "c"


@pytest.mark.parametrize("stop", [[""], ["a", ""], "abc"])
def test_an_empty_stop_is_refused(stop):
    with pytest.raises(ValueError, match="stop must be a list of texts"):
        TextStream(Chunks([b"a"]), stop)


def test_a_strange_token_is_refused(world):
    with pytest.raises(ValueError, match="token id 65536 is out of range"):
        TextStream(world).push(65536)


@given(text=st.text(max_size=40))
def test_real_tokenizers_stream(tokenizer, text):
    stream = TextStream(tokenizer, ["\n\n"])
    pieces = [stream.push(token_id) for token_id in tokenizer.encode(text)] + [stream.flush()]
    assert "".join(pieces) == text.split("\n\n")[0]
