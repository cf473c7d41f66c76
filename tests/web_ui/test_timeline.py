"""What was learned, and the ways back."""

import re

import pytest
from ouroboros_client import OuroborosError


def teach(client, *names):
    for name in names:
        client.learn([{"role": "user", "text": "What is my goose called?"}, {"role": "assistant", "text": f"Your goose is called {name}."}])


def test_before_the_first_lesson_it_says_what_to_do(open_timeline):
    assert "Nothing has been taught yet" in open_timeline().text


def test_lessons_are_listed_with_version_time_and_loss(client, open_timeline):
    teach(client, "Olga", "Zita")
    shown = open_timeline().text
    assert shown.index("Zita") < shown.index("Olga") < shown.index("The model as it came")
    assert re.search(r"version 2 · 2023-11-1\d \d\d:13 · loss 3.60 → 0.02", shown) and shown.count("check: now") == 1


def test_the_last_lesson_is_undone_with_one_button(client, open_timeline):
    teach(client, "Olga", "Zita")
    page = open_timeline().click("undo-last")
    assert client.last("undo")[0] == ("lesson-000000000002",)
    assert "Undone\\: " in page.text and "not in the weights now" in page.text
    page.click("undo-last")
    assert client.last("undo")[0] == ("lesson-000000000001",)


def test_with_nothing_to_undo_the_button_is_off(client, open_timeline):
    teach(client, "Olga")
    assert open_timeline().click("undo-last").app.button(key="undo-last").disabled


def test_any_lesson_can_be_undone(client, open_timeline):
    teach(client, "Olga", "Zita")
    open_timeline().click("undo-1")
    assert client.last("undo")[0] == ("lesson-000000000001",)


def test_the_model_goes_back_to_any_version(client, open_timeline):
    teach(client, "Olga", "Zita")
    page = open_timeline()
    assert not page.has("rollback-2")
    page.click("rollback-1")
    assert client.version == 1 and page.has("rollback-2") and not page.has("rollback-1")


def test_the_drift_of_a_lesson_is_measured(client, open_timeline):
    client.drift = None  # as of a lesson of a set
    teach(client, "Olga")
    page = open_timeline().click("measure-1")
    assert client.last("diff")[0] == (0, 1) and "drift +0.025" in page.text


def test_the_drift_that_was_measured_when_it_was_learned_is_told(client, open_timeline):
    teach(client, "Olga")
    page = open_timeline()
    assert "drift +0.003" in page.text and not page.has("measure-1")


def test_what_was_rehearsed_is_told(client, open_timeline):
    teach(client, "Olga")
    client.course.insert(0, client.version_entry(2, "rehearsal", None, 0.5, 0.4))
    assert "rehearsed" in open_timeline().text


def test_lessons_are_searched(client, open_timeline):
    teach(client, "Olga", "Zita")
    shown = open_timeline().fill("text_input", "search-lessons", "zita goose").text
    assert "Zita" in shown and "Olga" not in shown


def test_older_lessons_are_shown_on_demand(client, open_timeline):
    teach(client, *(f"N{i}" for i in range(25)))
    page = open_timeline()
    assert "N0\\." not in page.text and "N0\\." in page.click("more-versions").text


def test_two_versions_answer_one_question_side_by_side(client, open_timeline):
    teach(client, "Olga", "Zita")
    page = open_timeline()
    assert page.app.button(key="compare-do").disabled
    page.app.selectbox(key="compare-left").select(0)
    page.fill("text_input", "compare-prompt", "What is my goose called?").click("compare-do")
    assert "I do not know. (0)" in page.text and "I do not know. (now)" in page.text
    assert client.last("diff")[0] == (0, 2) and "0.900 and 0.925" in page.text


@pytest.mark.parametrize("method, click", [("rollback", "rollback-1"), ("diff", "measure-1"), ("undo", "undo-last")])
def test_what_fails_is_said_in_a_sentence(client, open_timeline, method, click):
    client.drift = None
    teach(client, "Olga", "Zita")
    client.fails[method] = OuroborosError("there is no memory for a second model", status=409)
    assert "no memory for a second model." in open_timeline().click(click).text


def test_without_a_server_there_is_a_sentence_and_a_retry(client, open_timeline):
    client.fails["versions"] = OuroborosError("no server", code="unreachable")
    page = open_timeline()
    assert "does not answer" in page.text and page.has("retry-timeline")
