"""The page of the model."""

import pytest
import streamlit as st
from ouroboros_client import OuroborosError

import web_ui.connection
from web_ui.model import gauge
from web_ui.words import size


def test_what_it_is_stands_at_the_top(open_model):
    assert [metric.value for metric in open_model().app.metric] == ["tiny", "rwkv7", "9.1 M", "plain", "0", "0", "878 MB"]


def test_a_checkpoint_is_saved_by_name_and_loaded(client, open_model):
    page = open_model().fill("text_input", "save-name", "monday").click("save")
    assert "**monday**" in page.text and "version 0 · 36 MB" in page.text
    client.version = 3
    page.click("load-monday")
    assert client.last("load") == (("monday",), {"version": 0})


def test_of_several_of_one_name_each_is_told_and_loaded(client, open_model):
    for version in (0, 1, 1):
        client.version = version
        client.save("monday")
    page = open_model()
    assert page.text.count("version 1 · 36 MB") == 1 and page.text.count("check: in use") == 1
    page.click("load-monday@2")
    assert client.last("load") == (("monday",), {"version": 0})


def test_a_checkpoint_is_renamed(client, open_model):
    client.save("monday")
    page = open_model()
    assert page.app.button(key="rename-monday").disabled
    page.fill("text_input", "new-monday", "../x").click("rename-monday")
    assert "small letters" in page.text and client.saved[0]["name"] == "monday"
    page.fill("text_input", "new-monday", "tuesday").click("rename-monday")
    assert page.app.session_state["told"] == "monday is called tuesday now\\." and "**tuesday**" in page.text


def test_a_checkpoint_is_exported(client, open_model):
    client.save("monday")
    assert "monday\\-0\\.safetensors" in open_model().click("export-monday").text
    assert client.last("export_checkpoint") == (("monday",), {"version": 0})


def test_a_checkpoint_is_deleted_only_when_it_is_meant_and_not_in_use(client, open_model):
    client.save("monday")
    client.save("tuesday")
    page = open_model()
    assert not page.has("delete-tuesday") and "stands on this checkpoint" in page.text
    assert page.app.button(key="delete-monday").disabled
    page.app.checkbox(key="sure-monday").check()
    page.run().click("delete-monday")
    assert page.app.session_state["told"] == "monday is deleted\\." and [each["name"] for each in client.saved] == ["tuesday"]


@pytest.mark.parametrize("method, click", [("rename_checkpoint", "rename-monday"), ("export_checkpoint", "export-monday"), ("load", "load-monday")])
def test_what_the_server_refuses_is_said(client, open_model, method, click):
    client.save("monday")
    client.fails[method] = OuroborosError("as: there is a checkpoint tuesday already", status=409)
    assert "there is a checkpoint tuesday already." in open_model().fill("text_input", "new-monday", "tuesday").click(click).text


def test_a_name_that_is_a_path_is_refused(client, open_model):
    page = open_model().fill("text_input", "save-name", "../monday").click("save")
    assert "small letters" in page.text and client.saved == []


@pytest.mark.parametrize("what, named, sent", [
    ("all", {}, {}), ("parts", {}, {"parts": ["att"]}), ("lora", {"adapter-name": "pets"}, {"name": "pets", "rank": 32}),
    ("miss", {"adapter-name": "pets"}, {"name": "pets", "rank": 32}), ("state", {"adapter-name": "mood"}, {"name": "mood"}),
])
def test_what_is_trained_is_chosen(client, open_model, what, named, sent):
    page = open_model().fill("selectbox", "what", what)
    for key, value in named.items():
        page.fill("text_input", key, value)
    page.click("use")
    assert client.last("train_this") == ((what,), sent)


def test_the_rank_of_an_adapter_is_chosen(client, open_model):
    open_model().fill("selectbox", "what", "lora").fill("number_input", "rank", 8).click("use")
    assert client.last("train_this")[1]["rank"] == 8


@pytest.mark.parametrize("action, in_use, sent", [("merge", True, None), ("export", True, "pets"), ("export", False, "pets"), ("remove", False, "pets")])
def test_adapters_are_merged_exported_and_removed(client, open_model, action, in_use, sent):
    client.training["adapters"] = [{"name": "pets", "kind": "lora", "rank": 8, "in_use": in_use}]
    open_model().click(f"{action}-pets")
    assert client.last("adapter")[0] == (action, sent)


def test_an_adapter_in_use_cannot_be_removed(client, open_model):
    client.training["adapters"] = [{"name": "pets", "kind": "lora", "rank": 8, "in_use": True}]
    assert not open_model().has("remove-pets")


def test_the_state_of_a_chat_is_saved_loaded_mixed_and_left(client, open_model):
    client.answer([{"role": "user", "text": "a"}], "cats")
    page = open_model().fill("text_input", "state-name", "mood").click("state-save")
    assert client.last("state") == (("infer", "save", "mood"), {"session": "cats"})
    page.click("state-load")
    assert client.last("state") == (("infer", "load", "mood"), {})
    page.fill("selectbox", "state-blend", "mood").fill("slider", "state-share", 0.25).click("state-load")
    assert client.last("state") == (("infer", "load", "mood"), {"blend": "mood", "share": 0.25})
    page.click("state-reset")
    assert client.last("state") == (("infer", "reset", None), {})


def test_without_a_server_there_is_a_sentence_and_a_retry(client, open_model):
    client.fails["health"] = OuroborosError("no server", code="unreachable")
    page = open_model()
    assert "does not answer" in page.text and page.has("retry-model")


def test_a_retry_takes_the_token_of_now(client, open_model, monkeypatch):
    made = []
    monkeypatch.setattr(web_ui.connection, "Client", lambda **_: made.append(1) or client)
    st.cache_resource.clear()
    client.fails["checkpoints"] = OuroborosError("no", status=401)
    page = open_model()
    assert "refuses the token" in page.text and len(made) == 1
    del client.fails["checkpoints"]
    assert "refuses the token" not in page.click("retry-checkpoints").text and len(made) == 2


@pytest.mark.parametrize("count, shown", [(0, "0 B"), (999, "999 B"), (36_292_616, "36 MB"), (5.8e9, "5.8 GB"), (1.2e12, "1200.0 GB")])
def test_sizes_can_be_read(count, shown):
    assert size(count) == shown


def test_a_gauge_that_is_not_told_is_nothing():
    assert gauge("a 1\nb 2e3\n", "b") == 2000 and gauge("", "b") == 0
