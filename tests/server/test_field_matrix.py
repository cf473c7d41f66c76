"""Every field of every body, wrong in every way that its schema knows and in those that JSON knows: made from the models."""

import json

import pytest
from pydantic import ValidationError

from server.bodies import InferBody, TrainBody
from server.routes import ROUTES
from tests.server.bad_values import bad, choices, example, resolve
from tests.server.running import check_error

MB = 2**20
BODIES = {route.path.replace("<name>", "one"): route.body for route in ROUTES if route.body}


def fields():
    """(path, place, schema of the field, its root) for each field of each body, and of the objects in its lists."""
    for path, model in BODIES.items():
        root = model.model_json_schema(by_alias=True)
        for name, part in root["properties"].items():
            yield path, (name,), part, root
            for choice in choices(part, root):
                item = resolve(choice.get("items", {}), root)
                for inner, inner_part in item.get("properties", {}).items():
                    yield path, (name, 0, inner), inner_part, root


FIELDS = list(fields())
IDS = [f"{path}-{'.'.join(map(str, place))}" for path, place, _, _ in FIELDS]
EACH = pytest.mark.parametrize("path, place, part, root", FIELDS, ids=IDS)
RAW = {
    "NaN": b"NaN",
    "Infinity": b"Infinity",
    "minus infinity": b"-Infinity",
    "1e999": b"1e999",
    "lone surrogate": rb'"\ud800"',
    "reversed pair": rb'"\udc00\ud800"',
    "surrogate in bytes": b'"\xed\xa0\x80"',
    "not UTF-8": b'"\xff"',
    "100,000 brackets": b"[" * 100_000,
    "100,000 brackets, closed": b"[" * 100_000 + b"]" * 100_000,
    "100,000 objects": b'{"a":' * 100_000,
    "40 levels": b"[" * 40 + b"]" * 40,
    "a bare word": b"nothing",
    "an open string": b'"' + b'\\"' * 1000,
}


def body_with(path, place, value):
    """A good body of the path with one value put in its place."""
    body = example(BODIES[path])
    if len(place) == 1:
        for way in getattr(BODIES[path], "ways", ()):
            body.pop(way, None)  # the field at fault is the only one that could be
        body[place[0]] = value
        if getattr(BODIES[path], "ways", ()) and place[0] not in BODIES[path].ways:
            body[BODIES[path].ways[-1]] = example(BODIES[path]).get(BODIES[path].ways[-1]) or text_for(path)
    else:
        name, _, inner = place
        for way in getattr(BODIES[path], "ways", ()):
            body.pop(way, None)
        item = body.get(name, [{}])[0] or {"role": "user", "text": "hello"} if name == "messages" else {"messages": [{"role": "user", "text": "hello"}]}
        body[name] = [{**item, inner: value}]
    return body


def text_for(path):
    """A good value for the last of a body's ways."""
    return {"/infer": [1, 2], "/train": [[1, 2]], "/load_data": "run-0123456789ab"}[path]


def said_well(response, place):
    """4xx, one sentence, with the field in it."""
    sentence = check_error(response)
    assert 400 <= response.status_code < 500
    assert str(place[-1]) in sentence or str(place[0]) in sentence, sentence
    if len(place) == 3 and response.json()["error"]["code"] == "bad_value":
        assert response.json()["error"]["param"].startswith(f"{place[0]}[0].{place[2]}"), response.json()


def still_works(server):
    assert server.post("/infer", {"text": "good"}).status_code == 200


@EACH
def test_values_that_the_schema_does_not_allow(server, path, place, part, root):
    tried = 0
    for what, value in bad(part, root):
        response = server.post(path, body_with(path, place, value))
        assert response.status_code >= 400, (what, response.text[:200])
        said_well(response, place)
        tried += 1
    assert tried >= 4
    still_works(server)


@EACH
def test_a_text_of_ten_megabytes(server, path, place, part, root):
    room = max((choice.get("maxLength", 0) for choice in choices(part, root)), default=0)
    if room >= 10 * MB:
        assert server.post(path, {**body_with(path, place, "a" * 10 * MB), "name": "big"}).status_code == 200
        return
    response = server.post(path, body_with(path, place, "a" * 10 * MB))
    said_well(response, place)
    assert len(response.content) < 1000
    still_works(server)


@EACH
def test_what_is_no_json(server, path, place, part, root):
    for what, raw in RAW.items():
        data = json.dumps(body_with(path, place, "@@HERE@@")).encode().replace(b'"@@HERE@@"', raw)
        assert raw in data
        response = server.post_raw(path, data)
        assert response.status_code == 400, what
        sentence = check_error(response, param=place[0])
        assert place[0] in sentence, (what, sentence)
    still_works(server)


@pytest.mark.parametrize("path", BODIES)
def test_unknown_fields(server, path):
    for name in ("temperatur", "zzz", "__class__", "a" * 100_000, "\n\n", ""):
        response = server.post(path, {**example(BODIES[path]), name: 1})
        sentence = check_error(response, 400)
        assert name[:20].replace("\n", "?") in sentence and "unknown" in sentence
        assert response.json()["error"]["code"] == "unknown_field"


def test_an_unknown_field_comes_with_help(server):
    check_error(server.post("/infer", {"text": "x", "temperatur": 1}), 400, "temperatur", "did you mean temperature?")
    check_error(server.post("/save", {"nme": "x"}), 400, "nme", "allowed is name")
    inside = server.post("/infer", {"messages": [{"role": "user", "text": "x", "weight": 1}]})
    check_error(inside, 400, "messages[0].weight", "weight is unknown in messages[0], allowed is role or text")


@pytest.mark.parametrize("path", BODIES)
def test_keys_that_come_twice(server, path):
    data = json.dumps(example(BODIES[path]) or {"name": "a"}).encode()
    key = next(iter(json.loads(data)))
    response = server.post_raw(path, data[:-1] + f', "{key}": 1}}'.encode())
    check_error(response, 400, key, "twice")
    escaped = f"\\u{ord(key[0]):04x}{key[1:]}"
    check_error(server.post_raw(path, data[:-1] + f', "{escaped}": 1}}'.encode()), 400, key, "twice")


def test_a_key_that_comes_twice_inside(server):
    data = b'{"messages": [{"role": "user", "text": "a", "text": "b"}]}'
    check_error(server.post_raw("/train", data), 400, "messages", "text is given twice in messages")


@pytest.mark.parametrize("path", BODIES)
@pytest.mark.parametrize(
    "data", [b"null", b"[]", b'"text"', b"1", b"   ", b"{}x", b"{", b"\xef\xbb\xbf{}", b"{}{}", b"[" * 100_000, b"\x00"]
)
def test_bodies_that_are_no_object(server, path, data):
    check_error(server.post_raw(path, data), 400, word="body")


@pytest.mark.parametrize("path, model", [("/infer", InferBody), ("/train", TrainBody)])
def test_exactly_one_way_to_say_it(server, path, model):
    lesson = {"messages": [{"role": "user", "text": "x"}]}
    goods = {**lesson, "text": "x", "tokens": text_for(path), "lessons": [lesson]}
    for way in model.ways:
        assert server.post(path, {way: goods[way]}).status_code == 200
        for other in model.ways:
            if other != way:
                sentence = check_error(server.post(path, {way: goods[way], other: goods[other]}), 400, word="exactly one of")
                assert way in sentence and other in sentence
    check_error(server.post(path, {}), 400, word="exactly one of messages, ")
    check_error(server.post(path, {"text": None}), 400, word="got none")


def test_bounds_are_named(server):
    hot = server.post("/infer", {"text": "x", "temperature": 11})
    check_error(hot, 400, "temperature", "temperature is 11, it must be a number from 0 to 10")
    check_error(server.post("/infer", {"text": "x", "seed": 2**63}), 400, "seed", f"an integer from 0 to {2**63 - 1} or null")
    check_error(server.post("/infer", {"text": "x", "top_p": 0}), 400, "top_p", "a number above 0 to 1")
    check_error(server.post("/train", {"text": "x", "lr": 1.1}), 400, "lr", "a number above 0 to 1 or null")
    check_error(server.post("/train", {"text": "x", "mode": "fast"}), 400, "mode", '"fast", it must be plain, wani-bot or pico or null')
    check_error(server.post("/infer", {"text": "x", "stop": ["a", ""]}), 400, "stop[1]", "a text of 1 to 256 characters")
    check_error(server.post("/infer", {"text": "x", "think": 1}), 400, "think", "true or false")
    check_error(server.post("/load", {}), 400, "name", "missing")
    check_error(server.post("/load", {"name": "A"}), 400, "name", "a text matching ^[a-z0-9][a-z0-9._-]{0,63}$")
    check_error(server.post("/infer", {"text": "x", "session": "a" * 65}), 400, "session", "matching ^[a-z0-9]")
    long = server.post("/infer", {"text": "a" * 4_000_001})
    check_error(long, 400, "text", "a text of 4000001 characters, it must be a text of 1 to 4000000")
    for weight in (-0.1, 100.1):
        lesson = {"messages": [{"role": "user", "text": "x", "weight": weight}]}
        check_error(server.post("/train", lesson), 400, "messages[0].weight", "a number from 0 to 100")
        check_error(server.post("/train", {"lessons": [lesson]}), 400, "lessons[0].messages[0].weight", "a number from 0 to 100")
    check_error(server.post("/train", {"tokens": [[1], [2, -1]]}), 400, "tokens[1][1]", "from 0 to 2147483647")


def test_a_million_wrong_tokens_are_one_fault(server):
    check_error(server.post("/infer", {"tokens": ["x"] * 1_000_000}), 400, "tokens[0]")
    for model, tokens in ((InferBody, ["x"] * 1000), (TrainBody, [[]] * 1000), (TrainBody, [["x"] * 1000])):
        with pytest.raises(ValidationError) as caught:
            model.model_validate({"tokens": tokens})
        assert caught.value.error_count() == 1


@pytest.mark.parametrize("path", ["/etc/passwd", "../token", "a/../../b", "a\\b", "a\0b", "", ".", "./a", "a//b", "a/", "C:a", "a\nb"])
def test_paths_that_lead_out(server, path):
    check_error(server.post("/load_data", {"path": path}), 400, "path", "path")
    assert server.post("/load_data", {"path": "sub folder/sft.org"}).status_code == 200


def test_content_needs_a_name_and_a_path_takes_none(server):
    assert server.post("/load_data", {"content": "x", "name": "mine"}).status_code == 200
    check_error(server.post("/load_data", {"content": "x"}), 400, "name")
    check_error(server.post("/load_data", {"path": "x", "name": "mine"}), 400, "name")
    check_error(server.post("/load_data", {"path": "x", "content": "y", "name": "mine"}), 400, word="exactly one of path, content or resume")
    check_error(server.post("/load_data", {}), 400, word="exactly one of path, content or resume")


def test_what_is_trained_is_said_in_fields_that_fit(server):
    check_error(server.post("/trains", {}), 400, "what", "missing")
    check_error(server.post("/trains", {"what": "parts"}), 400, "parts", 'at least one of "att", "ffn"')
    check_error(server.post("/trains", {"what": "state", "parts": ["att"]}), 400, "parts", "none, because")
    check_error(server.post("/trains", {"what": "lora", "rank": 0}), 400, "rank", "from 1 to 4096")
    check_error(server.post("/trains", {"what": "lora", "name": "../x"}), 400, "name")
    assert server.post("/trains", {"what": "lora", "rank": 8, "targets": ["att.key"]}).status_code == 200
    assert server.engine.last("train_this")[0]["targets"] == ("att.key",)


def test_adapters_and_states_are_named_where_they_must_be(server):
    for body in ({"action": "merge", "name": "x"}, {"action": "export"}, {"action": "import"}, {"action": "remove"}):
        check_error(server.post("/adapters", body), 400, "name")
    assert server.post("/adapters", {"action": "merge"}).status_code == 200
    for action in ("save", "load"):
        check_error(server.post("/state", {"kind": "train", "action": action}), 400, "name")
    check_error(server.post("/state", {"kind": "train", "action": "reset", "name": "x"}), 400, "name")
    check_error(server.post("/state", {"kind": "train", "action": "save", "name": "x", "session": "s"}), 400, "session", "no meaning")
    check_error(server.post("/state", {"kind": "infer", "action": "save", "name": "x", "decay": 0.5}), 400, "decay", "no meaning")
    assert server.post("/state", {"kind": "infer", "action": "load", "name": "x", "blend": "y", "share": 0.2}).status_code == 200
    assert server.engine.last("state") == ({"kind": "infer", "action": "load", "name": "x", "blend": "y", "share": 0.2},)
