"""What is kept: chats, sets, checkpoints; and an answer stopped in the middle."""

import pytest
from playwright.sync_api import expect

from tests.engine.test_hard_times import NEVER_ENDS
from tests.web_ui.stories.running import WAIT

SET = "* My ibis\n** USER What is my ibis called?\n** ASSISTANT Your ibis is called Tova.\n* Bad\n** NOBODY x\n"


def test_stop_stops_the_model(screen):
    screen.press("Settings").write("Never these tokens", ", ".join(map(str, NEVER_ENDS)))
    screen.tab.get_by_role("spinbutton", name="Longest answer, in tokens").fill("100000")
    screen.tab.get_by_role("spinbutton", name="Longest answer, in tokens").press("Enter")
    screen.tab.keyboard.press("Escape")
    screen.say("Tell me a very long story.")
    screen.tab.get_by_test_id("stChatMessage").last.get_by_text("▌").wait_for()
    screen.press("Stop").see("stopped by you")
    screen.press("Settings").press("Back to the defaults")
    expect(screen.tab.get_by_role("spinbutton", name="Longest answer, in tokens")).to_have_value("256", timeout=WAIT)


@pytest.mark.long
def test_a_chat_is_renamed_found_and_deleted(screen):
    screen.say("Where is my hat?").answered()
    screen.tab.locator(".st-key-more-where-is-my-hat button").locator("visible=true").first.click()
    screen.write("New name", "hats").press("Rename").see("hats")
    screen.tab.get_by_role("textbox", name="Search chats").fill("nothing has these words")
    screen.tab.get_by_role("textbox", name="Search chats").press("Enter")
    screen.see("No chat has these words")
    screen.tab.get_by_role("textbox", name="Search chats").fill("hat where")
    screen.tab.get_by_role("textbox", name="Search chats").press("Enter")
    screen.tab.locator(".st-key-more-hats button").locator("visible=true").first.click()
    screen.tab.get_by_text("Delete this chat").click()
    screen.press("Delete it for good").see("Ask it something")


@pytest.mark.long
def test_a_set_is_read_taught_and_measured(screen):
    screen.open("/data").choose("Written here").write("The lessons", SET).press("Read it").see("problems: 1").see("line 5: 'NOBODY' is not a role")
    screen.press("Teach it").see("Lessons learned: 1").press("Measure what is left")
    screen.tab.get_by_test_id("stDataFrame").wait_for()
    screen.picture("data")


@pytest.mark.long
def test_a_checkpoint_is_saved_and_loaded(screen):
    screen.open("/model").write("Name", "monday").press("Save").see("Saved as monday")
    screen.press("Load").tab.locator(".st-key-load-monday button").locator("visible=true").first.click()
    screen.see("monday is loaded")
    screen.picture("model")
