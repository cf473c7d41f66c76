"""The page over the real program: what is taught on it is learned, counted, taken back and saved."""

import subprocess

from tests.for_client.recipes import recipe


def test_a_wrong_answer_is_corrected_and_learned(look, server):
    screen = look(server).say("What is my cat called?")
    assert screen.answer() != "Your cat is called Wanda."
    screen.press("Correct").write("The right answer", "Your cat is called Wanda.").press("Teach it")
    screen.see("Learned: loss").see("taught 1×").picture("corrected")
    screen.press("Ask again").see("taught 1×")
    assert screen.answer() == "Your cat is called Wanda."
    screen.press("Good").see("taught 2×")
    screen.press("Loss").see("loss now")
    screen.press("Lessons").see("Your cat is called Wanda.").picture("lessons")
    screen.press("Undo").see("not in the weights")
    screen.press("Weights").see("a lesson taken out").press("Save").see("MB").picture("weights")


def test_a_fact_is_taught_and_gone_back_from(look, server):
    screen = look(server).press("Lessons")
    screen.write("Question", "What is my dog called?").write("Answer", "Your dog is called Rex.").press("Teach it")
    screen.see("Learned: loss").press("Chat").press("New chat").say("What is my dog called?")
    assert screen.answer() == "Your dog is called Rex."
    screen.press("Weights").see("Versions")
    before = screen.tab.locator(".rows li", has_text="answers now").inner_text()
    screen.press("Go back to this")
    screen.tab.wait_for_function("before => ![...document.querySelectorAll('.rows li')].some(row => row.innerText == before)", arg=before)
    screen.press("Lessons").see("not in the weights")


def test_the_recipe_of_the_docs_opens_it(look, server):
    block = recipe("A browser", server.url, server.data / "token")
    link = subprocess.run(["bash", "-ec", block], check=True, capture_output=True, text=True).stdout.strip()
    screen = look(server, token=link.partition("#token=")[2])
    assert link.startswith(f"{server.url}/app#token=") and screen.see("Ask it something")
