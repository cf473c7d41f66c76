"""An engine on strings, and a tab of a browser with words for what a person does in it."""

from urllib.parse import urlsplit

from tests.server.fake_engine import FakeEngine
from tests.web_ui.stories.running import SHOTS

WAIT = 30_000
"""Milliseconds that nothing here takes."""


class Strings(FakeEngine):
    """Every answer and every lesson is left to the test, which takes its ticket from `opened`. One chat, one lesson, one checkpoint."""

    def __init__(self):
        super().__init__()
        self.begin_anew()

    def begin_anew(self):
        """Nothing was asked, and nothing said but one answer."""
        self.calls.clear()
        self.opened.queue.clear()
        self.goes_on = True
        self.turns = [{"turn": 1, "messages": [{"role": "user", "text": "What is a cat?"}], "answer": "An animal.", "versions": [0, 0], "finish_reason": "stop"}]
        self.taught = []

    def infer(self, source, options, session, given, as_of=None):
        self.asked("infer", source, options, session, given)
        return self.ticket("infer", "hold")

    def regenerate(self, name, turn, options, given):
        self.asked("regenerate", name, turn)
        return self.ticket("infer", "hold")

    def edit(self, name, turn, messages, options, given):
        self.asked("edit", name, turn, messages)
        return self.ticket("infer", "hold")

    def correct(self, name, turn, text, train, options, idempotency_key, given):
        self.asked("correct", name, turn, text, idempotency_key)
        return self.ticket("train", "hold")

    def train(self, source, options, idempotency_key, given):
        self.asked("train", source, options, idempotency_key, given)
        return self.ticket("train", "hold")

    def sessions(self):
        return [{"session": "cats", "turns": len(self.turns), "versions": [turn["versions"] for turn in self.turns]}]

    def session(self, name):
        return {"session": name, "turns": self.turns, "messages": []}

    def lessons_taught(self, asked):
        return self.taught

    def version_list(self):
        return [{"version": 0, "present": True, "in_weights": True, "time": 1.0, "made_by": "base", "loss_before": None, "loss_after": None}]

    def checkpoints(self):
        return [{"name": "default", "version": 0, "bytes": 1000, "time": 1.0}]


class Screen:
    """A tab with the page in it."""

    def __init__(self, tab, url, token):
        self.tab, self.url = tab, url
        self.requests, self.thrown = [], []
        tab.set_default_timeout(WAIT)
        tab.on("request", lambda request: self.requests.append(request.url))
        tab.on("pageerror", lambda error: self.thrown.append(str(error)))
        tab.on("console", lambda said: self.thrown.append(said.text) if "Content Security Policy" in said.text else None)
        tab.on("dialog", lambda dialog: dialog.accept())
        tab.goto(f"{url}/app#token={token}" if token else f"{url}/app")

    def strangers(self):
        """The other hosts that were asked."""
        return [url for url in self.requests if urlsplit(url).netloc != urlsplit(self.url).netloc]

    def see(self, text):
        """Wait until a text is there to be seen."""
        self.tab.get_by_text(text).locator("visible=true").first.wait_for()
        return self

    def gone(self, text):
        """Wait until a text is not there."""
        self.tab.get_by_text(text).locator("visible=true").first.wait_for(state="hidden")
        return self

    def press(self, name):
        """Press the first button of that name, once it can be pressed."""
        self.tab.get_by_role("button", name=name, exact=True).first.click()
        return self

    def write(self, label, text):
        """Write into a field."""
        self.tab.get_by_role("textbox", name=label).first.fill(text)
        return self

    def say(self, text):
        """Ask something."""
        self.write("Write a message", text).tab.keyboard.press("Enter")
        self.tab.locator(".mine", has_text=text).last.wait_for()
        return self

    def answer(self):
        """The last answer, once it is whole."""
        self.tab.get_by_role("button", name="Send").wait_for()
        return self.tab.locator(".its:not([aria-busy]) > p:first-child").last.inner_text()

    def picture(self, name):
        """Keep a picture of what is seen."""
        SHOTS.mkdir(exist_ok=True)
        self.tab.screenshot(path=SHOTS / f"app-{name}.png")
