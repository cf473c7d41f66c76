"""Conversations as a whole."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.lesson import Lesson
from models.message import Message
from models.role import G1_ROLES, SPECIAL_TOKEN_ROLES, Role, Roles
from models.scene import Scene

ASKED, ANSWERED = Message("user", "My cat?"), Message("assistant", "Wanda.")
messages = st.builds(Message, st.sampled_from(list(G1_ROLES)), st.sampled_from(["a", "b", "你好"]))


@given(st.lists(messages, min_size=1, max_size=8))
def test_its_turns_are_its_messages_cut_after_every_answer(chat):
    scene = Scene(chat)
    assert scene == tuple(chat) and Scene(scene) == scene and hash(scene) == hash(tuple(chat))
    turns = scene.turns(G1_ROLES)
    assert [message for turn in turns for message in turn] == chat
    assert all(turn[-1].role == "assistant" for turn in turns[:-1])
    assert all(message.role != "assistant" for turn in turns for message in turn[:-1])


def test_what_is_no_conversation_is_refused():
    with pytest.raises(ValueError, match="at least one message"):
        Scene([])
    with pytest.raises(ValueError, match="message 2 must be a Message, not 'Wanda'"):
        Scene([ASKED, "Wanda"])
    with pytest.raises(ValueError, match="only the last message of a lesson may have a rejected text"):
        Lesson([Message("assistant", "Yo", rejected="No"), ANSWERED])
    with pytest.raises(ValueError, match="there is no role 'user'"):
        Scene([ASKED]).turns(Roles([Role("bot", "B:", "\n", answers=True)]))


def test_it_cannot_be_changed():
    scene = Lesson([ASKED, ANSWERED]).messages
    assert isinstance(scene, Scene)
    for change in (lambda: setattr(scene, "role", "x"), lambda: setattr(scene[0], "text", "x"), lambda: scene.__setitem__(0, ANSWERED)):
        with pytest.raises((AttributeError, TypeError)):
            change()
    with pytest.raises(TypeError):
        Lesson([ASKED, ANSWERED], options={"lr": 1e-4}).options["lr"] = 1


@pytest.mark.parametrize("roles", [G1_ROLES, SPECIAL_TOKEN_ROLES])
def test_a_fault_is_that_of_the_lesson(roles):
    for chat in ([ASKED, ANSWERED], [ASKED], [ASKED, Message("robot", "x")], [ASKED, Message("assistant", " ")]):
        assert Scene(chat).fault(roles) == Lesson(chat).fault(roles)
    assert Scene([ASKED]).fault(roles, "all") is None
