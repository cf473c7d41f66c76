"""Other wordings by rules: the same answer, the question whole, and none where nothing is asked."""

import pytest

from models.lesson import Lesson
from models.message import Message
from models.rewordings import FRAMES, reworded


def lesson(*texts):
    return Lesson(messages=[Message(("user", "assistant")[i % 2], text) for i, text in enumerate(texts)])


@pytest.mark.parametrize(("question", "inside"), [("What is my cat called?", "what is my cat called?"), ("Anna lives where?", "Anna lives where?")])
def test_each_frame_holds_the_whole_question_once_and_all_else_stays(question, inside):
    origin = Lesson(messages=[Message("user", "Hi."), Message("assistant", "Hello."), Message("user", question),
                              Message("assistant", "Yes.", 0.5, rejected="No.")], options={"lr": 1e-3}, line=7)
    made = reworded(origin, len(FRAMES))
    texts = [one.messages[-2].text for one in made]
    assert len(set(texts)) == len(FRAMES) and all(text.lower().count(question.lower()) == 1 for text in texts) and question not in texts
    assert any(text.endswith(inside) for text in texts)
    for one in made:
        assert one.messages[:2] == origin.messages[:2] and one.messages[-1] == origin.messages[-1]
        assert (one.options, one.line) == (origin.options, origin.line)
    assert reworded(origin, 1) == made[:1] and reworded(origin, 0) == []


@pytest.mark.parametrize("origin", [Lesson(text="What is it?"), Lesson(tokens=(1, 2)), lesson("Good morning.", "Good morning."), lesson("Hello?")])
def test_what_asks_nothing_has_no_other_wording(origin):
    assert reworded(origin, 4) == []
