"""Both languages say the same things, and everything they say is used."""

import re
from pathlib import Path
from types import SimpleNamespace

import pytest
import streamlit as st

from web_ui import catalogue

SOURCES = "".join(path.read_text(encoding="utf-8") for path in sorted(Path(catalogue.__file__).parent.glob("*.py")))
KEYS = sorted(catalogue.sentences("en"))


def test_the_catalogues_have_the_same_keys():
    assert sorted(catalogue.sentences("zh")) == KEYS


def test_the_placeholders_agree():
    held = {language: [sorted(re.findall(r"{\w*}", catalogue.sentences(language)[key])) for key in KEYS] for language in catalogue.LANGUAGES}
    assert [key for key, en, zh in zip(KEYS, held["en"], held["zh"], strict=True) if en != zh] == []


def test_each_language_is_its_own():
    chinese = re.compile(r"[\u4e00-\u9fff]")
    names = {"page.title"}
    assert [key for key in KEYS if key not in names and not chinese.search(catalogue.sentences("zh")[key])] == []
    assert [key for key in KEYS if chinese.search(catalogue.sentences("en")[key])] == []


def test_every_key_that_is_said_is_there():
    said = set(re.findall(r'say\("([a-z]+\.[a-z_]+)"', SOURCES)) | set(re.findall(r'"([a-z]+\.[a-z_]+)" if ', SOURCES))
    assert len(said) > 60 and said <= set(KEYS)


@pytest.mark.parametrize("asked, browser, wanted", [
    (None, None, "en"), (None, "zh-CN", "zh"), (None, "fr-FR", "en"), ("zh", "en-US", "zh"), ("xx", "zh-TW", "en"), ("en", "zh-CN", "en"),
])
def test_the_address_names_the_language_or_else_the_browser(monkeypatch, asked, browser, wanted):
    monkeypatch.setattr(st, "query_params", {"lang": asked} if asked else {})
    monkeypatch.setattr(st, "context", SimpleNamespace(locale=browser))
    assert catalogue.language() == wanted
