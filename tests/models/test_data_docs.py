"""docs/data.md says what is: its examples are read, and the tables hold."""

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from models.choice import choose
from models.dataset import read
from models.export import FORMS
from models.jsonl import READERS
from models.lesson import VERBS
from models.message import Message
from models.org_writer import Learned, write_back
from models.role import G1_ROLES
from models.role_alias import ALIASES
from models.template import Template

TEXT = (Path(__file__).parents[2] / "docs" / "data.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```(org|jsonl|json|text)\n(.*?)```\nRead as (.*?): (\d+) lessons?, (\d+) messages; (\d+) taught, (\d+) measured, (\d+) set aside\.", TEXT, re.DOTALL)


@pytest.mark.parametrize(("format", "content", "form", "numbers"), [(f, c, form, tuple(map(int, numbers))) for f, c, form, *numbers in EXAMPLES])
def test_an_example_is_read_as_the_line_under_it_says(format, content, form, numbers):  # noqa: A002
    dataset = read(content.encode(), "pasted")
    assert dataset.problems == () and (dataset.form or dataset.format) == form
    choice = choose(dataset.lessons)
    assert numbers == (len(dataset.lessons), sum(len(each.messages) for each in dataset.lessons), *map(len, (choice.taught, choice.measured, choice.set_aside)))


def test_every_form_has_an_example():
    assert {form for *_, found, _, _, _, _, _ in EXAMPLES for form in found.split(", ")} == {"org", *READERS}
    assert len(EXAMPLES) == len(re.findall(r"^```(?:org|jsonl|json|text)$", TEXT, re.MULTILINE)), "an example has no line that says what it is read as"


def test_the_example_of_what_is_written_back():
    (written,) = re.findall(r"```org-written\n(.*?)```", TEXT, re.DOTALL)
    before = re.sub(r":PROPERTIES:.*:END:\n", "", written, flags=re.DOTALL).encode()
    (lesson,) = read(before, "a.org").lessons
    result = Learned(lesson, "lesson-4f2a90c1d7e3", 12, datetime(2026, 3, 1, 8, 30, tzinfo=UTC), 2.5, 0.07)
    assert write_back(before, [result]) == (written.encode(), [])


def test_the_example_of_the_template(world):
    (written,) = re.findall(r"```template\n(.*?)```", TEXT, re.DOTALL)
    said = [Message("system", "Be brief."), Message("user", "What is my cat called?"), Message("assistant", "Wanda.")]
    assert world.decode(Template(G1_ROLES, world).encode(said).tokens) == written


def test_the_tables_have_every_verb_every_form_and_every_other_name():
    assert re.findall(r"^\| `:(\w+):` \|", TEXT, re.MULTILINE) == list(VERBS)
    table = TEXT.partition("## Export")[2]
    assert {form for row in re.findall(r"^\| (`.*?) \|", table, re.MULTILINE) for form in re.findall(r"`(\w+)`", row)} == set(FORMS)
    assert all(re.search(rf"\b{alias}\b", TEXT) for alias in ALIASES)
