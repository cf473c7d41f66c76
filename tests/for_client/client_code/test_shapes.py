"""The client has every route and every option, under their names, and both its forms ask for the same."""

import inspect
import re
import subprocess
import sys
import typing

import anyio
import pytest
from ouroboros_client import AsyncClient, Client, calls, options
from ouroboros_client.methods import Ask, Methods

from engine.options import InferOptions, TrainOptions
from server import bodies
from server.routes import ROUTES
from tests.for_client.client_code.conftest import PACKAGE
from tests.server.running import TOKEN, Running

ARGUMENTS = {
    "infer": ("a question",), "regenerate": ("one", 1), "edit": ("one", 1, "a question"), "correct": ("one", 1, "an answer"),
    "train": ([{"role": "user", "text": "a"}, {"role": "assistant", "text": "b"}],), "retrain": ("lesson-1",), "load_data": ("sft.org",),
    "cancel": ("id",), "session": ("one",), "session_history": ("one",), "delete_session": ("one",), "branch": ("one", 1, "two"),
    "lesson": ("lesson-1",), "retract": ("lesson-1",), "undo": ("lesson-1",), "query": ("ASK {}",), "construct": ("DESCRIBE <a:b>",),
    "diff": (1, 2), "rollback": (1,), "load": ("default",), "state": ("train", "reset"), "train_this": ("all",), "adapter": ("merge",),
    "rename_session": ("one", "two"), "rename_checkpoint": ("one", "two"), "delete_checkpoint": ("one",), "export_checkpoint": ("one",),
    "tokenize": ("a",), "detokenize": ([1],),
}
METHODS = sorted(name for name, value in vars(Methods).items() if isinstance(value, Ask)) + ["events"]
BODIES = {
    "InferOptions": InferOptions, "TrainOptions": TrainOptions, "LessonIn": bodies.LessonBody, "Message": bodies.Taught,
    "LessonsFilter": bodies.LessonsFilter,
    "SetOptions": (bodies.LoadDataBody, {"path", "content", "name", "resume", "stream", "idempotency_key"}),
    "StateOptions": (bodies.StateBody, {"kind", "action", "name"}), "TrainsOptions": (bodies.TrainsBody, {"what"}),
}


@pytest.fixture(scope="module")
def shapes():
    """A server that has no model, and takes what any server takes."""
    with Running() as running:
        yield running


@pytest.mark.parametrize("name", METHODS)
def test_every_method_asks_for_what_the_server_takes_and_both_clients_the_same(shapes, name):
    def asked():
        found = repr(shapes.engine.calls)
        shapes.engine.calls.clear()
        return re.sub("client-[0-9a-f]{32}", "KEY", found)

    async def later():
        async with AsyncClient(shapes.url, TOKEN) as client:
            method = getattr(client, name)(*ARGUMENTS.get(name, ()))
            return [event async for event in method] if name == "events" else await method

    with Client(shapes.url, TOKEN) as client:
        now = getattr(client, name)(*ARGUMENTS.get(name, ()))
        now = list(now) if name == "events" else now
    here = asked()
    then = anyio.run(later)
    assert here == asked()
    if name not in ("metrics", "events", "health"):
        assert {**now, "id": 0} == {**then, "id": 0} if isinstance(now, dict) else now == then


def test_every_route_has_a_method():
    calls_of = [getattr(calls, name)(*ARGUMENTS.get(name, ())) for name in METHODS]
    asked = {(call.method, call.path) for call in calls_of}

    def known(route):
        return any(method == route.method and matches(route.path, path) for method, path in asked)

    def matches(pattern, path):
        given, wanted = path.split("/"), pattern.split("/")
        return len(given) == len(wanted) and all(b.startswith("<") or a == b for a, b in zip(given, wanted, strict=True))

    missing = {(route.method, route.path) for route in ROUTES if not known(route)}
    assert {path for _, path in missing} == {"/docs", "/app", "/app/<name>", "/v1/models", "/v1/models/<name>", "/v1/chat/completions", "/v1/completions"}


@pytest.mark.parametrize("name", BODIES)
def test_options_are_those_of_the_server(name):
    body, left_out = BODIES[name] if isinstance(BODIES[name], tuple) else (BODIES[name], set())
    ours = typing.get_type_hints(getattr(options, name))
    assert set(ours) == set(body.model_fields) - left_out
    for field, kind in ours.items():
        assert choices(kind) == choices(body.model_fields[field].annotation), field


def choices(kind):
    """The words that a type allows."""
    if typing.get_origin(kind) is typing.Literal:
        return set(typing.get_args(kind))
    return {word for part in typing.get_args(kind) for word in choices(part)}


def test_the_package_is_typed():
    done = subprocess.run([sys.executable, "-m", "mypy", "--cache-dir", ".mypy_cache"], cwd=PACKAGE, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_a_method_keeps_its_documentation_and_its_signature():
    with Client("http://127.0.0.1:1", "none") as client:
        assert client.rollback.__doc__ == calls.rollback.__doc__ and inspect.signature(client.rollback) == inspect.signature(calls.rollback)
