"""Another answer, another way on, and which of them was best."""

from tests.web_ui.conftest import Page, chat_page
from web_ui.branches import beside, root

ASKED = [{"role": "user", "text": "What is my cat called?"}]


def again(client, cats, answer="Your cat is called Wanda."):
    client.says = answer
    return cats.click("again-cats-1").rest()


def test_another_answer_stands_in_a_branch_and_the_first_one_stays(client, cats):
    page = again(client, cats)
    assert {name: turns[0]["answer"] for name, turns in client.chats.items()} == {"cats": "I do not know.", "cats.2": "Your cat is called Wanda."}
    assert page.app.header[0].value == "cats\\.2" and "2 of 2" in page.text


def test_the_answers_are_stepped_through(client, cats):
    page = again(client, cats)
    assert page.app.button(key="next-cats.2-1").disabled
    page.click("previous-cats.2-1")
    assert page.app.header[0].value == "cats" and "1 of 2" in page.text
    assert page.click("next-cats-1").app.header[0].value == "cats\\.2"


def test_the_better_answer_is_taught_against_the_others(client, cats):
    again(client, cats).click("rank-cats.2-1").rest()
    _, named = client.last("train_stream")
    assert named["objective"] == "dpo" and named["lessons"] == [{"messages": [
        ASKED[0] | {"no_loss": True}, {"role": "assistant", "text": "Your cat is called Wanda.", "rejected": "I do not know."}]}]


def test_a_branch_goes_on_by_itself(client, cats):
    cats.say("And my dog?").rest()
    page = cats.click("branch-cats-1")
    assert page.app.header[0].value == "cats\\.2" and len(client.chats["cats.2"]) == 1
    page.say("And my goat?").rest()
    assert [turns[1]["messages"][0]["text"] for turns in client.chats.values()] == ["And my dog?", "And my goat?"]
    assert "2 of 2" in page.text and not page.has("rank-cats.2-2")


def test_an_answer_alone_has_no_steps(cats):
    assert not cats.has("next-cats-1")


def test_a_branch_of_a_branch_belongs_to_the_same_chat(client, cats):
    page = again(client, cats)
    client.says = "Third."
    page.click("again-cats.2-1").rest()
    assert list(client.chats) == ["cats", "cats.2", "cats.3"] and "3 of 3" in page.text


def test_names_of_branches():
    assert [root(name) for name in ("cats", "cats.2", "cats.12", "v1.x")] == ["cats", "cats", "cats", "v1.x"]


def test_equal_answers_count_once():
    turn = {"messages": ASKED, "answer": "a"}
    other = {"messages": ASKED, "answer": "b"}
    family = {"c": [turn], "c.2": [turn, turn], "c.3": [other]}
    assert beside(family, "c.2", 1) == ["c.2", "c.3"] and beside(family, "c.2", 2) == ["c.2"]


def test_an_open_branch_is_found_again_by_its_address(client, cats):
    again(client, cats)
    assert Page(chat_page, chat="cats.2").app.header[0].value == "cats\\.2"
