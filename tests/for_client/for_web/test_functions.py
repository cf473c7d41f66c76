"""The page's pure functions, in the page: each against what it should be by another way."""

import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n"), max_size=8)


@pytest.fixture(scope="module")
def page(browser):
    """A tab with the page in it, of a server that lets everyone in."""
    from tests.server.running import Running

    with Running(token="") as running:
        context = browser.new_context()
        tab = context.new_page()
        tab.goto(f"{running.url}/app")
        tab.get_by_role("textbox").first.wait_for()
        yield lambda form: tab.evaluate("form => scittle.core.eval_string('(clj->js ' + form + ')')", form)
        context.close()


def text(value):
    """A text as Clojure reads it."""
    return json.dumps(value, ensure_ascii=False)


@given(st.lists(TEXTS, max_size=4), TEXTS, st.sampled_from(["\n", "\r\n"]))
@settings(max_examples=25, deadline=None)
def test_events_are_the_same_wherever_the_text_is_cut(page, datas, rest, end):
    whole = "".join(f": keep-alive{end}{end}data: {data}{end}{end}" for data in datas) + rest
    cut = f"""(reduce (fn [[all left] piece] (let [[some more] (ouroboros.sse/parse (str left piece))] [(into all some) more]))
                      [[] ""] (map str {text(whole)}))"""
    assert page(f"(ouroboros.sse/parse {text(whole)})") == [datas, rest]
    assert page(cut) == [datas, rest]


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=60))
@settings(max_examples=25, deadline=None)
def test_every_text_gives_a_name_that_the_server_takes(page, said):
    assert re.fullmatch("[a-z0-9][a-z0-9._-]{0,63}", page(f"(ouroboros.db/slug {text(said)})"))


def test_a_name_that_is_free(page):
    assert page('(ouroboros.db/slug "What is my cat called?")') == "what-is-my-cat-called"
    assert page('(ouroboros.db/slug "我的猫")') == "chat"
    assert page('(ouroboros.db/free-name "cat" ["cat" "cat-2" "dog"])') == "cat-3"
    assert page('(ouroboros.db/free-name "owl" ["cat"])') == "owl"


TURNS = """[{:turn 1 :messages [{:role "system" :text "S"} {:role "user" :text "A?"}] :answer "a"}
            {:turn 2 :messages [{:role "user" :text "B?"}] :answer "b"} {:turn 3 :messages [{:role "user" :text "C?"}] :answer "c"}]"""


def test_of_a_conversation_only_the_answer_in_question_is_trained(page):
    assert page(f"(ouroboros.db/conversation {TURNS} 2)") == [
        {"role": "system", "text": "S"}, {"role": "user", "text": "A?"}, {"role": "assistant", "text": "a", "no_loss": True},
        {"role": "user", "text": "B?"}, {"role": "assistant", "text": "b"}]
    assert [turn["turn"] for turn in page(f"(ouroboros.db/up-to {TURNS} 3)")] == [1, 2]


def test_how_often_an_answer_was_taught(page):
    lessons = """[{:turn 1 :in_weights true :messages [{:text "A?"} {:text "a"}] :loss_before 0.2 :loss_after 0.05 :loss_now 0.06}
                  {:turn 1 :in_weights false :messages [{:text "A?"} {:text "a"}] :loss_before 9 :loss_after 9}
                  {:turn 1 :in_weights true :messages [{:text "A?"} {:text "other"}] :loss_before 8 :loss_after 8}
                  {:turn 2 :in_weights true :messages [{:text "B?"} {:text "a"}] :loss_before 7 :loss_after 7}
                  {:turn 1 :in_weights true :messages [{:text "A?"} {:text "a"}] :loss_before 3.5 :loss_after 0.1}]"""
    assert page(f'(ouroboros.db/training-of {lessons} {{:turn 1 :answer "a"}})') == {"times": 2, "before": 3.5, "after": 0.05, "now": 0.06}
    assert page(f'(ouroboros.db/training-of {lessons} {{:turn 1 :answer "never said"}})') is None


def told(page, *events):
    return page(f"(reduce ouroboros.db/told ouroboros.db/initial [{' '.join(events)}])")


def test_what_happens_is_told_but_its_steps_are_not_kept(page):
    step = '{:event "step" :lesson "l" :step 2 :steps 5 :loss 1.5}'
    before = told(page, '{:event "open" :version 3}', step)
    assert before["live"] is True and before["step"]["step"] == 2 and before["feed"] == []
    after = told(page, step, '{:event "lesson" :lesson "l" :version 4 :loss_after 0.07}')
    assert after["step"] is None and after["loss"] == 0.07 and after["health"]["version"] == 4
    assert [event["event"] for event in after["feed"]] == ["lesson"]
    many = told(page, *(f'{{:event "turn" :n {n}}}' for n in range(100)))["feed"]
    assert [event["n"] for event in many] == list(range(99, 39, -1))


def test_both_languages_say_the_same_things(page):
    sentences = page("(seq ouroboros.words/sentences)")
    assert len(sentences) > 60
    for key, (english, chinese) in sentences:
        assert english and chinese and set(re.findall(r"\{\w+\}", english)) == set(re.findall(r"\{\w+\}", chinese)), key
    assert page('(ouroboros.words/say :zh :page/version {:version 3})') == "版本 3"


def test_every_sentence_that_is_said_is_there(page):
    from server.routes_app import OWN

    said = {key for path in OWN.values() if path.suffix == ".cljs" and path.name != "words.cljs"
            for key in re.findall(r":((?:page|door|error|chat|lesson|lessons|weights)/[\w-]+)", path.read_text(encoding="utf-8"))}
    dynamic = {f"weights/{kind}" for kind in ("base", "lesson", "rehearsal", "undo")}
    known = {key.removeprefix(":") for key in page("(map str (keys ouroboros.words/sentences))")}
    assert known == said | dynamic


def test_losses_are_short(page):
    assert page("(mapv ouroboros.words/figure [nil 0.0193 0.5 12.3456])") == ["–", "0.019", "0.50", "12.35"]
