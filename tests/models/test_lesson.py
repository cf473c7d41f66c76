"""Lessons, and the options they may carry."""

import pytest
from pydantic import ValidationError

from engine.options import TrainOptions
from models.lesson import Lesson
from models.lesson_options import OPTIONS, read_option
from models.message import Message
from models.role import G1_ROLES
from models.template import Template

ASKED = Message("user", "My cat?")
ANSWERED = Message("assistant", "Wanda.")


@pytest.fixture(scope="module")
def template(bpe):
    return Template(G1_ROLES, bpe)


@pytest.mark.parametrize(
    "fields", [{}, {"text": ""}, {"tokens": ()}, {"text": "a", "tokens": (1,)}, {"messages": (ASKED,), "text": "a"}]
)
def test_a_lesson_is_one_thing(fields):
    with pytest.raises(ValueError, match="a lesson needs one of messages, text and tokens"):
        Lesson(**fields)


def test_a_conversation(template):
    lesson = Lesson([ASKED, ANSWERED])
    assert lesson.sample(template) == template.encode([ASKED, ANSWERED], "response")
    assert lesson.sample(template, "all") == template.encode([ASKED, ANSWERED], "all")


def test_its_own_train_on_holds_unless_the_caller_says(template):
    lesson = Lesson((ASKED, ANSWERED), options={"train_on": "all"})
    assert lesson.sample(template) == template.encode([ASKED, ANSWERED], "all")
    assert lesson.sample(template, "response") == template.encode([ASKED, ANSWERED], "response")


def test_a_text_is_learned_from_its_first_token(template):
    sample = Lesson(text="the cat sat").sample(template)
    tokens = template.tokenizer.encode("the cat sat")
    assert sample.tokens == (0, *tokens)
    assert sample.weights == (0.0, *[1.0] * len(tokens))


def test_tokens_are_taken_as_they_are(template):
    assert Lesson(tokens=[5, 6]).sample(template).tokens == (5, 6)
    with pytest.raises(ValueError, match="token id 99999 is out of range"):
        Lesson(tokens=[5, 99999]).sample(template)


def test_the_context_is_read_and_not_trained(template):
    sample = Lesson(tokens=[5, 6, 7], context=2).sample(template)
    assert (sample.tokens, sample.weights) == ((5, 6, 7), (0.0, 0.0, 1.0))


@pytest.mark.parametrize("fields", [{"tokens": (5, 6), "context": 2}, {"tokens": (5, 6), "context": -1}, {"text": "a b", "context": 1}])
def test_the_context_leaves_tokens_to_train(fields):
    with pytest.raises(ValueError, match="the context of a lesson must leave some of its tokens to train, not "):
        Lesson(**fields)


def test_a_text_is_valid_unicode():
    with pytest.raises(ValueError, match="the text of a lesson is not valid Unicode at character 2"):
        Lesson(text="a\udcff")


@pytest.mark.parametrize(
    ("messages", "options", "fault"),
    [
        ([ASKED, ANSWERED], {}, None),
        ([ASKED], {}, "no message of it answers (role assistant)"),
        ([ASKED], {"train_on": "all"}, None),
        ([ASKED, Message("robot", "x")], {}, "message 2 has the role 'robot'; the roles are system, user, assistant"),
        ([ASKED, Message("assistant", " \n")], {}, "message 2 is empty"),
        ([ASKED, Message("assistant", "x", no_loss=True)], {}, "every answer of it is kept from the loss"),
        ([ASKED, Message("assistant", "x", weight=0)], {}, "every answer of it is kept from the loss"),
        ([Message("user", "x", weight=0)], {"train_on": "all"}, "every message of it is kept from the loss"),
    ],
)
def test_what_cannot_be_learned_says_why(messages, options, fault, template):
    lesson = Lesson(tuple(messages), options=options)
    assert lesson.fault(G1_ROLES) == fault
    if fault is None:
        assert lesson.sample(template).trained > 0


@pytest.mark.parametrize("value", [-1, 0, 1e-9, 0.5, 1, 2, 10, 10.5, 100, 101, 10_000, 10_001, 1_000_000, 1_048_576, 1_048_577])
@pytest.mark.parametrize("name", [name for name in OPTIONS if name not in ("mode", "train_on", "keep_state", "checks", "schedule", "objective", "rule")])
def test_limits_are_those_of_training(name, value):
    try:
        TrainOptions(**{name: value})
    except ValidationError:
        for given in (value, str(value)):
            with pytest.raises(ValueError, match=f"^{name} must be a .*number from "):
                read_option(name, given)
    else:
        assert read_option(name, value) == read_option(name, str(value)) == (name, value)


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("MODE", "Wani-Bot", "wani-bot"),
        ("train-on", "all", "all"),
        ("Keep_State", "TRUE", True),
        ("checks", "false", False),
        ("epochs", " 3 ", 3),
        ("lr", "1e-5", 1e-5),
        ("checks", True, True),
    ],
)
def test_an_option_is_read_as_a_person_writes_it(name, text, value):
    assert read_option(name, text) == (name.lower().replace("-", "_"), value)
    assert TrainOptions(**dict([read_option(name, text)]))


@pytest.mark.parametrize(
    ("name", "value"),
    [("mode", "fast"), ("checks", 1), ("checks", "yes"), ("epochs", 1.5), ("epochs", "1.5"), ("epochs", True)]
    + [("lr", "nan"), ("lr", float("inf")), ("epochs", float("inf")), ("lr", [1]), ("lr", ""), ("mode", None), ("epochs", "9" * 5000)],
)
def test_a_value_that_is_none_of_it_is_refused(name, value):
    with pytest.raises(ValueError, match=f"^{name} must be ") as refused:
        read_option(name, value)
    assert len(str(refused.value)) < 200


def test_an_unknown_option_is_answered_with_those_there_are():
    with pytest.raises(ValueError, match="'colour' is not an option of a lesson; the options are mode, train_on"):
        read_option("colour", "red")


def test_every_option_of_training_is_here():
    assert set(OPTIONS) == set(TrainOptions.model_fields) - {"dry_run", "preview"}
