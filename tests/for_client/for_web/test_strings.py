"""The page over an engine on strings: what is seen in the midst of an answer and of a lesson, and what is said when things go wrong."""

import pytest

from tests.server.fake_engine import error_for

WAIT = 20
"""Seconds until an engine on strings was asked."""
FINAL = {"session": "cats", "turn": 2, "finish_reason": "stop", "versions": [0, 0]}
LESSON = {"learned": True, "lesson": "lesson-1", "version": 1, "loss_before": 3.5, "loss_after": 0.05, "seconds": 1.25, "reason": None,
          "words": {"level": "known", "en": "It knows this by heart.", "zh": "它已经记住了。"}}

def ticket(strings):
    """What the engine was asked for."""
    return strings.engine.opened.get(timeout=WAIT)


@pytest.fixture(autouse=True)
def begun_anew(strings):
    """Nothing of an earlier test is left on the server."""
    strings.engine.begin_anew()


@pytest.fixture(scope="module")
def tab(look_all, strings):
    """One tab for all: what takes time is to load the page."""
    return look_all(strings).see("Ask it something")


@pytest.fixture
def screen(tab, strings):
    """The tab, begun anew, with the chat called cats open."""
    tab.tab.unroute_all()
    tab.tab.evaluate("scittle.core.eval_string('(re-frame.core/dispatch-sync [:start])')")
    return tab.see("Ask it something").press("cats").see("An animal.")


def test_an_answer_is_seen_as_it_grows(screen, strings):
    screen.say("And a dog?")
    answer = ticket(strings)
    screen.see("waiting for the first word")
    for piece, seen in (("It is ", "It is"), ("one ", "It is one"), ("too, 狗", "It is one too, 狗")):
        answer.progress({"text": piece})
        screen.see(seen)
    strings.engine.turns.append({"turn": 2, "messages": [{"role": "user", "text": "And a dog?"}], "answer": "It is one too, 狗", "versions": [0, 0], "finish_reason": "stop"})
    answer.finish({**FINAL, "id": answer.id, "text": "It is one too, 狗"})
    assert screen.answer() == "It is one too, 狗"
    source, _, session, _ = strings.engine.last("infer")
    assert source["messages"] == [{"role": "user", "text": "And a dog?"}] and session == "cats"


def test_stop_ends_it_on_the_server(screen, strings):
    screen.say("And a dog?")
    answer = ticket(strings)
    answer.progress({"text": "It is"})
    screen.see("It is")
    with screen.tab.expect_response(lambda response: response.url.endswith("/cancel")):
        screen.press("Stop")
    answer.progress({"text": " "})
    strings.engine.turns.append({"turn": 2, "messages": [{"role": "user", "text": "And a dog?"}], "answer": "It is", "versions": [0, 0], "finish_reason": "cancelled"})
    answer.finish({**FINAL, "id": answer.id, "text": "It is", "finish_reason": "cancelled"})
    screen.see("stopped")
    assert strings.engine.last("cancel") == (answer.id,)


def test_stop_before_the_first_word_hangs_up(screen, strings):
    screen.say("And a dog?")
    answer = ticket(strings)
    screen.see("waiting").press("Stop")
    assert answer.cancelled.wait(WAIT)
    assert screen.gone("waiting").tab.get_by_role("textbox", name="Write a message").input_value() == "And a dog?"


@pytest.mark.parametrize("error, sentence", [("busy", "the queue is full"), ("boom", "internal error, see the log")])
@pytest.mark.parametrize("words", ["", "It is"])
def test_a_failure_is_said_and_what_was_asked_is_kept(screen, strings, error, sentence, words):
    screen.say("And a dog?")
    answer = ticket(strings)
    if words:
        answer.progress({"text": words})
        screen.see(words)
    answer.fail(error_for(error))
    screen.see(sentence)
    assert screen.tab.get_by_role("textbox", name="Write a message").input_value() == "And a dog?"
    screen.press("Dismiss").gone(sentence)


def test_a_lesson_that_was_lost_on_the_way_is_sent_again_under_its_key(screen, strings):
    keys = []

    def lose_the_first(route):
        keys.append(route.request.post_data_json["idempotency_key"])
        (route.abort if len(keys) == 1 else route.continue_)()

    screen.tab.route("**/correct", lose_the_first)
    with screen.tab.expect_request(lambda request: request.url.endswith("/correct") and len(keys) == 1):
        screen.press("Correct").write("The right answer", "A pet.").press("Teach it")
    screen.see("It learns")
    lesson = ticket(strings)
    assert strings.engine.last("correct") == ("cats", 1, "A pet.", keys[0]) and keys == [keys[0]] * 2 and len(keys[0]) >= 16
    lesson.progress({"step": 2, "steps": 5, "epoch": 1, "loss": 1.5, "lr": 1e-4, "tokens_per_s": 1, "eta_s": 1})
    screen.see("step 2 of 5, loss 1.50")
    near = [{"question": "What is a dog?", "before": "An animal.", "after": "A pet."}]
    back = {"lessons": [{"messages": [{"role": "user", "text": "What is a dog?"}, {"role": "assistant", "text": "An animal."}]}]}
    strings.engine.turns[0]["answer"] = "A pet."
    lesson.finish({**LESSON, "checks": {"kept": [4, 3], "forgotten": ["x"], "neighbours": near, "put_back": back}})
    screen.see("Learned: loss 3.50 → 0.050 in 1.3 s, version 1.").see("It knows this by heart.").see("3 of 4 earlier lessons").see("What is a dog?")
    screen.picture("learned")
    screen.press("Teach the old answers again")
    ticket(strings).finish({**LESSON, "version": 2, "checks": None})
    screen.press("Lessons").see("version 2.")
    assert strings.engine.last("train")[0] == {"lessons": [{"messages": [
        {**message, "weight": 1.0, "no_loss": False} for message in back["lessons"][0]["messages"]]}]}


def test_a_lesson_that_changed_nothing_says_why(screen, strings):
    screen.press("Good")
    ticket(strings).finish({**LESSON, "learned": False, "lesson": None, "version": 0, "reason": "the loss is nan: nothing was learned", "checks": None})
    screen.see("Nothing was learned: the loss is nan")


def test_a_lesson_is_stopped(screen, strings):
    screen.press("Good")
    lesson = ticket(strings)
    lesson.progress({"step": 1, "steps": 9, "epoch": 1, "loss": 1.0, "lr": 1e-4, "tokens_per_s": 1, "eta_s": 1})
    screen.see("step 1 of 9").press("Stop")
    screen.tab.wait_for_timeout(0)
    lesson.finish({**LESSON, "learned": False, "lesson": None, "version": 0, "reason": "it was cancelled", "checks": None})
    screen.see("it was cancelled")
    assert strings.engine.last("cancel") == (lesson.id,)


def test_what_others_do_is_seen_as_it_happens(screen, strings):
    tell = strings.engine.events.tell
    tell("step", lesson="lesson-9", step=3, steps=4, epoch=1, loss=0.75, lr=1e-4, tokens_per_s=1, eta_s=1)
    screen.see("0.75")
    strings.engine.taught.append({"lesson": "lesson-9", "time": 1.0, "version": 5, "messages": [{"role": "user", "text": "Who?"}, {"role": "assistant", "text": "Somebody else."}],
                                  "loss_before": 2.0, "loss_after": 0.25, "loss_now": None, "in_weights": True, "state": "taught"})
    tell("lesson", lesson="lesson-9", version=5, loss_before=2.0, loss_after=0.25)
    screen.see("loss 0.25").press("Lessons").see("Somebody else.").see("v5 2.00 → 0.25")


def test_a_text_is_only_a_text(screen, strings):
    evil = "<img src=http://elsewhere.invalid/x onerror=alert(1)><script>alert(2)</script> [a](javascript:alert(3))"
    strings.engine.turns[0]["answer"] = evil
    strings.engine.events.tell("turn", session="cats")
    screen.see("<script>alert(2)</script>")
    assert screen.answer() == evil and screen.tab.locator("main img, main script, main a").count() == 0


def test_answering_anew_asks_before_later_turns_go(screen, strings):
    strings.engine.turns.append({"turn": 2, "messages": [{"role": "user", "text": "And a dog?"}], "answer": "Too.", "versions": [0, 0], "finish_reason": "stop"})
    strings.engine.events.tell("turn", session="cats")
    screen.see("Too.").press("Edit")
    field = screen.tab.locator(".mine textarea")
    field.fill("What is an owl?")
    field.press("Enter")
    screen.gone("Too.")  # the question of the browser is agreed to meanwhile
    answer = ticket(strings)
    assert strings.engine.last("edit") == ("cats", 1, [{"role": "user", "text": "What is an owl?"}])
    strings.engine.turns[:] = [{**strings.engine.turns[0], "messages": [{"role": "user", "text": "What is an owl?"}], "answer": "A bird."}]
    answer.finish({**FINAL, "id": answer.id, "turn": 1, "text": "A bird."})
    assert screen.answer() == "A bird."


def test_the_token(look, strings):
    screen = look(strings, token="")
    screen.write("Token", "not the right token").press("Enter").see("This is not the token of this server.")
    screen.write("Token", strings.token).press("Enter").see("Ask it something")
    screen.tab.reload()
    screen.see("Ask it something")
    assert strings.token not in screen.tab.content() and all(strings.token not in url for url in screen.requests)
    given = look(strings).see("Ask it something")
    assert given.tab.url == f"{strings.url}/app"


def test_a_phone_in_chinese_and_dark(look, strings):
    screen = look(strings, viewport={"width": 390, "height": 800}, locale="zh-CN", color_scheme="dark").see("问它点什么")
    screen.press("cats").see("An animal.")
    for tab, words in (("对话", "纠正"), ("课程", "教一个事实"), ("权重", "检查点")):
        screen.press(tab).see(words)
        assert screen.tab.evaluate("document.documentElement.scrollWidth") <= 390
        screen.picture(f"phone-{tab}")
    assert max(map(int, screen.tab.evaluate("getComputedStyle(document.body).backgroundColor").removeprefix("rgb(").rstrip(")").split(", "))) < 60
    screen.press("English").see("Checkpoints")
    assert screen.tab.evaluate("document.documentElement.lang") == "en"
