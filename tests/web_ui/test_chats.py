"""The list of chats: opened, searched, renamed, deleted."""

from ouroboros_client import OuroborosError

from tests.web_ui.conftest import Page, chat_page


def two(client):
    client.answer([{"role": "user", "text": "What is my cat called?"}], "cats", text="Your cat is called Wanda.")
    client.answer([{"role": "user", "text": "What is a whale?"}], "whales", text="A mammal.")
    return Page(chat_page, chat="cats")


def listed(page):
    return [button.label for button in page.app.button if button.key.startswith("open-")]


def test_without_chats_the_list_says_so(chat):
    assert "No chats yet" in chat.text


def test_the_newest_chat_is_first(client):
    assert listed(two(client)) == ["whales", "cats"]


def test_a_chat_is_opened_with_a_click(client):
    assert "A mammal" in two(client).click("open-whales").text


def test_a_new_chat_is_begun_beside_the_others(client):
    page = two(client).click("new-chat")
    assert "Ask it something" in page.text
    page.say("What is tea?").rest()
    assert list(client.chats) == ["cats", "whales", "what-is-tea"]


def test_chats_are_found_by_name_and_by_what_was_said(client):
    page = two(client)
    assert listed(page.fill("text_input", "search-chats", "whal")) == ["whales"]
    assert listed(page.fill("text_input", "search-chats", "WANDA called")) == ["cats"]
    page.fill("text_input", "search-chats", "giraffe")
    assert listed(page) == [] and "No chat has these words" in page.text


def test_a_search_reads_each_chat_once(client):
    page = two(client)
    page.fill("text_input", "search-chats", "mammal")
    before = sum(call[:2] == ("session", ("whales",)) for call in client.calls)
    page.fill("text_input", "search-chats", "wanda")
    assert sum(call[:2] == ("session", ("whales",)) for call in client.calls) == before


def test_a_renamed_chat_keeps_its_turns_and_stays_open(client):
    page = two(client).fill("text_input", "name-cats", "my-cat")
    page.click("rename-cats")
    assert sorted(client.chats) == ["my-cat", "whales"] and "Wanda" in page.text


def test_what_is_being_corrected_in_a_renamed_chat_stays(client):
    page = two(client).click("correct-cats-1").fill("text_area", "right-('cats', 1)", "Your cat is called Mia.")
    page.fill("text_input", "name-cats", "my-cat").click("rename-cats")
    assert page.app.text_area(key="right-('my-cat', 1)").value == "Your cat is called Mia."


def test_a_chat_with_something_unsent_is_not_renamed(client):
    client.fails["infer_stream"] = OuroborosError("no server", code="unreachable")
    page = two(client).say("And my dog?").rest()
    page.fill("text_input", "name-cats", "my-cat").click("rename-cats")
    assert "not sent yet" in page.text and sorted(client.chats) == ["cats", "whales"] and "And my dog" in page.text


def test_a_name_that_is_taken_is_refused(client):
    page = two(client).fill("text_input", "name-cats", "whales")
    assert "of this name already" in page.click("rename-cats").text and sorted(client.chats) == ["cats", "whales"]


def test_a_name_that_the_server_does_not_take_is_refused_with_what_is_allowed(client):
    page = two(client).fill("text_input", "name-cats", "My Cat!")
    assert "small letters" in page.click("rename-cats").text and "cats" in client.chats


def test_a_rename_that_fails_loses_nothing(client):
    page = two(client).fill("text_input", "name-cats", "my-cat")
    client.fails["rename_session"] = OuroborosError("no server", code="unreachable")
    assert "does not answer" in page.click("rename-cats").text and "cats" in client.chats


def test_a_chat_is_deleted_only_when_it_is_meant(client):
    page = two(client)
    assert page.app.button(key="delete-cats").disabled
    page.app.checkbox(key="sure-cats").check()
    page.run().click("delete-cats")
    assert list(client.chats) == ["whales"] and "Ask it something" in page.text
