"""The page under /app: given out to everyone, with a policy that lets it ask this server alone; and no other file of the machine."""

import re

import pytest
import requests

from server import routes_app
from server.routes_app import GUARD, MEDIAS, OWN
from tests.server.running import WAIT


@pytest.mark.parametrize("name", [None, *sorted(OWN)])
def test_every_file_comes_with_the_policy_and_needs_no_token(server, name):
    answer = requests.get(f"{server.url}/app" + (f"/{name}" if name else ""), timeout=WAIT)
    path = OWN[name or "index.html"]
    assert answer.status_code == 200 and answer.content == path.read_bytes()
    assert answer.headers["Content-Type"] == f"{MEDIAS[path.suffix]}; charset=utf-8" and GUARD.items() <= answer.headers.items()
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy and "*" not in policy and "http" not in policy


def test_the_page_names_only_files_that_there_are_and_nothing_of_another_host():
    page = OWN["index.html"].read_text(encoding="utf-8")
    named = re.findall(r'(?:src|href)="([^"]*)"', page)
    assert {name.removeprefix("/app/") for name in named} <= set(routes_app.FILES) and all(name.startswith("/app/") for name in named)
    assert {name for name in OWN if name.endswith(".cljs")} <= {name.removeprefix("/app/") for name in named}
    assert not re.search(r"<script(?![^>]*src=)|\son\w+=|<style", page)


@pytest.mark.parametrize("name", ["token", "package.json", "..%2fpackage.json", "..%2f..%2f..%2fapp.py", "app.css%00", "APP.CSS", "scittle.nrepl.js", "%2e%2e"])
def test_nothing_else_is_given_out(server, name):
    answer = server.get(f"/app/{name}")
    assert answer.status_code in (400, 404) and answer.headers["Content-Type"] == "application/json" and set(answer.json()) == {"error"}


def test_a_library_that_is_not_installed_is_named_with_the_way_to_it(server, monkeypatch, tmp_path):
    monkeypatch.setitem(routes_app.FILES, "react.js", tmp_path / "react.js")
    answer = server.get("/app/react.js")
    assert answer.status_code == 404 and "npm ci --prefix for_client/for_web" in answer.json()["error"]["message"]
