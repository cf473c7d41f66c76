"""What the server answers has the fields that the client's types say, each of them and no other."""

import types
import typing

import pytest
from ouroboros_client import calls, results

from tests.for_client.client_code.conftest import ONE_STEP

KINDS = {int: int, float: (int, float), str: str, bool: bool, dict: dict, type(None): type(None)}


def fits(value, kind):
    """What is wrong with a value of JSON for a type, "" where nothing is."""
    origin, parts = typing.get_origin(kind), typing.get_args(kind)
    if kind is typing.Any:
        return ""
    if typing.is_typeddict(kind):
        return fits_fields(value, typing.get_type_hints(kind, include_extras=True))
    if origin in (types.UnionType, typing.Union):
        found = [fits(value, part) for part in parts]
        return "" if "" in found else " or ".join(found)
    if origin is typing.Literal:
        return "" if value in parts else f"{value!r} is none of {parts}"
    if origin is list and isinstance(value, list):
        return next(filter(None, (fits(one, parts[0]) for one in value)), "")
    wanted = KINDS.get(origin or kind)
    right = wanted and isinstance(value, wanted) and (kind is bool) == isinstance(value, bool)
    return "" if right else f"{value!r} is no {kind}"


def fits_fields(value, fields):
    """The same of an object."""
    if not isinstance(value, dict):
        return f"{value!r} is no object"
    needed = {name for name, kind in fields.items() if typing.get_origin(kind) is not typing.NotRequired}
    if wrong := (needed - set(value)) | (set(value) - set(fields)):
        return f"{sorted(wrong)} missing or too many in {sorted(value)}"
    bare = {name: typing.get_args(kind)[0] if typing.get_origin(kind) is typing.NotRequired else kind for name, kind in fields.items()}
    return next((f"{name}: {said}" for name in value if (said := fits(value[name], bare[name]))), "")


def check(name, value):
    """`value` is what the method of this name says that it returns."""
    kind = typing.get_args(typing.get_type_hints(getattr(calls, name))["return"])[1]
    assert fits(value, kind) == "", name
    return value


@pytest.mark.parametrize("bad", [{"id": "a"}, {"id": "a", "cancelled": True, "more": 1}, {"id": 1, "cancelled": True}, {"id": "a", "cancelled": 1}, []])
def test_the_check_sees_what_does_not_fit(bad):
    assert fits({"id": "a", "cancelled": True}, results.Cancelled) == "" != fits(bad, results.Cancelled)


def test_answers_have_the_fields_that_their_types_have(client):
    answer = check("infer", client.infer("What is a cat?", session="shapes", logprobs=1, max_tokens=4))
    check("regenerate", client.regenerate("shapes", 1, max_tokens=4))
    check("edit", client.edit("shapes", 1, "What is a dog?", max_tokens=4))
    scene = [{"role": "user", "text": "What is my cat called?"}, {"role": "assistant", "text": "Wanda."}]
    lesson = check("train", client.train(scene, **ONE_STEP | {"checks": True}))
    check("train", client.train(scene, dry_run=True, preview=True))
    check("correct", client.correct("shapes", 1, "An animal.", **ONE_STEP))
    check("correct", client.correct("shapes", 1, "Another animal.", train=False))
    check("retrain", client.retrain(lesson["lesson"], **ONE_STEP))
    content = "* USER One?\n** ASSISTANT Two.\n* Broken\n** NOBODY x\n"
    check("load_data", client.load_data(content=content, name="shapes"))
    check("load_data", client.load_data(content=content, name="shapes", train=True, **ONE_STEP))
    for name in ("health", "weights", "datasets", "sessions", "lessons", "versions", "checkpoints", "states", "review", "export", "tokenizer_info"):
        check(name, getattr(client, name)())
    check("session", client.session("shapes"))
    check("branch", client.branch("shapes", 1, "shapes-2"))
    check("rename_session", client.rename_session("shapes-2", "shapes-3"))
    check("delete_session", client.delete_session("shapes-3"))
    check("session_history", client.session_history("shapes"))
    check("lesson", client.lesson(lesson["lesson"]))
    check("diff", client.diff(0, client.health()["version"]))
    check("undo", client.undo(lesson["lesson"]))
    check("retract", client.retract(lesson["lesson"]))
    check("save", client.save("shapes"))
    check("load", client.load("shapes"))
    check("defaults", client.defaults())
    check("rollback", client.rollback(client.health()["version"]))
    check("detokenize", client.detokenize(check("tokenize", client.tokenize("a cat"))["tokens"]))
    with client.events() as events:
        assert fits(next(events), results.Event) == ""
    assert answer["session"] == "shapes" and client.infer("And?", session="shapes", max_tokens=2)["turn"] == 2
