"""How the model answers."""

import pytest
from ouroboros_client import OuroborosError

from tests.web_ui.conftest import Page, chat_page


def sent(client, page):
    page.say("And?").rest()
    return {name: value for name, value in client.last("infer_stream")[1].items() if name != "session"}


def test_what_nobody_chose_is_left_to_the_server(client, cats):
    assert sent(client, cats) == {}


@pytest.mark.parametrize("kind, name, value, wanted", [
    ("slider", "temperature", 0.0, 0.0), ("slider", "top_p", 0.5, 0.5), ("number_input", "top_k", 40, 40), ("number_input", "max_tokens", 64, 64),
    ("slider", "presence_penalty", 0.5, 0.5), ("slider", "frequency_penalty", 0.5, 0.5), ("slider", "penalty_decay", 0.95, 0.95),
    ("text_area", "stop", "END\n\nStop", ["END", "Stop"]), ("number_input", "seed", 7, 7), ("toggle", "think", True, True),
    ("text_input", "ban_tokens", "5, 17 x", [5, 17]),
])
def test_what_is_chosen_is_sent(client, cats, kind, name, value, wanted):
    assert sent(client, cats.fill(kind, f"set-{name}", value)) == {name: wanted}


def test_the_system_prompt_is_sent_once(client, cats):
    cats.fill("text_area", "set-system", "You are a cat.")
    cats.say("Who are you?").rest()
    assert client.last("infer_stream")[0][0] == [{"role": "system", "text": "You are a cat."}, {"role": "user", "text": "Who are you?"}]
    cats.say("And now?").rest()
    assert client.last("infer_stream")[0][0] == [{"role": "user", "text": "And now?"}]
    assert any(e.label == "System prompt" for e in cats.app.expander)


def test_settings_outlive_the_page(client, cats):
    cats.fill("slider", "set-temperature", 0.0)
    assert sent(client, Page(chat_page, chat="cats")) == {"temperature": 0.0}


def test_what_the_configuration_has_is_shown_and_not_sent(client):
    client.sampling = {"temperature": 0.5, "stop": ["END", "Stop"], "max_tokens": 64}
    page = Page(chat_page)
    assert page.app.slider(key="set-temperature").value == 0.5 and page.app.text_area(key="set-stop").value == "END\nStop"
    page.fill("slider", "set-temperature", 1.0).fill("number_input", "set-max_tokens", 65).fill("number_input", "set-max_tokens", 64)
    assert sent(client, page) == {"temperature": 1.0}
    page.click("set-reset")
    assert page.app.slider(key="set-temperature").value == 0.5


def test_a_server_that_does_not_tell_its_defaults_has_the_usual_ones(client):
    client.fails["defaults"] = OuroborosError("no server", code="unreachable")
    page = Page(chat_page)
    assert page.app.slider(key="set-top_p").value == 0.85 and sent(client, page) == {}


def test_the_defaults_come_back(client, cats):
    cats.fill("slider", "set-temperature", 0.0).click("set-reset")
    assert cats.app.slider(key="set-temperature").value == 1.0 and sent(client, cats) == {}


def test_every_control_is_explained(cats):
    keyed = [*cats.app.slider, *cats.app.number_input, *cats.app.text_area, *cats.app.toggle]
    assert len(keyed) == 11 and all(len(control.help) > 30 for control in keyed)
