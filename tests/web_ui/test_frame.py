"""What is around every page."""

from pathlib import Path

import pytest
from ouroboros_client import OuroborosError
from streamlit.testing.v1 import AppTest

ENTRY = str(Path(__file__).parent.parent.parent / "WebUI.py")


def opened(**asked):
    app = AppTest.from_file(ENTRY, default_timeout=20)
    for name, value in asked.items():
        app.query_params[name] = value
    app.run()
    assert not app.exception, app.exception
    return app


@pytest.mark.parametrize("asked, words", [({}, "Ask it something"), ({"lang": "zh"}, "问它点什么")])
def test_the_page_opens_in_a_language(client, asked, words):
    assert opened(**asked).subheader[0].value == words


def test_the_language_is_chosen_and_stays_in_the_address(client):
    app = opened()
    app.selectbox(key="lang").select("zh").run()
    assert app.subheader[0].value == "问它点什么" and app.query_params["lang"] in ("zh", ["zh"])


def test_the_frame_tells_the_model_and_its_version(client):
    client.version = 4
    assert any("tiny · version 4" in caption.value for caption in opened().sidebar.caption)


def test_the_frame_says_when_the_server_is_gone(client):
    gone = OuroborosError("no server", code="unreachable")
    client.fails = {"health": gone, "sessions": gone}
    assert any("no server" in caption.value for caption in opened().sidebar.caption)
