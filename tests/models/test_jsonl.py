"""Lessons from JSON, in the forms that people have them."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.dataset import read
from models.message import Message
from models.role import G1_ROLES, Role, Roles

CHAT = (Message("user", "My cat?"), Message("assistant", "Wanda."))
GOOD = {"messages": [{"role": "user", "text": "My cat?"}, {"role": "assistant", "text": "Wanda."}]}
SYSTEM = Message("system", "Be kind.")


def load(*records, roles=G1_ROLES):
    lines = [record if isinstance(record, str) else json.dumps(record, ensure_ascii=False) for record in records]
    return read("\n".join(lines).encode("utf-8", "surrogatepass"), "lessons.jsonl", "jsonl", roles)


@pytest.mark.parametrize(
    ("record", "form", "messages"),
    [
        (GOOD, "messages", CHAT),
        ({"messages": [{"role": "user", "content": "My cat?"}, {"role": "assistant", "content": "Wanda."}]}, "openai", CHAT),
        (
            {"messages": [{"role": "User", "content": [{"type": "text", "text": "My cat?"}]}, {"role": "ai", "content": "Wanda."}]},
            "openai",
            CHAT,
        ),
        ({"conversations": [{"from": "human", "value": "My cat?"}, {"from": "gpt", "value": "Wanda."}]}, "sharegpt", CHAT),
        (
            {"system": "Be kind.", "conversations": [{"from": "human", "value": "My cat?"}, {"from": "gpt", "value": "Wanda."}]},
            "sharegpt",
            (SYSTEM, *CHAT),
        ),
        ({"instruction": "My cat?", "input": "", "output": "Wanda."}, "alpaca", CHAT),
        ({"instruction": "My", "input": "cat?", "output": "Wanda."}, "alpaca", (Message("user", "My\ncat?"), CHAT[1])),
        (
            {"instruction": "My dog?", "output": "Rex.", "system": "Be kind.", "history": [["My cat?", "Wanda."]]},
            "alpaca",
            (SYSTEM, *CHAT, Message("user", "My dog?"), Message("assistant", "Rex.")),
        ),
        ({"prompt": "My cat?", "completion": "Wanda."}, "prompt", CHAT),
        (
            {"prompt": [{"role": "user", "content": "My cat?"}], "completion": [{"role": "assistant", "content": "Wanda."}]},
            "prompt",
            CHAT,
        ),
    ],
)
def test_a_form_is_known_by_its_keys(record, form, messages):
    dataset = load({"id": 7, "source": "x"} | record)
    assert dataset.problems == () and dataset.form == form
    assert dataset.lessons[0].messages == messages
    assert (dataset.lessons[0].source, dataset.lessons[0].line) == ("lessons.jsonl", 1)


def test_a_text_is_a_lesson():
    dataset = load({"text": "Once upon a time\n\n"}, {"text": "\n"})
    assert [lesson.text for lesson in dataset.lessons] == ["Once upon a time\n\n"] and dataset.form == "text"
    assert [(p.line, p.message) for p in dataset.problems] == [(2, "the text is empty")]


def test_token_ids_are_a_lesson():
    dataset = load({"tokens": [5, 0, 65529]})
    assert dataset.lessons[0].tokens == (5, 0, 65529) and dataset.form == "tokens"


def test_of_a_prompt_of_messages_the_completion_alone_is_learned():
    prompt = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}, {"role": "user", "content": "c"}]
    (lesson,) = load({"prompt": prompt, "completion": [{"role": "assistant", "content": "d"}]}).lessons
    assert [(m.text, m.no_loss) for m in lesson.messages] == [("a", False), ("b", True), ("c", False), ("d", False)]


def test_mixed_forms_are_all_named():
    dataset = load(GOOD, {"text": "a"}, GOOD)
    assert (len(dataset.lessons), dataset.form) == (3, "messages, text")


def test_our_own_fields():
    messages = [{"role": "user", "text": "a"}, {"role": "assistant", "text": "b", "weight": 0.5}]
    messages += [{"role": "assistant", "text": "c", "no_loss": True}]
    (lesson,) = load({"messages": messages, "options": {"lr": 1e-4, "epochs": None, "mode": "pico"}, "tags": ["train"]}).lessons
    assert [(m.weight, m.no_loss) for m in lesson.messages] == [(1.0, False), (0.5, False), (1.0, True)]
    assert lesson.options == {"lr": 1e-4, "mode": "pico"} and lesson.tags == ("train",)


def test_the_weight_of_openai_holds():
    entries = [{"role": "user", "content": "a"}, *({"role": "assistant", "content": c, "weight": w} for c, w in (("b", 0), ("c", 1)))]
    assert [m.weight for m in load({"messages": entries}).lessons[0].messages] == [1.0, 0, 1]


def test_roles_of_our_own():
    roles = Roles([Role("guest", "G:", "\n"), Role("wanda", "W:", "\n", answers=True)])
    dataset = load({"instruction": "Hi", "output": "Yo"}, {"messages": [{"role": "assistant", "text": "a"}]}, roles=roles)
    assert [[m.role for m in lesson.messages] for lesson in dataset.lessons] == [["guest", "wanda"], ["wanda"]]
    dataset = load({"instruction": "Hi", "output": "Yo", "system": "S"}, roles=roles)
    assert dataset.problems[0].message == "the record has a system text; the roles are guest, wanda"


BAD = [
    ("{", "not JSON: "),
    ('{"text": "a"} x', "not JSON: something follows the record"),
    ('{"text": NaN}', "not JSON: NaN is not a number"),
    ("[" * 100_000, "not JSON"),
    ('{"text": ' + "[" * 100_000, "not JSON that can be read: brackets inside brackets too deep"),
    ("5", "the record is of no known form; the forms are messages, openai, sharegpt, alpaca, prompt, text, tokens"),
    ({}, "the record is of no known form"),
    ({"messages": "x"}, "the record is of no known form"),
    ({"messages": []}, "the record has no message"),
    ({"messages": ["x"]}, "message 1 must be an object"),
    ({"messages": [{"role": "robot", "text": "x"}]}, "message 1 has the role 'robot'; the roles are system, user, assistant"),
    ({"messages": [{"text": "x"}]}, "message 1 has the role None"),
    ({"messages": [{"role": ["user"], "text": "x"}]}, "message 1 has the role ['user']"),
    ({"messages": [{"role": "user"}]}, "message 1 has no text"),
    ({"messages": [{"role": "user", "text": 5}]}, "message 1: a message's text must be a str"),
    ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "message 1 has no text"),
    ({"messages": [*GOOD["messages"], {"role": "user", "text": " "}]}, "the record is left out: message 3 is empty"),
    ({"messages": [{"role": "user", "text": "x", "weight": -1}]}, "message 1: a message's weight must be 0 or more"),
    ('{"messages": [{"role": "user", "text": "\\ud800"}]}', "message 1: the text of a message is not valid Unicode"),
    ('{"text": "\ud800"}', "the text of a lesson is not valid Unicode"),
    ({"messages": GOOD["messages"][:1]}, "the record is left out: no message of it answers (role assistant)"),
    (GOOD | {"options": {"lr": 7}}, "lr must be a number from 0 to 1, but not 0"),
    (GOOD | {"options": {"dry_run": True}}, "'dry_run' is not an option of a lesson"),
    (GOOD | {"options": [1]}, "options must be an object"),
    (GOOD | {"tags": "train"}, "tags must be a list of words"),
    ({"instruction": "a", "input": 5, "output": "b"}, "instruction and input must be a text, not 5"),
    ({"instruction": "a", "output": None}, "a message's text must be a str"),
    ({"instruction": "a", "output": "b", "history": "no"}, "history must be a list of pairs"),
    ({"instruction": "a", "output": "b", "history": 5}, "history must be a list of pairs"),
    ({"instruction": "a", "output": "b", "history": [["one"]]}, "history must be a list of pairs"),
    ({"prompt": "a", "completion": 5}, "a message's text must be a str"),
    ({"prompt": "a", "completion": "b", "system": 5}, "system must be a text, not 5"),
    ({"text": 5}, "text must be a text, not 5"),
    ({"tokens": []}, "tokens must be a list of token ids, whole numbers from 0"),
    ({"tokens": ["The"]}, "tokens must be a list of token ids"),
    ({"tokens": [1, True]}, "tokens must be a list of token ids"),
    ({"tokens": [-1]}, "tokens must be a list of token ids"),
    ({"tokens": "1 2"}, "tokens must be a list of token ids"),
    ({"prompt": [], "completion": [{"role": "assistant", "content": "d"}]}, "the record has no message"),
]


@pytest.mark.parametrize(("record", "reason"), BAD, ids=[reason[:40] for _, reason in BAD])
def test_a_record_that_cannot_be_used_is_said_and_the_rest_loads(record, reason):
    dataset = load(GOOD, "", record, "\r", GOOD)
    assert [lesson.line for lesson in dataset.lessons] == [1, 5]
    assert [problem.line for problem in dataset.problems] == [3]
    message = dataset.problems[0].message
    assert message.startswith(reason) and len(message) < 400 and "\n" not in message


def test_a_byte_that_is_not_utf8_costs_one_line():
    dataset = read(b'{"text": "caf\xe9"}\n{"text": "ok"}\n', "a.jsonl")
    assert [p.line for p in dataset.problems] == [1] and [lesson.line for lesson in dataset.lessons] == [2]


@pytest.mark.parametrize("indent", [None, 2])
def test_an_array_is_read_like_lines(indent):
    dataset = read(json.dumps([GOOD, {"text": "b"}, {"x": 1}], indent=indent).encode(), "a.json")
    assert [bool(lesson.messages) for lesson in dataset.lessons] == [True, False]
    assert [p.message[:30] for p in dataset.problems] == ["the record is of no known form"]
    if indent:
        text = json.dumps([GOOD, {"text": "b"}, {"x": 1}], indent=indent)
        starts = [number for number, line in enumerate(text.split("\n"), start=1) if line == "  {"]
        assert [lesson.line for lesson in dataset.lessons] == starts[:2]
        assert dataset.problems[0].line == starts[2]


@pytest.mark.parametrize(
    ("rest", "reason"),
    [
        ("", "not JSON"),
        ("\n,", "not JSON"),
        (" x]", "not JSON: a comma or the end of the array is missing"),
        ("] x", "not JSON: something follows the end of the array"),
    ],
)
def test_an_array_that_breaks_off_keeps_what_came_before(rest, reason):
    dataset = read(f'[{{"text": "a"}},\n{{"text": "b"}}{rest}'.encode(), "a.json")
    assert [lesson.text for lesson in dataset.lessons] == ["a", "b"]
    assert len(dataset.problems) == 1 and dataset.problems[0].message.startswith(reason)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(
            ["messages", "role", "text", "content", "weight", "no_loss", "conversations", "from", "value", "instruction", "input", "output", "history", "system", "prompt", "completion", "options", "tags"]
        ),
        inner,
        max_size=4,
    ),
    max_leaves=12,
)


@given(st.lists(anything, max_size=4))
def test_any_json_is_a_lesson_or_a_problem(records):
    # Written out here, since load() takes a text as a line as it stands.
    dataset = load(GOOD, *map(json.dumps, records))
    assert len(dataset.lessons) + len(dataset.problems) == 1 + len(records)


@given(st.text(alphabet='{}[]",:\\\n\ttext1nulNa \r', max_size=60))
def test_any_text_is_read_without_a_crash(text):
    dataset = read(text.encode(), "any.jsonl")
    assert dataset.lessons or dataset.problems
