"""Roles: how a turn opens and closes, and when two schemes differ."""

import json

import pytest

from models.role import G1_ROLES, SPECIAL_TOKEN_ROLES, Role, Roles
from models.role_alias import find_role

BOT = Role("bot", "Bot:", "\n\n", answers=True)


@pytest.mark.parametrize("name", ["", "two words", "line\nend", "\u3000"])
def test_a_name_is_one_word(name):
    with pytest.raises(ValueError, match="must be one word"):
        Role(name, "a", "b")


@pytest.mark.parametrize("piece", [None, 5, [1, -1], [1.0], [True], b"x", ["a"]])
def test_a_piece_is_text_or_token_ids(piece):
    with pytest.raises(ValueError, match="the prefix of role 'a' must be a text or a list of token ids"):
        Role("a", piece, "")
    with pytest.raises(ValueError, match="the suffix of role 'a' must be"):
        Role("a", "", piece)


def test_a_list_of_ids_becomes_a_tuple():
    assert Role("a", [1, 2], "\n") == Role("a", (1, 2), "\n")


@pytest.mark.parametrize(
    ("prefix", "joint"), [("User:", " "), ("用户：", " "), ("User: ", ""), ("### User\n", ""), ("", ""), ((7,), "")]
)
def test_a_space_follows_a_word_only(prefix, joint):
    assert Role("a", prefix, "").joint == joint


def test_roles_need_one_that_answers_and_names_of_their_own():
    with pytest.raises(ValueError, match="no role answers"):
        Roles([Role("user", "User:", "\n\n")])
    with pytest.raises(ValueError, match="two roles are called 'bot'"):
        Roles([Role("user", "U", ""), BOT, BOT])


def test_the_first_that_answers_speaks():
    roles = Roles([Role("user", "U:", "\n"), BOT, Role("other", "O:", "\n", answers=True)])
    assert roles.answering is BOT
    assert list(roles) == ["user", "bot", "other"]
    assert roles.asking.name == "user"
    assert Roles([Role("user", "U:", ""), Role("scene", "S:", ""), BOT]).asking.name == "user"
    assert Roles([BOT]).asking is BOT
    assert Roles([Role("scene", "S:", ""), Role("guest", "G:", ""), BOT]).asking.name == "guest"


def test_an_unknown_name_is_answered_with_those_there_are():
    with pytest.raises(ValueError, match="there is no role 'robot'; the roles are system, user, assistant"):
        G1_ROLES.named("robot")


@pytest.mark.parametrize("roles", [G1_ROLES, SPECIAL_TOKEN_ROLES])
def test_a_description_survives_json(roles):
    again = Roles.from_description(json.loads(json.dumps(roles.describe())))
    assert again == roles and list(again) == list(roles)
    assert roles.difference(again) is None


def test_the_schemes_that_come_with_it():
    assert {name: (role.prefix, role.suffix) for name, role in G1_ROLES.items()} == {
        "system": ("System:", "\n\n"),
        "user": ("User:", "\n\n"),
        "assistant": ("Assistant:", "\n\n"),
    }
    assert {name: (role.prefix, role.suffix) for name, role in SPECIAL_TOKEN_ROLES.items()} == {
        "system": ((65532,), (65533,)),
        "user": ((65530,), (65533,)),
        "assistant": ((65531,), (65533,)),
    }
    assert G1_ROLES.answering.name == SPECIAL_TOKEN_ROLES.answering.name == "assistant"


def test_a_difference_is_one_sentence():
    user = Role("user", "User:", "\n\n")
    here = Roles([user, BOT])
    assert here.difference(Roles([Role("user", "Human:", "\n\n"), BOT])) == (
        "the role 'user' has prefix 'User:' here and 'Human:' there"
    )
    assert here.difference(Roles([BOT])) == "the role 'user' exists only here"
    assert Roles([BOT]).difference(here) == "the role 'user' exists only there"
    two = Role("two", "2:", "", answers=True)
    assert Roles([BOT, two]).difference(Roles([two, BOT])) == "the answering role is 'bot' here and 'two' there"


@pytest.mark.parametrize(
    ("name", "meant"),
    [("user", "user"), ("USER", "user"), ("human", "user"), ("GPT", "assistant"), ("developer", "system"), ("robot", None)],
)
def test_names_of_other_files(name, meant):
    assert getattr(find_role(G1_ROLES, name), "name", None) == meant


def test_the_assistant_of_other_files_is_who_answers():
    roles = Roles([Role("User", "U:", "\n"), Role("Wanda", "W:", "\n", answers=True)])
    assert find_role(roles, "gpt").name == find_role(roles, "assistant").name == "Wanda"
    assert find_role(roles, "human").name == "User"
    assert find_role(roles, "system") is None
