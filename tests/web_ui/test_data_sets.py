"""Sets of lessons on the page."""

import json

import pandas as pd
import pytest
from ouroboros_client import OuroborosError

from tests.web_ui.conftest import Page, data_page
from tests.web_ui.fake_client import held
from web_ui.sources import as_jsonl

TEXT = "* My goat\n** USER What is my goat called?\n** ASSISTANT Your goat is called Zita.\n"


def written(open_data):
    return open_data().fill("text_area", "set-text", TEXT)


def test_without_a_set_nothing_can_be_taught(open_data):
    for way in ("text", "file"):
        page = open_data(way)
        assert page.app.button(key="read-set").disabled and page.app.button(key="teach-set").disabled


def test_a_written_set_is_read_and_its_problems_told_by_line(client, open_data):
    page = written(open_data).fill("text_input", "set-name", "My Pets!").click("read-set")
    assert client.last("load_data")[1] == {"content": TEXT, "name": "my-pets"}
    assert "problems: 1" in page.text.replace("\\", "") and "line 8: 'NOBODY' is not a role" in page.text.replace("\\", "")
    assert "Already there, or nearly: 1" in page.text


def test_an_uploaded_file_can_be_edited_before_it_is_taught(client, open_data):
    page = open_data("file")
    page.app.file_uploader(key="upload").set_value([("Pets.org", TEXT.encode(), "text/plain")])
    page.run()
    page.app.text_area[0].set_value(TEXT + "* bad\n")
    page.run().click("read-set")
    assert client.last("load_data")[1] == {"content": TEXT + "* bad\n", "name": "pets", "format": "org"}


def test_a_file_that_is_no_text_is_refused(client, open_data):
    page = open_data("file")
    page.app.file_uploader(key="upload").set_value([("x.org", b"\xff\xfe\x00", "text/plain")])
    assert "not text" in page.run().text and page.app.button(key="read-set").disabled


def test_a_file_in_the_data_folder_is_taught_with_its_shares(client, open_data):
    open_data("folder").fill("text_input", "set-path", "pets").fill("text_input", "set-shares", "cats:3, dogs:1").click("teach-set").rest()
    arguments, named = client.last("load_data_stream")
    assert arguments == ("pets",) and named["shares"] == ["cats:3", "dogs:1"]


def test_a_table_begins_with_an_example_and_is_read(client, open_data):
    open_data("table").click("read-set")
    sent = client.last("load_data")[1]
    assert sent["format"] == "jsonl" and json.loads(sent["content"])["messages"][1] == {"role": "assistant", "text": "Your cat is called Wanda.", "weight": 1.0}


def test_the_rows_of_a_table_become_lessons():
    rows = [("1", "user", "a", 1.0), ("1", "assistant", "b", 0.5), ("2", "user", "c", float("nan")), ("2", None, "x", 1), ("2", "assistant", "  ", 1), ("2", "assistant", "你好", None)]
    lessons = [json.loads(line)["messages"] for line in as_jsonl(pd.DataFrame(rows, columns=["lesson", "role", "text", "weight"])).splitlines()]
    assert [[(m["role"], m["text"], m["weight"]) for m in messages] for messages in lessons] == [
        [("user", "a", 1.0), ("assistant", "b", 0.5)], [("user", "c", 1.0), ("assistant", "你好", 1.0)]]


def test_a_set_is_taught_and_what_came_of_it_is_told(client, open_data):
    page = written(open_data).fill("number_input", "passes", 3).fill("toggle", "shuffle", True).click("teach-set").rest()
    named = client.last("load_data_stream")[1]
    assert (named["passes"], named["shuffle"], named["train"]) == (3, True, True)
    assert "Lessons learned: 2. Good" in page.text and "line 4: the loss is 31" in page.text.replace("\\", "")
    assert "done" in page.text and "Good" not in page.click("close-run").text


def test_a_run_is_paused_and_goes_on(client, open_data):
    held(client)
    page = written(open_data).click("teach-set")
    for _ in range(50):
        if page.has("pause"):
            break
        page.run()
    assert page.app.button(key="teach-set").disabled
    page.click("pause").rest()
    assert "paused" in page.text
    client.gate = None
    page.click("resume-run-1").rest()
    assert client.last("load_data_stream")[1]["resume"] == "run-1" and "done" in page.text


def test_a_run_that_is_under_way_is_watched_by_a_page_that_is_opened(client):
    client.runs = [{"run": "run-7", "dataset": "pets", "state": "running", "lessons": 2, "done": 1, "learned": 1, "time": 1.7e9}]
    page = Page(data_page).rest()
    assert client.last("load_data_stream")[1]["resume"] == "run-7" and "Lessons learned: 2" in page.text


def test_a_run_whose_server_went_away_is_found_again(client, open_data):
    client.fails["load_data_stream"] = OuroborosError("broke off", code="lost")
    page = written(open_data).click("teach-set").rest()
    assert "broke off" in page.text
    client.fails = {}
    client.runs = [{"run": "run-7", "dataset": "pets", "state": "running", "lessons": 2, "done": 1, "learned": 1, "time": 1.7e9}]
    page.click("retry-run").rest()
    assert client.last("load_data_stream")[1]["resume"] == "run-7"


def test_what_is_worst_remembered_is_measured_on_demand(client, open_data):
    client.learn([{"role": "user", "text": "What is my goat called?"}, {"role": "assistant", "text": "Zita."}])
    page = open_data()
    assert not page.app.dataframe
    page.click("review")
    assert page.app.dataframe[0].value.iloc[0].tolist() == ["What is my goat called? → Zita.", 0.02, 0.7] and page.app.button(key="retrain").disabled


@pytest.mark.parametrize("method, click", [("load_data", "read-set"), ("review", "review")])
def test_what_fails_is_said_and_the_text_stays(client, open_data, method, click):
    client.fails[method] = OuroborosError("no server", code="unreachable")
    page = written(open_data).click(click)
    assert "does not answer" in page.text and page.app.text_area(key="set-text").value == TEXT
