"""The page is a client of the HTTP API and of nothing else; its stand-in in these tests has the real client's methods."""

import ast
import inspect
from pathlib import Path

import pytest
from ouroboros_client import Client, calls

from tests.web_ui.fake_client import FakeClient, FakeStream

ROOT = Path(__file__).parent.parent.parent
OWN = {"asked", "last", "stream", "answer", "learn", "steps", "version_entry", "find"}
METHODS = [name for name, value in vars(FakeClient).items() if callable(value) and not name.startswith("_") and name not in OWN]


@pytest.mark.parametrize("name", METHODS)
def test_the_stand_in_takes_what_the_client_takes(name):
    assert hasattr(Client, name)
    real = list(inspect.signature(getattr(calls, name.removesuffix("_stream"))).parameters.values())
    fake = list(inspect.signature(getattr(FakeClient, name)).parameters.values())[1:]
    assert [(p.name, p.kind) for p in fake] == [(p.name, p.kind) for p in real]


def test_a_stream_of_the_stand_in_is_one():
    from ouroboros_client import Stream

    assert {name for name in vars(FakeStream) if not name.startswith("_")} - {"was_stopped"} <= set(dir(Stream))


@pytest.mark.parametrize("path", sorted((ROOT / "web_ui").rglob("*.py")) + [ROOT / "WebUI.py"], ids=lambda path: path.name)
def test_the_page_imports_nothing_of_the_server(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = {alias.name.partition(".")[0] for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module.partition(".")[0] for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert not names & {"server", "engine", "models", "rwkv_models", "config_scripts", "app", "torch"}
