"""Lessons from org files."""

import textwrap
import time
from pathlib import Path

import orgparse
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.dataset import read
from models.message import Message
from models.org_outline import read_outline
from models.role import G1_ROLES, Role, Roles
from models.template import Template

GOOD = """
* USER And my dog?
** ASSISTANT Rex.
"""


def load(text, roles=G1_ROLES):
    return read(textwrap.dedent(text).encode(), "lessons.org", "org", roles)


def lesson(text):
    """The one lesson of a text that has no problem."""
    dataset = load(text)
    assert dataset.problems == ()
    (only,) = dataset.lessons
    return only


def problems(text, roles=G1_ROLES):
    """The problems of a text, with a good lesson after it that must load whatever comes before."""
    dataset = load(text + GOOD, roles)
    assert dataset.lessons[-1].messages == (Message("user", "And my dog?"), Message("assistant", "Rex."))
    return [(problem.line, problem.message) for problem in dataset.problems], dataset.lessons[:-1]


def test_a_title_with_messages_under_it():
    read_lesson = lesson(
        """\
        # A note for people.
        #+TITLE: Cats

        * Cats
        ** USER What is my cat called?
        ** ASSISTANT Your cat is called Wanda.
        *** USER Since when?
        ** ASSISTANT
        Since today.

        She likes it.
        """
    )
    assert [(message.role, message.text) for message in read_lesson.messages] == [
        ("user", "What is my cat called?"),
        ("assistant", "Your cat is called Wanda."),
        ("user", "Since when?"),
        ("assistant", "Since today.\n\nShe likes it."),
    ]
    assert (read_lesson.source, read_lesson.line) == ("lessons.org", 4)


def test_a_heading_of_one_star_may_be_the_first_message():
    assert lesson("* USER Hi\n** ASSISTANT Yo").messages == (Message("user", "Hi"), Message("assistant", "Yo"))


def test_each_heading_of_one_star_opens_a_lesson():
    dataset = load(GOOD + GOOD)
    assert [each.line for each in dataset.lessons] == [2, 5]


def test_crlf_and_a_byte_order_mark():
    text = "* T :train:\n:PROPERTIES:\n:epochs: 3\n:END:\n** USER Hi\n** ASSISTANT\na\n\n  b\n"
    same = [read(each, "a.org").lessons for each in (text.encode(), b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())]
    assert same[0] == same[1]
    assert same[0][0].messages[1].text == "a\n\n  b" and same[0][0].options == {"epochs": 3}


@pytest.mark.parametrize("word", ["USER", "user", "User", "uSeR"])
def test_a_role_is_a_role_in_any_case(word):
    assert lesson(f"* T\n** {word} Hi\n** ASSISTANT Yo").messages[0] == Message("user", "Hi")


def test_a_title_may_begin_with_the_name_of_a_role():
    assert lesson("* System requirements\n** USER Hi\n** ASSISTANT Yo").messages[0] == Message("user", "Hi")
    assert lesson("* User\nHi\n** ASSISTANT Yo").messages[0] == Message("user", "Hi")
    assert lesson("* User [#B]\nHi\n** ASSISTANT Yo").messages[0] == Message("user", "Hi", weight=0.8)
    assert lesson("#+TODO: User\n* User guide\n** ASSISTANT Yo").messages[0] == Message("user", "guide")


def test_keywords_that_the_file_declares():
    text = "#+SEQ_TODO: HUMAN(h)|GPT(g)\n* T\n** HUMAN Hi\n** GPT Yo"
    assert lesson(text).messages == (Message("user", "Hi"), Message("assistant", "Yo"))


def test_roles_of_our_own():
    roles = Roles([Role("猫", "猫：", "\n"), Role("狗", "狗：", "\n", answers=True)])
    dataset = load("* 猫 你好\n** 狗\u3000你也好", roles)
    assert dataset.lessons[0].messages == (Message("猫", "你好"), Message("狗", "你也好"))


@pytest.mark.parametrize(("title", "weights"), [("T", [1.0, 1.0, 0.8, 0.6, 1.0]), ("[#C] T", [0.6, 1.0, 0.8, 0.6, 0.6])])
def test_priorities_are_weights(title, weights):
    text = f"* {title}\n** USER Hi\n** ASSISTANT [#A] a\n** ASSISTANT [#B] b\n** ASSISTANT [#C] c\n** ASSISTANT d"
    assert [message.weight for message in lesson(text).messages] == weights


def test_tags():
    read_lesson = lesson("#+FILETAGS: :mine:\n* T :train:reset:\n** USER Hi :benchmark:\n** ASSISTANT a :no_loss:\n** ASSISTANT b")
    assert read_lesson.tags == ("mine", "train", "reset", "benchmark")
    assert [message.no_loss for message in read_lesson.messages] == [False, True, False]
    found, _ = problems("* T :no_loss:\n** USER Hi\n** ASSISTANT a")
    assert found == [(1, "the lesson is left out: every answer of it is kept from the loss")]


def test_a_no_loss_on_a_first_message_is_that_message_alone():
    assert [m.no_loss for m in lesson("* USER Hi :no_loss:\n** ASSISTANT a").messages] == [True, False]


def test_a_colon_in_the_words_is_no_tag():
    assert lesson("* T\n** USER Is it 3:4:\n** ASSISTANT Yes :yes").messages[0].text == "Is it 3:4:"


def test_properties_are_options():
    read_lesson = lesson(
        """\
        #+PROPERTY: lr 1e-4
        #+PROPERTY: epochs 2
        * T
        SCHEDULED: <2024-02-30 Fri>
        :PROPERTIES:
        :ID: 8ef0
        :MODE: wani-bot
        :Until-Loss: 0.3
        :epochs: 5
        :END:
        :LOGBOOK:
        - a note
        :END:
        ** USER Hi
        ** ASSISTANT
        :PROPERTIES:
        :keep_state: true
        :END:
        Yo
        """
    )
    assert read_lesson.options == {"lr": 1e-4, "epochs": 5, "mode": "wani-bot", "until_loss": 0.3, "keep_state": True}
    assert read_lesson.messages[1].text == "Yo"


def test_train_on_all_needs_no_answer():
    assert lesson("* USER Just words.\n:PROPERTIES:\n:train_on: all\n:END:\n").options == {"train_on": "all"}


def test_a_body_keeps_its_shape():
    body = "  def f():\n      # says hi\n      return 1\n\n  ,* not a heading\n  ,#+not a setting\n  ,,* one comma"
    kept = "def f():\n    # says hi\n    return 1\n\n* not a heading\n#+not a setting\n,* one comma"
    text = f"* T\n** USER Hi\n** ASSISTANT\n{body}\n\n# a comment\n#+STARTUP: x\n\n"
    assert lesson(text).messages[1].text == kept


def test_a_block_keeps_its_end():
    assert lesson("* USER Hi\n** ASSISTANT\n#+begin_src c\n# x\n#+end_src\n# gone").messages[1].text == (
        "#+begin_src c\n# x\n#+end_src"
    )


def test_a_section_of_notes_may_be_skipped():
    for notes in ("anything\n", "anything\n** A plan\nmore\n*** USER\n", "** USER Hi\n** ROBOT beep\n"):
        assert load("* Notes :skip:\n" + notes + GOOD).problems == ()
    skipped = load("* T :Skip:\n** USER Hi\n** ASSISTANT Yo\n").lessons[0]
    assert skipped.verbs == {"skip"} and not skipped.taught


def test_properties_that_tell_what_was_learned_are_no_options():
    assert lesson("* T\n:PROPERTIES:\n:Ouroboros_loss: 0.1\n:lr: 0.5\n:END:\n** USER Hi\n** ASSISTANT Yo").options == {"lr": 0.5}


def test_tables_and_blocks_are_taken_as_they_stand():
    body = "| a | b |\n|---+---|\n| 1 | 2 |\n#+TBLFM: $1=2\n\n#+begin_src python\ndef f():\n    return ':END:'\n#+end_src\n:PROPERTIES:\n:x: y\n:END:\nCLOCK: [2024-02-31]"
    for end in ("\n", "\r\n"):
        text = f"* T\n** USER Hi\n** ASSISTANT\n{body}\n".replace("\n", end)
        dataset = read(text.encode(), "a.org")
        assert dataset.problems == () and dataset.lessons[0].messages[1].text == body


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_ten_megabytes_are_read_in_seconds(end):
    block = f"* Cats :train:{end}:PROPERTIES:{end}:until_loss: 0.3{end}:END:{end}** USER What is my cat called?{end}** ASSISTANT{end}"
    block += f"Your cat is called Wanda, and she likes to sleep on the warm stove.{end}" * 8
    count = 10_000_000 // len(block) + 1
    begun = time.process_time()
    dataset = read((block * count).encode(), "a.org")
    assert len(dataset.lessons) == count and dataset.problems == ()
    assert time.process_time() - begun < 10


def test_a_label_beside_a_text_is_said_once():
    found, lessons = problems("* T\n** USER a label\nthe text\n** ASSISTANT another\nthe answer\n")
    assert [message.text for message in lessons[0].messages] == ["the text", "the answer"]
    assert found == [
        (2, "'a label' is taken as a label: where text stands under a heading, that alone is the message (said once a file)")
    ]


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("* T\n** USER Hi\n** ROBOT beep\n", 3, "'ROBOT' is not a role: a message begins with one of SYSTEM, USER, ASSISTANT"),
        ("#+TODO: ROBOT\n* ROBOT beep\n** ASSISTANT Yo\n", 2, "'ROBOT' is not a role"),
        ("* T\n** USER\n** ASSISTANT Yo\n", 2, "the message of USER is empty"),
        ("* T\n** USER [#A] :train:\n# comment\n** ASSISTANT Yo\n", 2, "the message of USER is empty"),
        ("* USER Hi\n", 1, "the lesson is left out: no message of it answers"),
        ("* T\n\n", 1, "'T' has no message under it"),
        ("* T\nlost words\n** USER Hi\n** ASSISTANT Yo\n", 1, "the text under 'T' has no role"),
        ("** Lost\n*** USER Hi\n*** ASSISTANT Yo\n", 1, "a lesson begins with a heading of one star"),
        ("* T\n** USER Hi\n:PROPERTIES:\n:lr: 1\n** ASSISTANT Yo\n", 3, "the drawer has no :END:"),
        ("* T\n:PROPERTIES:\n:lr: 1\n** USER Hi\n** ASSISTANT Yo\n", 2, "the drawer has no :END:"),
    ],
)
def test_a_lesson_that_cannot_be_read_is_left_out_and_said(text, line, reason):
    found, lessons = problems(text)
    assert [each for each, _ in found] == [line]
    assert found[0][1].startswith(reason)
    assert lessons == ()


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("words before\n* T\n** USER Hi\n** ASSISTANT Yo\n", 1, "text before the first heading belongs to no lesson"),
        ("* T\n** USER Hi\n** ASSISTANT [#D] Yo\n", 3, "the priority D has no weight and is left out; there are A (1), B (0.8)"),
        ("* T\n:PROPERTIES:\n:colour: red\n:END:\n** USER Hi\n** ASSISTANT Yo\n", 3, "'colour' is not an option of a lesson"),
        ("* T\n:PROPERTIES:\nnonsense\n:END:\n** USER Hi\n** ASSISTANT Yo\n", 3, "'nonsense' is not an option of a lesson"),
        ("* T\n:PROPERTIES:\n:lr: fast\n:END:\n** USER Hi\n** ASSISTANT Yo\n", 3, "lr must be a number from 0 to 1, but not 0"),
        ("#+PROPERTY: lr 7\n* T\n** USER Hi\n** ASSISTANT Yo\n", 1, "lr must be a number from 0 to 1, but not 0"),
        ("* T\n:PROPERTIES:\n:lr: 0.1\n:LR: 0.2\n:END:\n** USER Hi\n** ASSISTANT Yo\n", 4, "lr was set to 0.1 before; that stays"),
    ],
)
def test_a_setting_that_cannot_be_read_is_said_and_the_lesson_loads(text, line, reason):
    found, lessons = problems(text)
    assert [each for each, _ in found] == [line]
    assert found[0][1].startswith(reason)
    assert [message.text for message in lessons[0].messages] == ["Hi", "Yo"]


def test_all_faults_of_a_lesson_are_said_in_order():
    found, _ = problems("#+PROPERTY: x y\n* T\nlost\n** USER\n** ROBOT beep\n* S\n** no\n** ASSISTANT [#Z] Yo\n")
    assert [line for line, _ in found] == [1, 2, 4, 5, 7, 8]


def test_bytes_that_are_not_utf8_cost_one_lesson():
    dataset = read(b"* USER Hi\n** ASSISTANT caf\xe9\n" + GOOD.encode(), "a.org")
    assert [lesson.line for lesson in dataset.lessons] == [4]
    assert [(p.line, "not valid Unicode" in p.message) for p in dataset.problems] == [(2, True)]


def test_a_date_that_does_not_exist_is_only_text():
    assert lesson("* T\n** USER On <2024-13-45>?\n** ASSISTANT [2024-99-99]").messages[0].text == "On <2024-13-45>?"


@pytest.mark.parametrize("junk", [":" * 200_000, "a:" * 100_000, " :" * 100_000, " " * 200_000 + "x", "[#A]" * 50_000, "*" * 200_000])
def test_a_long_heading_takes_no_time(junk):
    begun = time.process_time()
    load(f"* {junk}\n** USER {junk} x\n** ASSISTANT {junk}\n{junk}")
    assert time.process_time() - begun < 2


words = st.lists(st.sampled_from(["Hello", "there", "你好", "a:b", "[x]", "=c=", "#", "TODO", "3*4"]), min_size=1, max_size=5)
heading = st.tuples(
    st.integers(1, 4),
    st.sampled_from(["", "USER ", "ASSISTANT "]),
    st.sampled_from(["", "[#A] ", "[#9] "]),
    words.map(" ".join),
    st.sampled_from(["", " :train:", " :a:no_loss:"]),
)


@given(st.lists(heading, min_size=1, max_size=8))
def test_ordinary_headings_are_read_as_orgparse_reads_them(headings):
    text = "#+TODO: USER | ASSISTANT\n" + "".join(f"{'*' * n} {a}{b}{c}{d}\n" for n, a, b, c, d in headings)
    ours = read_outline(text, lambda word, level, alone, declared: word in declared).headings
    theirs = orgparse.loads(text).env.nodes[1:]
    assert [(h.line, h.level, h.keyword, h.priority, h.words, set(h.tags)) for h in ours] == [
        (n.linenumber, n.level, n.todo, n.priority, n.get_heading("raw"), n.shallow_tags) for n in theirs
    ]


@given(st.text(alphabet="*# :[]AUSER\n\r\t,x你", max_size=80) | st.binary(max_size=60).map(lambda raw: raw.decode("latin-1")))
def test_any_file_is_read_without_a_crash(text):
    dataset = read(text.encode(), "any.org")
    assert dataset.lessons or dataset.problems
    lines = text.replace("\r\n", "\n").count("\n") + 1
    assert all(1 <= problem.line <= lines for problem in dataset.problems)


def test_the_sample_lessons_load_without_a_problem(bpe, world):
    content = (Path(__file__).parents[2] / "data" / "sft.org").read_bytes()
    dataset = read(content, "sft.org")
    assert dataset.problems == ()
    assert len(dataset.lessons) >= 30
    spoken = [any("\u4e00" <= letter <= "\u9fff" for message in each.messages for letter in message.text) for each in dataset.lessons]
    assert 8 <= sum(spoken) <= len(spoken) - 8
    assert len({each.messages for each in dataset.lessons}) == len(dataset.lessons)
    for each in dataset.lessons:
        assert 0 < each.sample(Template(G1_ROLES, world)).trained <= 200
        assert "train" in each.tags or "benchmark" in each.tags
