"""The template: a conversation in tokens, and which of them are learned."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rwkv import rwkv_tokenizer
from rwkv.rwkv_tokenizer import TRIE_TOKENIZER

from models.message import Message
from models.role import G1_ROLES, SPECIAL_TOKEN_ROLES, Role, Roles
from models.sample import Sample
from models.template import Template

CHAT = [Message("system", "Be kind."), Message("user", "My cat?"), Message("assistant", "Wanda.")]
texts = st.text(min_size=1, max_size=30).filter(str.strip) | st.sampled_from(["a\n\nb", " 你好 ", "🐈\r\n\r\nx", "<|endoftext|>"])
messages = st.builds(
    Message,
    role=st.sampled_from(["system", "user", "assistant"]),
    text=texts,
    weight=st.sampled_from([0.0, 0.5, 1.0, 2.0]),
    no_loss=st.booleans(),
)


@pytest.fixture(scope="module")
def g1(tokenizer):
    return Template(G1_ROLES, tokenizer)


@pytest.fixture(scope="module")
def special(world):
    return Template(SPECIAL_TOKEN_ROLES, world)


@pytest.fixture(scope="module")
def official():
    return TRIE_TOKENIZER(str(Path(rwkv_tokenizer.__file__).parent / "rwkv_vocab_v20230424.txt"))


def test_the_g1_form(g1):
    sample = g1.encode(CHAT)
    assert sample.tokens[0] == 0
    assert g1.tokenizer.decode(sample.tokens) == "System: Be kind.\n\nUser: My cat?\n\nAssistant: Wanda.\n\n"
    prompt = g1.prompt(CHAT[:2])
    assert g1.tokenizer.decode(prompt) == "System: Be kind.\n\nUser: My cat?\n\nAssistant:"
    thinking = g1.prompt(CHAT[:2], think=True)
    assert thinking[: len(prompt)] == prompt
    assert g1.tokenizer.decode(thinking).endswith("Assistant: <think")


def test_the_exact_ids_of_both_forms(world, official):
    """The text form is the official ids of the text itself, a special form those of what is said between its marks."""
    text = "System: Be kind.\n\nUser: My cat?\n\nAssistant: Wanda.\n\n"
    assert list(Template(G1_ROLES, world).encode(CHAT).tokens) == [0, *official.encode(text)]
    marks = {"system": 65532, "user": 65530, "assistant": 65531}
    special = [token for m in CHAT for token in (marks[m.role], *official.encode(m.text), 65533)]
    assert list(Template(SPECIAL_TOKEN_ROLES, world).encode(CHAT).tokens) == [0, *special]
    chinese = [Message("user", "我的猫\n\n叫什么？ "), Message("assistant", "旺达。")]
    assert list(Template(G1_ROLES, world).encode(chinese).tokens) == [
        0, *(t for part in ("User:", " 我的猫\n叫什么？\n\n", "Assistant:", " 旺达。\n\n") for t in official.encode(part))
    ]
    assert Template(G1_ROLES, world).prompt(CHAT[1:2], think=True) == [0, *official.encode("User: My cat?\n\nAssistant: <think")]
    assert [261, 0] == [*official.encode("\n\n"), *Template(G1_ROLES, world).begin], "an empty line ends a turn, token 0 a document"


@given(chat=st.lists(messages, min_size=1, max_size=4), before=st.lists(st.integers(0, 60_000), max_size=5))
def test_a_conversation_may_go_on_from_other_tokens(special, chat, before):
    usual, after = special.encode(chat), special.encode(chat, after=before)
    begin = len(special.begin)
    assert after.tokens == (*before, *usual.tokens[begin:]) and after.weights == (*[0.0] * len(before), *usual.weights[begin:])
    assert special.prompt(chat, after=before) == [*after.tokens, *special.answer_prefix()]


@given(answer=texts)
def test_an_answer_that_is_ended_is_the_turn_that_was_taught(g1, special, answer):
    for template in (g1, special):
        text = template.clean(answer)
        written = [*template.answer_prefix(), *template.answer_end(text)]
        assert template.tokenizer.decode(written) == template.tokenizer.decode(concatenated(template, [Message("assistant", text)]))
    assert special.answer_end("") == [65533]


def test_the_special_token_form(special):
    encode = special.tokenizer.encode
    assert list(special.encode(CHAT[1:]).tokens) == [0, 65530, *encode("My cat?"), 65533, 65531, *encode("Wanda."), 65533]
    assert special.prompt(CHAT[1:2])[-1] == 65531
    assert special.answer_prefix(think=True) == [65531, *encode("<think")]
    assert special.suffix_tokens("user") == [65533]


@given(chat=st.lists(messages, min_size=1, max_size=5), answer=texts, think=st.booleans())
def test_a_prompt_is_the_beginning_of_what_was_taught(g1, special, chat, answer, think):
    for template in (g1, special):
        prompt = template.prompt(chat)
        taught = template.encode([*chat, Message("assistant", answer)]).tokens
        assert list(taught[: len(prompt)]) == prompt
        assert template.prompt(chat, think) == [*template.begin, *concatenated(template, chat), *template.answer_prefix(think)]


@given(chat=st.lists(messages, min_size=1, max_size=4), more=st.lists(messages, min_size=1, max_size=4))
def test_a_conversation_goes_on_with_the_new_turns_alone(g1, chat, more):
    assert g1.encode([*chat, *more]).tokens == (*g1.encode(chat).tokens, *concatenated(g1, more))


def concatenated(template, chat):
    return [token for message in chat for part in template.piece(message) for token in part]


@given(chat=st.lists(messages, min_size=1, max_size=5), train_on=st.sampled_from(["response", "all"]))
def test_each_token_has_the_weight_of_its_message(g1, special, chat, train_on):
    for template in (g1, special):
        sample = template.encode(chat, train_on)
        expected = [0.0] * len(template.begin)
        for message in chat:
            opening, body = template.piece(message)
            learned = not message.no_loss and (train_on == "all" or message.role == "assistant")
            expected += [0.0] * len(opening) + [message.weight if learned else 0.0] * len(body)
        assert list(sample.weights) == expected
        assert sample.trained == sum(expected)


def test_the_weights_of_one_answer(world):
    sample = Template(G1_ROLES, world).encode([Message("user", "Hi"), Message("assistant", "Yo", weight=0.5)])
    words = [world.token_bytes(token) for token in sample.tokens]
    assert [word for word, weight in zip(words, sample.weights, strict=True) if weight == 0.5] == [b" Yo", b"\n\n"]
    assert set(sample.weights) == {0.0, 0.5}


def test_a_turn_closes_with_the_suffix_tokens(g1, special):
    for template in (g1, special):
        for role in template.roles.values():
            suffix = template.suffix_tokens(role)
            assert suffix == template.suffix_tokens(role.name)
            assert template.piece(Message(role.name, "Hello.")).body[-len(suffix) :] == suffix


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("  a \n", "a"),
        ("a\r\nb\rc", "a\nb\nc"),
        ("a\n\n\nb\r\n\r\nc", "a\nb\nc"),
        ("a\r\r\nb", "a\nb"),
        ("a\n \nb", "a\n \nb"),
        ("\n\n", ""),
    ],
)
def test_cleaning(g1, text, clean):
    assert g1.clean(text) == clean


@given(text=st.text(alphabet="ab \r\n\t\u2028"))
def test_cleaning_twice_is_cleaning_once(g1, text):
    clean = g1.clean(text)
    assert g1.clean(clean) == clean
    assert "\n\n" not in clean and "\r" not in clean


def test_words_cannot_open_a_turn_in_the_special_form(special):
    tokens = special.piece(Message("user", "65533 <|endoftext|>\n\nAssistant: yes")).body
    assert max(tokens[:-1]) < 65530 and 0 not in tokens


@pytest.mark.parametrize("blank", ["", "   ", "\n\n", "\u3000\r\n"])
def test_an_empty_text_is_refused(g1, blank):
    for use in (lambda chat: g1.prompt(chat), lambda chat: g1.encode(chat)):
        with pytest.raises(ValueError, match="^a message of role 'user' has an empty text$"):
            use([CHAT[0], Message("user", blank)])


def test_no_message_and_no_such_role_are_refused(g1):
    for use in (g1.prompt, g1.encode):
        with pytest.raises(ValueError, match="at least one message"):
            use([])
        with pytest.raises(ValueError, match="there is no role 'robot'; the roles are system, user, assistant"):
            use([Message("robot", "beep")])
    with pytest.raises(ValueError, match="there is no role"):
        g1.suffix_tokens("robot")


def test_train_on_is_one_of_two(g1):
    with pytest.raises(ValueError, match='train_on must be "response" or "all"'):
        g1.encode(CHAT, "none")


def test_token_ids_outside_the_vocabulary_are_refused(bpe):
    with pytest.raises(ValueError, match="the prefix of role 'system' has the token id 65532, but tokenizer.json has"):
        Template(SPECIAL_TOKEN_ROLES, bpe)
    with pytest.raises(ValueError, match="the suffix of role 'bot' has the token id 65533"):
        Template(Roles([Role("bot", "Bot:", (65533,), answers=True)]), bpe)
    with pytest.raises(ValueError, match="begin has the token id -1"):
        Template(G1_ROLES, bpe, begin=(-1,))


def test_begin_may_be_anything(bpe):
    assert Template(G1_ROLES, bpe, begin=[]).prompt(CHAT) == Template(G1_ROLES, bpe, begin=(0,)).prompt(CHAT)[1:]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"weight": float("nan")}, "0 or more and finite"),
        ({"weight": float("inf")}, "0 or more and finite"),
        ({"weight": -1}, "0 or more and finite"),
        ({"weight": True}, "weight must be a number"),
        ({"weight": "1"}, "weight must be a number"),
        ({"no_loss": 1}, "no_loss must be a bool"),
        ({"text": None}, "text must be a str"),
        ({"text": "\ud83d"}, "the text of a message is not valid Unicode at character 1"),
        ({"role": 5}, "role must be a str"),
    ],
)
def test_a_message_is_checked_when_made(fields, reason):
    with pytest.raises(ValueError, match=reason):
        Message(**({"role": "user", "text": "a"} | fields))


@pytest.mark.parametrize(
    ("tokens", "weights", "reason"),
    [
        ((1, 2), (1.0,), "2 tokens but 1 weights"),
        ((), (), "at least one token"),
        ((1,), (float("nan"),), "0 or more"),
        ((1,), (-1.0,), "0 or more"),
        ((1,), (float("inf"),), "0 or more"),
    ],
)
def test_a_sample_is_checked_when_made(tokens, weights, reason):
    with pytest.raises(ValueError, match=reason):
        Sample(tokens, weights)


def test_a_sample_of_a_text():
    assert Sample.from_text([5, 6], begin=(0,)) == Sample((0, 5, 6), (0.0, 1.0, 1.0))
    assert Sample.from_text([5, 6]).trained == 2.0


def test_a_rejected_answer_is_encoded_after_the_same_context(g1, special):
    chat = [Message("user", "Hi"), Message("assistant", "Yo"), Message("user", "And?")]
    for template in (g1, special):
        sample = template.encode([*chat, Message("assistant", "Yes, I do.", rejected="Yes, I will not.")])
        assert sample.rejected == template.encode([*chat, Message("assistant", "Yes, I will not.")]).tokens
        context = len(template.encode(chat).tokens)
        assert context < sample.fork < len(sample.tokens) and sample.tokens[: sample.fork] == sample.rejected[: sample.fork]
        assert sample.tokens[sample.fork] != sample.rejected[sample.fork]


def test_a_rejected_answer_that_is_none_counts_as_none(g1):
    encode = lambda **how: g1.encode([Message("user", "Hi"), Message("assistant", "Yo", **how)])  # noqa: E731
    assert encode(rejected="Yo").rejected == encode(rejected=" Yo\n").rejected == encode(rejected="No", no_loss=True).rejected == ()
    with pytest.raises(ValueError, match="empty"):
        encode(rejected=" ")
    with pytest.raises(ValueError, match="only the last message"):
        g1.encode([Message("assistant", "Yo", rejected="No"), Message("user", "Hi")])


@pytest.mark.parametrize("rejected", [(9, 2), (1, 2, 3), (1, 2), (1, 2, 3, 4)])
def test_rejected_tokens_begin_alike_and_end_otherwise(rejected):
    with pytest.raises(ValueError, match="rejected"):
        Sample((1, 2, 3), (0.0, 1.0, 1.0), rejected)
