"""A server that goes away and comes back; a page that is the server's child."""

import psutil
import pytest

from tests.web_ui.stories.running import Page, Server, free_port, wait_for


def test_a_server_killed_in_the_middle_loses_nothing_that_was_typed(look, page, server):
    screen = look(page)
    screen.say("What is my yak called?").answered()
    server.kill()
    screen.say("And what does my yak like to eat?").see("The server does not answer").see("And what does my yak like to eat?")
    screen.picture("gone")
    screen.press("Try again").see("The server does not answer")
    server.start()
    screen.press("Try again").answered(2)
    screen.see("And what does my yak like to eat?").gone("Not sent yet")


@pytest.mark.long
def test_a_server_killed_in_the_middle_of_a_lesson_keeps_the_correction(look, page, server):
    screen = look(page)
    screen.say("What is my emu called?").answered()
    screen.press("Correct").write("The right answer", "Your emu is called Oskar.").press("Teach it").see("Stop learning")
    server.kill()
    screen.see("The connection broke off")
    assert screen.tab.get_by_role("textbox", name="The right answer").input_value() == "Your emu is called Oskar."
    server.start()
    screen.press("Try again").see("Loss before").see("corrected by you")


@pytest.mark.long
def test_a_page_with_a_wrong_token_says_so(look, server, tmp_path):
    wrong = tmp_path / "token"
    wrong.write_text("this-is-not-the-token")
    page = Page(server, wrong)
    try:
        screen = look(page)
        screen.say("Hello?").see("The server refuses the token").see("Hello?")
        wrong.write_text((server.data / "token").read_text())
        screen.press("Try again").answered()
    finally:
        page.stop()


@pytest.mark.long
def test_the_page_ends_with_its_server(look, tmp_path):
    port = free_port()
    server = Server(tmp_path, "--page", str(port))
    wait_for(f"http://127.0.0.1:{port}/_stcore/health")
    [child] = psutil.Process(server.process.pid).children()
    server.kill()
    child.wait(30)
