"""One browser, one server and one page for all stories; each story has tabs of its own."""

import pytest

from tests.web_ui.stories.running import CHROMIUM, Page, Screen, Server


@pytest.fixture(scope="session")
def browser():
    """Chromium, without a window."""
    if CHROMIUM is None:
        pytest.skip("no Chromium found: the stories need one (Debian, Ubuntu: apt install chromium)")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture(scope="session")
def server(browser, tmp_path_factory):
    """The program with the default model."""
    started = Server(tmp_path_factory.mktemp("data"))
    yield started
    started.stop()


@pytest.fixture(scope="session")
def page(server):
    """The page of that server."""
    started = Page(server)
    yield started
    started.stop()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Remember whether a story failed: its tabs are pictured then."""
    report = yield
    item.failed = getattr(item, "failed", False) or report.failed
    return report


@pytest.fixture
def look(browser, request):
    """Opens tabs; all are closed at the end. What a tab threw fails the story, and of one that failed there are pictures."""
    contexts, screens, thrown = [], [], []

    def opened(page, width=1200, height=900, locale="en-US", **how):
        contexts.append(browser.new_context(viewport={"width": width, "height": height}, locale=locale, **how))
        tab = contexts[-1].new_page()
        tab.on("pageerror", lambda error: thrown.append(str(error)))
        screens.append(Screen(tab, page.url))
        return screens[-1]

    yield opened
    for number, screen in enumerate(screens if request.node.failed else [], 1):
        if not screen.tab.is_closed():
            screen.tab.set_viewport_size({"width": 1200, "height": 2400})
            screen.picture(f"failed-{request.node.name}-{number}")
    for context in contexts:
        context.close()
    assert thrown == []


@pytest.fixture
def screen(look, page):
    """A tab."""
    return look(page)
