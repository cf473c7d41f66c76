"""The page on other screens, in another language, for the keyboard, and what it asks of whom."""

from urllib.parse import urlsplit

PAGES = {"/": "Ask it something", "/timeline": "What it learned", "/data": "Worst remembered", "/model": "Begin afresh"}
CHINESE = {"/": "问它点什么", "/timeline": "学到的内容", "/data": "记得最差的", "/model": "重新开始"}


def test_no_outside_host_is_asked(screen):
    for path, words in PAGES.items():
        screen.open(path).see(words)
    screen.open().say("What is a whale?").answered()
    assert len(screen.requests) > 10
    assert {urlsplit(url).hostname for url in screen.requests if not url.startswith(("data:", "blob:"))} == {"127.0.0.1"}


def test_a_phone_in_chinese_and_dark_shows_everything_in_its_width(look, page):
    screen = look(page, width=390, height=800, locale="zh-CN", color_scheme="dark")
    for path, words in CHINESE.items():
        screen.open(path).see(words)
        assert screen.tab.evaluate("document.documentElement.scrollWidth") <= 390
        screen.picture(f"phone{path.replace('/', '-')}")
    background = screen.tab.evaluate("getComputedStyle(document.querySelector('[data-testid=stApp]')).backgroundColor")
    assert max(map(int, background.removeprefix("rgb(").rstrip(")").split(", "))) < 60


def test_the_language_is_changed_on_the_page(screen):
    screen.tab.get_by_test_id("stSidebar").get_by_role("combobox").click()
    screen.tab.get_by_role("option", name="中文").click()
    screen.see("问它点什么")
    screen.tab.reload()
    screen.see("问它点什么")


def test_a_conversation_by_keyboard_alone(screen):
    screen.tab.get_by_test_id("stChatInputTextArea").focus()
    screen.tab.keyboard.type("What is my owl called?")
    screen.tab.keyboard.press("Enter")
    screen.answered()
    button = screen.tab.get_by_role("button", name="Correct").locator("visible=true").first
    for _ in range(60):
        if button.evaluate("button => button === document.activeElement"):
            break
        screen.tab.keyboard.press("Tab")
    screen.tab.keyboard.press("Enter")
    screen.tab.get_by_role("textbox", name="The right answer").wait_for()
