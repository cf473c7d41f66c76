"""Texts of others on the page."""

import pytest

from web_ui.words import formatted, free_name, plain, short, slug, thought_and_answer


@pytest.mark.parametrize("text, shown", [
    ("![a](http://example.org/a.png)", "\\![a](http://example.org/a.png)"), ("Hello!", "Hello!"), ("$5", "\\$5"), ("\\$5", "\\$5"),
    (":red[x]", "\\:red[x]"), (":material/delete:", "\\:material/delete:"), (":cat:", "\\:cat:"), ("Note: x", "Note: x"), ("12:30", "12:30"),
    ("**b** `c`", "**b** `c`"),
])
def test_a_models_text_is_formatted_and_fetches_nothing(text, shown):
    assert formatted(text) == shown


def test_a_persons_text_is_shown_letter_by_letter():
    assert plain("# 1 *a* <b> [x](y) :red[z] $1$") == "\\# 1 \\*a\\* \\<b\\> \\[x\\]\\(y\\) \\:red\\[z\\] \\$1\\$" and plain("a\nb") == "a  \nb"


@pytest.mark.parametrize("text, parts", [
    ("<think>a</think>b", ("a", "b")), ("<think>a", ("a", "")), ("b", ("", "b")), ("a <think>", ("", "a <think>")), ("<think>\na\n</think>\n\nb\nc", ("a", "b\nc")),
])
def test_thinking_is_told_from_the_answer(text, parts):
    assert thought_and_answer(text) == parts


def test_a_long_line_is_cut():
    assert short("a  b\nc") == "a b c" and short("x" * 70) == "x" * 59 + "…"


@pytest.mark.parametrize("text, name", [("What is my cat called?", "what-is-my-cat-called"), ("你好", "chat"), ("--", "chat"), ("x" * 99, "x" * 32)])
def test_a_name_is_made_of_the_first_words(text, name):
    assert slug(text) == name


def test_a_name_is_free():
    assert free_name("a", set()) == "a" and free_name("a", {"a", "a-2"}) == "a-3" and free_name("a", {"a"}, between=".") == "a.2"
