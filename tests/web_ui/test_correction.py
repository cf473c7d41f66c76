"""An answer put right, and what came of the lesson."""

import pytest
from ouroboros_client import OuroborosError

from tests.web_ui.conftest import Page, chat_page
from tests.web_ui.fake_client import held
from web_ui.jobs import jobs

PLACE = ("cats", 1)
RIGHT = "Your cat is called Wanda."


def editing(cats, text=RIGHT):
    return cats.click("correct-cats-1").fill("text_area", f"right-{PLACE}", text)


def taught(cats, text=RIGHT):
    return editing(cats, text).click(f"teach-{PLACE}").rest()


def test_the_editor_begins_with_the_answer(cats):
    assert cats.click("correct-cats-1").app.text_area(key=f"right-{PLACE}").value == "I do not know."


def test_a_correction_takes_the_place_of_the_answer(client, cats):
    taught(cats)
    assert client.last("correct_stream")[0] == ("cats", 1, RIGHT) and client.chats["cats"][0]["answer"] == RIGHT
    assert "corrected by you" in cats.text and not any(area.key == f"right-{PLACE}" for area in cats.app.text_area)


def test_the_result_is_told_in_words_and_figures(cats):
    taught(cats)
    assert cats.app.success[0].value == "Mastered: the loss fell from 3.60 to 0.02."
    assert [metric.value for metric in cats.app.metric] == ["3.60", "0.02", "+0.003"]
    assert "is as it was" in cats.text and "version 1" in cats.text


def test_the_same_question_is_asked_again_beside_the_old_answer(client, cats):
    client.says = RIGHT
    taught(cats)
    messages, named = client.last("infer_stream")
    assert messages == ([{"role": "user", "text": "What is my cat called?"}],) and named == {"session": None, "temperature": 0}
    assert [column.markdown[0].value for column in cats.app.columns] == ["I do not know.", RIGHT]


def test_a_later_answer_is_corrected_with_what_was_said_before_it(client, cats):
    client.says = "Fish."
    cats.say("What does she like?").rest()
    cats.click("correct-cats-2").fill("text_area", f"right-{('cats', 2)}", "Naps.").click(f"teach-{('cats', 2)}").rest()
    assert [m["text"] for m in client.last("infer_stream")[0][0]] == ["What is my cat called?", "I do not know.", "What does she like?"]


def test_what_will_be_trained_is_shown_with_its_weights(client, cats):
    editing(cats).click(f"look-{PLACE}")
    messages, how = client.last("train")
    assert how == {"dry_run": True, "preview": True}
    assert messages[0] == [{"role": "user", "text": "What is my cat called?", "no_loss": True}, {"role": "assistant", "text": RIGHT}]
    shown = cats.app.get("html")[-1].proto.body
    assert '>User:<mark style="--weight:1"' in shown and "&lt;b&gt;" in shown and '--weight:0.5' in shown
    assert "this is news to it" in cats.text


def test_the_preview_goes_when_the_text_has_changed(cats):
    page = editing(cats).click(f"look-{PLACE}")
    count = len(page.app.get("html"))
    assert len(page.fill("text_area", f"right-{PLACE}", "Something else.").app.get("html")) == count - 1


def test_an_empty_correction_is_refused(client, cats):
    editing(cats, " ").click(f"teach-{PLACE}")
    assert "needs words" in cats.text and not any(name == "correct_stream" for name, *_ in client.calls)


def test_a_correction_can_be_left(cats):
    assert "I do not know" in editing(cats).click(f"leave-{PLACE}").text and cats.has("correct-cats-1")


def test_a_correction_is_there_still_when_the_page_is_loaded_again(cats):
    editing(cats)
    assert Page(chat_page, chat="cats").app.text_area(key=f"right-{PLACE}").value == RIGHT


@pytest.mark.parametrize("control, key, value, name", [
    ("number_input", "until", 0.5, "until_loss"), ("number_input", "epochs", 3, "max_epochs"), ("number_input", "lr", 1e-3, "lr"),
    ("toggle", "checks", False, "checks"),
])
def test_how_to_teach_is_sent(client, cats, control, key, value, name):
    editing(cats).fill(control, f"{key}-{PLACE}", value).click(f"teach-{PLACE}").rest()
    assert client.last("correct_stream")[1] == {"checks": True} | {name: value}


def test_while_it_learns_the_curve_grows_and_it_can_be_cancelled(client, cats):
    held(client)
    editing(cats).click(f"teach-{PLACE}")
    for _ in range(50):
        if cats.app.get("vega_lite_chart") or cats.app.get("arrow_vega_lite_chart"):
            break
        cats.run()
    assert cats.has("cancel-cats")
    cats.click("cancel-cats").rest()
    assert "the model is as it was" in cats.text and client.chats["cats"][0]["answer"] == "I do not know."
    assert cats.app.text_area(key=f"right-{PLACE}").value == RIGHT


def test_a_lesson_goes_on_while_the_page_is_loaded_again(client, cats):
    gate = held(client)
    editing(cats).click(f"teach-{PLACE}")
    again = Page(chat_page, chat="cats")
    assert again.has("cancel-cats")
    gate.set()
    assert "Mastered" in again.rest().text


def test_a_lesson_that_was_refused_says_why_and_keeps_the_text(client, cats):
    client.refuses = "the loss is 31, above refuse_above"
    taught(cats)
    assert "the loss is 31" in cats.text and cats.app.text_area(key=f"right-{PLACE}").value == RIGHT


def test_a_lesson_whose_server_went_away_is_taught_again_with_one_click(client, cats):
    client.fails["correct_stream"] = OuroborosError("no server", code="unreachable")
    taught(cats)
    assert "does not answer" in cats.text
    client.fails = {}
    assert "Mastered" in cats.click("retry-lesson").rest().text


def test_a_result_is_put_away(cats):
    taught(cats).click("close-cats")
    assert "Mastered" not in cats.text and not jobs()


def test_the_lesson_is_undone_with_one_click(client, cats):
    taught(cats).click("undo-cats")
    assert client.last("undo")[0] == ("lesson-000000000001",) and "Mastered" not in cats.text


def test_what_else_was_kept_and_forgotten_is_told(client, cats):
    client.checks |= {"kept": [8, 7], "forgotten": ["lesson-1"]}
    taught(cats)
    assert "Of 8 earlier lessons that were asked again, 7 are still known." in cats.text and "No longer known: 1" in cats.text


def test_neighbours_that_changed_are_shown_and_put_back_with_one_click(client, cats):
    lessons = [{"messages": [{"role": "user", "text": "What is my uncle called?", "no_loss": True}, {"role": "assistant", "text": "I do not know."}]}]
    client.checks |= {"neighbours": [{"question": "What is my uncle called?", "before": "I do not know.", "after": "Walter."}],
                      "put_back": {"lessons": lessons}}
    taught(cats)
    assert cats.app.table[0].value.iloc[0].tolist() == ["What is my uncle called?", "I do not know\\.", "Walter\\."]
    cats.click("put-back-cats").rest()
    assert client.last("train_stream")[1] == {"lessons": lessons, "checks": True} and "Mastered" in cats.text


def test_thumbs_up_teaches_the_answer_as_it_is(client, cats):
    cats.click("up-cats-1").rest()
    assert client.last("train_stream")[0][0][-1] == {"role": "assistant", "text": "I do not know."} and "Mastered" in cats.text
