"""A conversation: asked, answered, stopped, failed, asked again."""

import pytest
from ouroboros_client import OuroborosError

from tests.web_ui.conftest import Page, chat_page
from tests.web_ui.fake_client import held


def test_a_new_chat_says_how_to_begin(chat):
    assert "Ask it something" in chat.text and chat.has("example")


def test_the_example_is_asked(client, chat):
    chat.click("example").rest()
    assert client.chats["what-is-my-cat-called"][0]["answer"] == "I do not know."


def test_what_is_asked_is_answered_in_a_chat_named_after_it(client, chat):
    chat.say("What is a whale?").rest()
    assert list(client.chats) == ["what-is-a-whale"] and "I do not know\\." in chat.text.replace("I do not know.", "I do not know\\.")
    assert chat.app.header[0].value == "what\\-is\\-a\\-whale"


def test_a_second_chat_of_the_same_words_has_another_name(client, chat):
    client.chats["hello"] = []
    chat.say("Hello!").rest()
    assert "hello-2" in client.chats


def test_a_question_without_latin_letters_has_a_name_too(client, chat):
    chat.say("你好吗？").rest()
    assert list(client.chats) == ["chat"]


def test_a_second_question_goes_on_in_the_chat(client, cats):
    cats.say("And my dog?").rest()
    assert [turn["turn"] for turn in client.chats["cats"]] == [1, 2]
    assert client.last("infer_stream")[1]["session"] == "cats"


def test_an_answer_shows_its_version_and_speed(client, cats):
    client.version = 3
    cats.say("And my dog?").rest()
    assert "version 0" in cats.text and "version 3 · " in cats.text and "tokens/s" in cats.text


def test_an_answer_over_two_versions_names_both(client):
    client.answer([{"role": "user", "text": "a"}], "cats")
    client.chats["cats"][0]["versions"] = [3, 5]
    assert "versions 3 to 5" in Page(chat_page, chat="cats").text


@pytest.mark.parametrize("reason, words", [("length", "longest length"), ("cancelled", "stopped by you"), ("corrected", "corrected by you")])
def test_an_answer_says_how_it_ended(client, reason, words):
    client.answer([{"role": "user", "text": "a"}], "cats", reason=reason)
    assert words in Page(chat_page, chat="cats").text


def test_thinking_is_folded(client):
    client.answer([{"role": "user", "text": "a"}], "cats", text="<think>It is a cat.</think>\nA cat.")
    page = Page(chat_page, chat="cats")
    assert [e.label for e in page.app.expander] == ["Thinking"] and page.app.expander[0].markdown[0].value == "It is a cat."


def test_an_answer_is_shown_while_it_is_written_and_can_be_stopped(client, cats):
    held(client)
    cats.say("And my dog?")
    for _ in range(50):
        if "I ▌" in cats.text.replace("I  ▌", "I ▌"):
            break
        cats.run()
    assert cats.app.chat_input(key="say").disabled
    cats.click("stop").rest()
    assert client.chats["cats"][1]["finish_reason"] == "cancelled" and "stopped by you" in cats.text


@pytest.mark.parametrize("error, sentence", [
    (OuroborosError("no server", code="unreachable"), "does not answer"),
    (OuroborosError("broke off", code="lost"), "broke off"),
    (OuroborosError("who are you", status=401), "refuses the token"),
    (OuroborosError("no file", code="no_token"), "refuses the token"),
    (OuroborosError("full", status=503, type="overloaded_error", retry_after=2.2), "try again in 3 seconds"),
    (OuroborosError("top_p must be above 0", status=400), "top_p must be above 0."),
], ids=["gone", "broken", "token", "token file", "busy", "refused"])
def test_what_was_typed_is_kept_and_asked_again(client, cats, error, sentence):
    client.fails["infer_stream"] = error
    cats.say("And my dog?").rest()
    assert sentence in cats.text and "And my dog?" in cats.text.replace("\\?", "?") and len(client.chats["cats"]) == 1
    del client.fails["infer_stream"]
    cats.click("retry-answer").rest()
    assert client.chats["cats"][1]["messages"] == [{"role": "user", "text": "And my dog?"}]
    assert "Not sent yet" not in cats.text


def test_what_was_not_sent_can_be_discarded(client, cats):
    client.fails["infer_stream"] = OuroborosError("no server", code="unreachable")
    cats.say("And my dog?").rest()
    cats.click("discard")
    assert "And my dog" not in cats.text and not cats.app.chat_input(key="say").disabled


def test_a_page_without_a_server_says_so_and_tries_again(client, cats):
    gone = OuroborosError("no server", code="unreachable")
    client.fails = {"session": gone, "sessions": gone, "health": gone}
    cats.run()
    assert "does not answer" in cats.text
    client.fails = {}
    cats.click("retry-read")
    assert "What is my cat called" in cats.text


def test_the_chat_of_the_address_is_opened(client):
    client.answer([{"role": "user", "text": "Hello"}], "cats")
    from streamlit.testing.v1 import AppTest

    app = AppTest.from_function(chat_page)
    app.query_params["chat"] = "cats"
    app.run()
    assert app.header[0].value == "cats"


def test_a_picture_in_an_answer_is_not_fetched(client):
    client.answer([{"role": "user", "text": "a"}], "cats", text="![x](http://example.org/x.png) costs $5 and $6")
    shown = Page(chat_page, chat="cats").text
    assert "\\![x]" in shown and "\\$5" in shown
