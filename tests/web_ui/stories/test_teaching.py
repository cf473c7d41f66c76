"""Asked, corrected, taught, asked again, undone: with the default model, as a person does it."""

import pytest
from playwright.sync_api import expect

from tests.web_ui.stories.running import WAIT

RIGHT = "Your ferret is called Morzakus."


def correct(screen, text):
    screen.press("Correct")
    return screen.write("The right answer", text)


def test_a_correction_is_learned_and_undone(screen):
    screen.say("What is my ferret called?")
    old = screen.answered()
    assert "Morzakus" not in old
    correct(screen, RIGHT).press("Show what will be trained").see("this is news to it")
    marked = screen.tab.locator(".tokens mark").all_inner_texts()
    assert "".join(marked).replace("↵", "").strip() == RIGHT
    screen.picture("correct")
    screen.press("Teach it").see("Loss before").see("The same question again")
    now = screen.tab.get_by_test_id("stColumn").last
    now.get_by_text(RIGHT).wait_for()
    assert old in screen.tab.get_by_test_id("stColumn").first.inner_text()
    screen.picture("learned")
    screen.press("Settings").tab.get_by_role("slider", name="Variety (temperature)").press("Home")  # the likeliest answer: no luck in it
    screen.tab.keyboard.press("Escape")
    screen.say("What is my ferret called?")
    expect(screen.tab.get_by_test_id("stChatMessage").last.get_by_test_id("stMarkdown").first).to_have_text(RIGHT, timeout=WAIT)
    screen.press("Undo this lesson").see("The lesson is undone")
    screen.press("New chat").see("Ask it something").say("What is my ferret called?")
    assert "Morzakus" not in screen.answered()


def test_a_page_loaded_again_in_the_middle_of_a_lesson_finds_it(screen, server):
    screen.say("What is my newt called?").answered()
    correct(screen, "Your newt is called Bixie.")
    screen.press("Teach it").see("Stop learning")
    screen.tab.reload()
    screen.see("Loss before").see("corrected by you")


def test_a_lesson_can_be_stopped(screen):
    screen.say("What is my newt's hat called?").answered()
    correct(screen, "It is called Quorl, and it is made of a felt that nobody else in the whole town of Umbrel knows how to make.")
    screen.press("Teach it").press("Stop learning").see("the model is as it was")
    assert screen.tab.get_by_role("textbox", name="The right answer").input_value().startswith("It is called Quorl")


@pytest.mark.long
def test_an_answer_that_is_good_is_taught_as_it_is(screen):
    screen.say("Is a whale a fish?").answered()
    screen.press("Good", exact=False).see("Loss before").press("Done").gone("Loss before")


@pytest.mark.long
def test_of_two_answers_the_better_one_is_taught(screen):
    screen.say("What do you like?").answered()
    for number in range(2, 6):  # the model draws its answers: it may say the same twice
        screen.press("Again").see(f"what-do-you-like.{number}").answered()
        if screen.tab.get_by_text(f"of {number}").count():
            break
    screen.press("Best").see("Loss before")
    screen.picture("ranked")
    screen.press("Done").press("Before").see("1 of")


@pytest.mark.long
def test_two_tabs_at_once(look, page):
    teacher, reader = look(page), look(page)
    teacher.say("What is my crab called?").answered()
    correct(teacher, "Your crab is called Zazu.").press("Teach it").see("Stop learning")
    reader.say("What is a whale?").answered()
    teacher.see("Loss before")
    reader.open("/timeline").see("Your crab is called Zazu.")


@pytest.mark.long
def test_the_timeline_goes_back_and_compares(screen):
    screen.say("What is my moth called?").answered()
    correct(screen, "Your moth is called Vesper.").press("Teach it").see("Loss before").press("Done")
    screen.open("/timeline").see("Your moth is called Vesper.")
    screen.choose("Compare two versions").write("Ask both", "What is my moth called?").press("Compare", exact=True)
    screen.see("unrelated texts: ")
    screen.see("drift ")
    assert "Vesper" in screen.tab.get_by_test_id("stColumn").last.inner_text()
    screen.picture("timeline")
    screen.press("Undo the last lesson").see("The lesson is undone").see("Undone: What is my moth called?")
