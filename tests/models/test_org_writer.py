"""Write-back: what was learned goes into the file, and nothing else of the file changes."""

import re
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.dataset import read
from models.org_writer import Learned, write_back

WHEN = datetime(2026, 3, 1, 9, 30, 0, 5, tzinfo=timezone(timedelta(hours=1)))
OURS = re.compile(rb"[ \t]*:OUROBOROS_\w+: [^\r\n]*")


def learned(lesson, number=1):
    return Learned(lesson, f"lesson-{number}", number, WHEN, 2.5, 0.07 + number)


def all_learned(content):
    return [learned(lesson, number) for number, lesson in enumerate(read(content, "a.org").lessons, start=1)]


def said(content):
    return [(lesson.messages, dict(lesson.options), lesson.tags) for lesson in read(content, "a.org").lessons]


def without(content, original):
    """The content without our lines, and without drawers that stand empty and are not in the original."""
    lines = [line for line in content.split(b"\n") if not OURS.fullmatch(line.rstrip(b"\r"))]
    kept, at, before = [], 0, original.split(b"\n")
    while at < len(lines):
        here = lines[at].strip(), lines[at + 1].strip() if at + 1 < len(lines) else b""
        if here == (b":PROPERTIES:", b":END:") and before[len(kept) : len(kept) + 2] != lines[at : at + 2]:
            at += 2
        else:
            kept.append(lines[at])
            at += 1
    return b"\n".join(kept)


def test_what_is_written():
    content = b"# mine\n* Cats\n** USER Hi\n** ASSISTANT Yo\n"
    result, problems = write_back(content, [Learned(read(content, "a.org").lessons[0], "lesson-ab", 12, WHEN, 2.50004, 0.07)])
    assert problems == [] and result == (
        b"# mine\n* Cats\n:PROPERTIES:\n:OUROBOROS_LOSS: 0.0700\n:OUROBOROS_LOSS_BEFORE: 2.5000\n:OUROBOROS_VERSION: 12\n"
        b":OUROBOROS_DATE: 2026-03-01T08:30:00Z\n:OUROBOROS_LESSON: lesson-ab\n:END:\n** USER Hi\n** ASSISTANT Yo\n"
    )


def test_a_drawer_that_is_there_is_used_and_what_we_wrote_before_is_replaced_in_place():
    content = b"* T\r\n  SCHEDULED: <2026-01-01>\r\n  :properties:\r\n\t:Ouroboros_loss: 9\r\n  :lr: 1e-4\r\n  :end:\r\n  :LOGBOOK:\r\n  :END:\r\n** USER a\r\n** ASSISTANT b"
    result, _ = write_back(content, all_learned(content))
    lines = result.split(b"\r\n")
    assert lines[:5] == [*content.split(b"\r\n")[:3], b"\t:OUROBOROS_LOSS: 1.0700", b"  :lr: 1e-4"]
    assert lines[5] == b"  :OUROBOROS_LOSS_BEFORE: 2.5000" and lines[9:] == content.split(b"\r\n")[5:]
    assert b"\n" not in result.replace(b"\r\n", b"")


def test_of_two_drawers_the_first_is_the_one_that_emacs_knows():
    content = b"* T\n:PROPERTIES:\n:END:\n:PROPERTIES:\n:END:\n** USER a\n** ASSISTANT b\n"
    result, _ = write_back(content, all_learned(content))
    assert result.startswith(b"* T\n:PROPERTIES:\n:OUROBOROS_LOSS:") and result.endswith(content.removeprefix(b"* T\n:PROPERTIES:\n"))


def test_a_file_that_ends_without_a_line_end_still_does():
    for content in (b"\xef\xbb\xbf* USER only words", b"# x\r\n* USER all\r\nSCHEDULED: <2026-01-01>"):
        content = b"#+PROPERTY: train_on all" + (b"\r\n" if b"\r" in content else b"\n") + content.removeprefix(b"\xef\xbb\xbf")
        result, problems = write_back(content, all_learned(content))
        assert problems == [] and result.startswith(content) and not result.endswith((b"\n", b"\r"))
        assert result.count(b"\n") == result.count(b"\r\n") or b"\r" not in content
        assert said(result) == said(content)


def test_a_lesson_that_moved_is_found_and_one_that_is_gone_is_told():
    lesson = "* {0}\n** USER {0}?\n** ASSISTANT {0}!\n"
    old = "".join(lesson.format(name) for name in "ABC").encode()
    new = ("# new\n\n" + "".join(lesson.format(name) for name in "CXA")).encode()
    result, problems = write_back(new, all_learned(old))
    loss = {each.messages[0].text: line for each in read(result, "a.org").lessons for line in [each.line]}
    lines = result.decode().split("\n")
    assert [lines[loss[name] + 1] for name in ("C?", "A?")] == [":OUROBOROS_LOSS: 3.0700", ":OUROBOROS_LOSS: 1.0700"]
    assert lines[loss["X?"]] == "** USER X?"
    assert [(p.line, p.message) for p in problems] == [(4, "what was learned from this lesson is not written back: it is not in the file any more")]


def test_lessons_that_say_the_same_have_each_their_own():
    content = b"* T\n** USER a\n** ASSISTANT b\n" * 3
    lessons = read(content, "a.org").lessons
    result, problems = write_back(b"\n" + content, [learned(lessons[0], 1), learned(lessons[2], 3), learned(lessons[0], 5)])
    assert problems == [] and re.findall(rb"LOSS: (\S+)", result) == [b"5.0700", b"3.0700"]
    assert result.index(b"3.0700") > result.index(b"* T", result.index(b"* T", result.index(b"5.0700") + 1))


def test_a_file_in_utf16_is_refused():
    with pytest.raises(ValueError, match="UTF-16"):
        write_back("\ufeff* T".encode("utf-16-le"), [])


part = st.sampled_from([
    "* T", "* USER Hi :train:", "* [#B] 你好", "** USER Hi", "** ASSISTANT Yo", "*** ASSISTANT", "words", "", "  indented", "\ttab",
    ":PROPERTIES:", "  :PROPERTIES:", ":END:", "\t:END:", ":lr: 1e-4", ":OUROBOROS_LOSS: 9.0000", "SCHEDULED: <2026-01-01>", ":LOGBOOK:",
    "# note", "#+begin_src c", "\ufeff* T", "* T\r", "\x0c", "| a | b |", "#+PROPERTY: train_on all",
])  # fmt: skip
GOOD = ["* T", "** USER Hi", "** ASSISTANT Yo"]
files = st.builds(
    lambda parts, end, last, mark: mark + (end.join(x for each in parts for x in each) + last).encode(),
    st.lists(st.just(GOOD) | st.lists(part, max_size=6), max_size=5), st.sampled_from(["\n", "\r\n"]), st.sampled_from(["", "\n", "\r\n", "\n\n"]), st.sampled_from([b"", b"\xef\xbb\xbf"]),
)  # fmt: skip


@given(files)
def test_nothing_but_our_lines_is_other_than_before(content):
    original = b"\n".join(line for line in content.split(b"\n") if not OURS.fullmatch(line.rstrip(b"\r")))
    results = all_learned(original)
    result, problems = write_back(original, results)
    assert problems == []
    if result != original and not original.endswith(b"\n") and not without(result, original).endswith(b"\n"):
        assert without(result, original).rstrip(b"\r\n") == original.rstrip(b"\r\n")
    else:
        assert without(result, original) == original
    assert result.count(b"OUROBOROS_LOSS:") == original.count(b"OUROBOROS_LOSS:") + len(results)


@given(files)
def test_what_is_read_afterwards_is_what_was_read_before(content):
    result, problems = write_back(content, all_learned(content))
    assert problems == [] and said(result) == said(content)
    assert [p.message for p in read(result, "a.org").problems] == [p.message for p in read(content, "a.org").problems]
    again = [Learned(each.lesson, "lesson-x", 99, datetime.now(UTC), 1.0, 0.5) for each in all_learned(content)]
    assert write_back(result, again) == write_back(content, again), "written twice is written once"
