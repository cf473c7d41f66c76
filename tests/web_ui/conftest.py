"""The page without a browser: streamlit's AppTest, over a client that needs no server."""

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

import web_ui.connection
from tests.web_ui.fake_client import FakeClient
from web_ui.jobs import jobs

LONG = 20
"""Seconds that no run of a page takes."""


@pytest.fixture
def client(monkeypatch):
    """The client that the page gets; nothing of an earlier test is left."""
    st.cache_resource.clear()
    st.cache_data.clear()
    fake = FakeClient()
    monkeypatch.setattr(web_ui.connection, "Client", lambda **_: fake)
    yield fake
    for job in jobs().values():
        job.join(LONG)
    st.cache_resource.clear()


def chat_page():
    from web_ui import chat

    chat.page()


def timeline_page():
    from web_ui import timeline

    timeline.page()


def data_page():
    from web_ui import data_sets

    data_sets.page()


def model_page():
    from web_ui import model

    model.page()


class Page:
    """A page under test, and its controls by key."""

    def __init__(self, script, **state):
        self.app = AppTest.from_function(script, default_timeout=LONG)
        for name, value in state.items():
            self.app.session_state[name] = value
        self.run()

    def run(self):
        """Run it again; nothing must have been thrown."""
        self.app.run()
        assert not self.app.exception, self.app.exception[0].message
        return self

    def rest(self):
        """Run it again when all that is under way is through, until nothing new has begun."""
        for _ in range(4):
            for job in list(jobs().values()):
                job.join(LONG)
            self.run()
        return self

    def click(self, key):
        """Click a button."""
        self.app.button(key=key).click()
        return self.run()

    def fill(self, kind, key, value):
        """Put a value into a control."""
        getattr(self.app, kind)(key=key).set_value(value)
        return self.run()

    def say(self, text):
        """Write a message and send it."""
        self.app.chat_input(key="say").set_value(text)
        return self.run()

    def has(self, key):
        """Whether there is a button of this key."""
        return any(button.key == key for button in self.app.button)

    @property
    def text(self):
        """All that is shown as text."""
        app = self.app
        kinds = (app.markdown, app.caption, app.error, app.warning, app.info, app.success, app.header, app.subheader, app.title, app.toast)
        return "\n".join(str(element.value) for kind in kinds for element in kind)


@pytest.fixture
def chat(client):
    """The chat page, a new chat."""
    return Page(chat_page)


@pytest.fixture
def cats(client):
    """A chat called cats with one answer."""
    client.answer([{"role": "user", "text": "What is my cat called?"}], "cats")
    return Page(chat_page, chat="cats")


@pytest.fixture
def open_timeline(client):
    """Opens the timeline."""
    return lambda: Page(timeline_page)


@pytest.fixture
def open_data(client):
    """Opens the page of sets, with a way to bring one in chosen."""
    def opened(way="text"):
        return Page(data_page, source=way)
    return opened


@pytest.fixture
def open_model(client):
    """Opens the page of the model."""
    return lambda: Page(model_page)
