"""Reading a file: which format it has, and plain text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.dataset import read
from models.problem import Problem

ORG = b"* USER Hi\n** ASSISTANT Yo\n"
JSONL = b'{"text": "a"}\n'


@pytest.mark.parametrize(
    ("name", "content", "format"),
    [
        ("a.org", ORG, "org"),
        ("a.JSONL", JSONL, "jsonl"),
        ("a.json", b'[{"text": "a"}]', "jsonl"),
        ("a.TXT", b"{a}", "text"),
        ("a.md", b"* a list\n", "text"),
        ("pasted", b"# note\n" + ORG, "org"),
        ("pasted", b"\n " + JSONL, "jsonl"),
        ("pasted", b"[" + JSONL + b"]", "jsonl"),
        ("pasted", b"Hello *there*\n*and* here", "text"),
    ],
)
def test_the_format_is_known_by_suffix_or_content(name, content, format):  # noqa: A002
    dataset = read(content, name)
    assert (dataset.format, dataset.name, len(dataset.lessons)) == (format, name, 1)
    assert dataset.problems == ()


def test_a_format_that_is_given_holds():
    assert read(ORG, "a.org", "text").lessons[0].text == ORG.decode().strip()
    with pytest.raises(ValueError, match="format must be one of auto, org, jsonl, text, not 'csv'"):
        read(ORG, "a.org", "csv")


@pytest.mark.parametrize("content", [b"", b"\n\n", b"\xef\xbb\xbf\n"])
@pytest.mark.parametrize("name", ["a.org", "a.jsonl", "a.txt", "a"])
def test_nothing_in_it_is_a_problem(name, content):
    dataset = read(content, name)
    assert dataset.lessons == () and dataset.problems == (Problem(1, f"{name} has no lesson in it"),)


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be"])
def test_utf16_is_said(codec):
    with pytest.raises(ValueError, match="a.org is in UTF-16; save it as UTF-8"):
        read(("\ufeff" + ORG.decode()).encode(codec), "a.org")


def test_documents_of_a_text():
    content = b"\xef\xbb\xbf\r\n  One.\r\n\r\nStill one.\r\n\r\n<|endoftext|>\n"
    content += b"<|endoftext|>\n \nTwo <|endoftext|> still.\n <|endoftext|> \n\n"
    dataset = read(content, "a.txt")
    assert [(lesson.text, lesson.line) for lesson in dataset.lessons] == [
        ("  One.\n\nStill one.", 2),
        ("Two <|endoftext|> still.", 9),
    ]
    assert dataset.problems == () and dataset.lessons[0].source == "a.txt"


def test_a_text_without_a_separator_is_one_document():
    assert [lesson.text for lesson in read(b"a\n\nb\n\n\nc\n", "a.txt").lessons] == ["a\n\nb\n\n\nc"]


def test_a_document_that_is_not_utf8_is_left_out():
    dataset = read(b"good\n<|endoftext|>\n\nbad \xff\n<|endoftext|>\ngood too", "a.txt")
    assert [lesson.text for lesson in dataset.lessons] == ["good", "good too"]
    assert [problem.line for problem in dataset.problems] == [4]
    assert "not valid Unicode at character 5" in dataset.problems[0].message


@given(st.lists(st.text(alphabet="ab 你\n", max_size=20), max_size=6))
def test_every_word_of_a_text_is_in_a_document(blocks):
    dataset = read("\n<|endoftext|>\n".join(blocks).encode(), "a.txt")
    assert [lesson.text.split() for lesson in dataset.lessons] == [block.split() for block in blocks if block.strip()]


@given(st.binary(max_size=200), st.sampled_from(["a.org", "a.jsonl", "a.txt", "a"]))
def test_any_bytes_are_read_or_refused_in_a_sentence(content, name):
    try:
        dataset = read(content, name)
    except ValueError as error:
        assert "UTF-16" in str(error)
    else:
        assert dataset.lessons or dataset.problems
