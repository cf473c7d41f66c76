"""A text in pieces: every token is trained once, and pieces end where sense does."""

from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from models.book import book, pieces
from models.lesson import Lesson
from models.role import G1_ROLES
from models.template import Template
from rwkv_models.batch import Batch
from rwkv_models.chunks import token_losses
from tests.rwkv_models.networks import random_network

words = st.lists(st.sampled_from(["The cat. ", "It sat!\n", "\n\n", "我的猫叫汪达。", "世界", "🐈 ", "a", " "]) | st.text(max_size=4), max_size=40).map("".join)
raws = st.lists(words.map(str.encode) | st.binary(max_size=12), max_size=6).map(b"".join)
sizes = st.integers(2, 24).flatmap(lambda most: st.tuples(st.just(most), st.integers(1, most - 1)))


@given(raw=raws, size=sizes)
def test_every_token_is_new_once(tokenizer, raw, size):
    most, overlap = size
    tokens = tokenizer.encode_bytes(raw)
    cut = list(pieces(tokens, tokenizer, most, overlap))
    assert [token for _, new, stop in cut for token in tokens[new:stop]] == tokens
    for start, new, stop in cut:
        assert stop - start <= most and new < stop
        assert start == max(0, new - overlap)
    assert b"".join(tokenizer.decode_bytes(tokens[new:stop]) for _, new, stop in cut) == raw


@given(text=words.filter(bool), size=sizes, begin=st.sampled_from([(), (0,), (0, 5, 0)]))
def test_the_pieces_train_what_the_whole_does(tokenizer, text, size, begin):
    template = Template(G1_ROLES, tokenizer, begin)
    whole = Lesson(text=text, options={"lr": 1e-4}, tags=("t",), source="a.txt", line=7)
    expected = whole.sample(template)
    parts = book(whole, template, *size)
    read, trained = [], []
    for part in parts:
        sample = part.sample(template)
        assert len(sample.tokens) <= size[0] and sample.trained > 0
        assert (part.options, part.tags, part.source, part.line) == (whole.options, whole.tags, whole.source, whole.line)
        assert list(sample.weights) == [0.0] * part.context + [1.0] * (len(sample.tokens) - part.context)
        trained += sample.tokens[part.context :]
        assert sample.weights[0] == 0 or (not read and not begin)  # what nothing predicts is context, but where nothing is before it
        read.append(sample)
    assert tuple(trained) == expected.tokens[len(begin) :]
    assert sum(sample.trained for sample in read) == expected.trained


def text_of(part, template):
    return template.tokenizer.decode(part.tokens[part.context :])


@pytest.mark.parametrize("unit, end", [
    ("One two three. Four five six!\nSeven eight.\n\n", "\n\n"),
    ("One two three. Four five six!\n", "\n"),
    ("One two three, four five. ", ". "),
    ("“One two three?” ", "” "),
    ("one two three four ", " "),
    ("我的猫叫汪达，它三岁了。", "。"),
])
def test_a_piece_ends_where_sense_does(tokenizer, unit, end):
    template = Template(G1_ROLES, tokenizer)
    lesson = Lesson(text=unit * 12)
    most = 2 * len(tokenizer.encode(unit)) + 12
    parts = book(lesson, template, most, 4)
    assert len(parts) > 2
    # Many tokens begin with the blank before a word, which is then the next piece's.
    joint = end.rstrip(" ") if end != " " else ""
    for one, following in pairwise(text_of(part, template) for part in parts):
        assert one.endswith(end) or (one.endswith(joint) and end[len(joint) :] == following[:1] == " ")


def test_a_piece_is_not_cut_in_a_character(tokenizer):
    template = Template(G1_ROLES, tokenizer)
    for part in book(Lesson(text="🐈👩‍🚀龘靐" * 30), template, 17, 5):
        assert "\ufffd" not in text_of(part, template)


def test_a_short_text_is_one_piece(tokenizer):
    template = Template(G1_ROLES, tokenizer)
    (part,) = book(Lesson(text="the cat"), template, 100, 8)
    assert part.sample(template) == Lesson(text="the cat").sample(template)


@pytest.mark.parametrize("most, overlap", [(8, 0), (8, 8), (8, 9), (1, 1), (8, -1)])
def test_sizes_that_cannot_be_are_refused(bpe, most, overlap):
    with pytest.raises(ValueError, match=f"^overlap must be from 1 to {most - 1}, less than the {most} tokens of a piece, not {overlap}"):
        list(pieces([1, 2, 3], bpe, most, overlap))


def test_only_a_text_is_a_book(bpe):
    with pytest.raises(ValueError, match="only a text can be learned in pieces"):
        book(Lesson(tokens=(1, 2)), Template(G1_ROLES, bpe), 8, 2)


def batch(sample):
    return Batch.of([(sample.tokens, sample.weights)])


def test_with_an_overlap_of_one_the_state_goes_on(bpe):
    """The losses of the pieces, each read from the state that the one before left, are those of the whole text."""
    template = Template(G1_ROLES, bpe)
    network = random_network(vocabulary=bpe.vocab_size)
    lesson = Lesson(text="My cat is called Wanda. It is three.\n\n我的猫叫汪达。" * 4)
    whole, _ = token_losses(network, batch(lesson.sample(template)))
    losses, state = [], None
    for part in book(lesson, template, 20, 1):
        sample = part.sample(template)
        found, state = token_losses(network, batch(sample), state)
        losses.append(found[0])
    torch.testing.assert_close(torch.cat(losses), whole[0], rtol=1e-9, atol=1e-9)
