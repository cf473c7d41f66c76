"""OpenAI's routes over the fake engine: what is asked of the engine, and the shape of what is answered."""

import pytest

from server.openai_bodies import ChatBody, CompletionBody
from tests.server.fake_engine import PIECES
from tests.server.running import check_error, check_error_object, events

CHAT = {"model": "one", "messages": [{"role": "user", "content": "hi"}]}
TEXT = {"model": "one", "prompt": "hi"}
WHOLE = "".join(PIECES)


def test_what_a_chat_asks_of_the_engine(server):
    body = {**CHAT, "messages": [{"role": "developer", "content": "s", "name": "x"}, {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}],
            "n": 2, "seed": -1, "stop": "x", "top_p": 0, "logit_bias": {"5": -100}, "max_completion_tokens": 9, "response_format": {"type": "json_object"}}
    assert server.post("/v1/chat/completions", body).status_code == 200
    kind, sources, options, given, n, score = server.engine.last("answer")
    assert kind == "chatcmpl" and n == 2 and score is None
    assert sources == [{"messages": [{"role": "system", "text": "s"}, {"role": "user", "text": "a\nb"}]}]
    assert options.seed == 2**63 - 1 and options.stop == ["x"] and 0 < options.top_p < 1e-6 and options.logit_bias == {5: -100.0}
    assert options.max_tokens == 9 and options.json_object and "temperature" not in given  # which the config script says


@pytest.mark.parametrize("prompt, sources", [
    ("a", [{"text": "a"}]), (["a", "b"], [{"text": "a"}, {"text": "b"}]), ([1, 2], [{"tokens": [1, 2]}]), ([[1], [2, 3]], [{"tokens": [1]}, {"tokens": [2, 3]}]),
])
def test_prompts(server, prompt, sources):
    assert server.post("/v1/completions", {"model": "one", "prompt": prompt}).status_code == 200
    assert server.engine.last("answer")[1] == sources and server.engine.last("answer")[2].max_tokens == 16


@pytest.mark.parametrize("prompt", [[], [[]], [1, "a"], [[1], "a"], [True], [[1], [True]], [-1], {"a": 1}, 5, [None], ["a"] * 65])
def test_prompts_that_are_none(server, prompt):
    check_error(server.post("/v1/completions", {"model": "one", "prompt": prompt}), 400, "prompt", "prompt must be a text")


def test_the_whole_answers(server):
    chat = server.post("/v1/chat/completions", {**CHAT, "n": 2, "logprobs": True}).json()
    assert [choice["index"] for choice in chat["choices"]] == [0, 1] and chat["system_fingerprint"] == "version-4"
    assert chat["choices"][1]["message"]["content"] == WHOLE and chat["usage"] == {"prompt_tokens": 1, "completion_tokens": 4, "total_tokens": 5}
    assert chat["choices"][0]["logprobs"]["content"][1] == {"token": "b", "logprob": -1.25, "bytes": [98], "top_logprobs": []}
    text = server.post("/v1/completions", {"model": "one", "prompt": [[66, 67]], "echo": True, "logprobs": 1}).json()
    assert text["choices"] == [{"index": 0, "text": "AB" + WHOLE, "finish_reason": "stop", "logprobs": {
        "tokens": ["A", "B", "a", "b"], "token_logprobs": [None, -1.5, -0.25, -1.25], "text_offset": [0, 1, 2, 3],
        "top_logprobs": [None, {"B": -1.5}, {"z": -0.125, "a": -0.25}, {"z": -0.125, "b": -1.25}]}}]
    assert server.engine.last("answer")[-1] == 1
    plain = server.post("/v1/completions", {**TEXT, "echo": True}).json()
    assert plain["choices"][0]["text"] == "hi" + WHOLE and plain["choices"][0]["logprobs"] is None and server.engine.last("answer")[-1] is None


def test_tokens_without_letters_have_names_of_their_own(server):
    text = server.post("/v1/completions", {"model": "one", "prompt": [0, 1 + 0xE7], "echo": True, "logprobs": 1}).json()
    assert text["choices"][0]["logprobs"]["tokens"][:2] == ["<|endoftext|>", "bytes:\\xe7"]


def test_streams(server):
    *chunks, done = events(server.post("/v1/chat/completions", {**CHAT, "n": 2, "stream": True, "stream_options": {"include_usage": True}}))
    assert done == "[DONE]" and chunks[-1]["choices"] == [] and chunks[-1]["usage"]["total_tokens"] == 5
    for index in (0, 1):
        deltas = [c["choices"][0]["delta"] for c in chunks[:-1] if c["choices"][0]["index"] == index]
        assert deltas[0] == {"role": "assistant", "content": "", "refusal": None} and deltas[-1] == {}
        assert [d["content"] for d in deltas[1:-1]] == PIECES
    assert {c["system_fingerprint"] for c in chunks} == {"version-7", "version-4"}  # of now while it is written; at its end, its own
    *pieces, done = events(server.post("/v1/completions", {**TEXT, "echo": True, "stream": True}))
    assert [p["choices"][0]["text"] for p in pieces] == ["hi", *PIECES, ""] and "usage" not in pieces[0] and done == "[DONE]"


def test_errors_on_the_way(server):
    for path, body in (("/v1/completions", TEXT), ("/v1/chat/completions", CHAT)):
        said = lambda word, body=body: {**body, **({"prompt": word} if "prompt" in body else {"messages": [{"role": "user", "content": word}]})}  # noqa: E731
        for stream in (False, True):
            check_error(server.post(path, {**said("late busy"), "stream": stream}), 503, word="queue")
            check_error(server.post(path, {**said("boom"), "stream": stream}), 500, word="internal error")
        *_, error, done = events(server.post(path, {**said("midway boom"), "stream": True}))
        check_error_object(error, word="internal error")
        assert done == "[DONE]"


def test_only_our_model_answers(server):
    for path, body in (("/v1/completions", TEXT), ("/v1/chat/completions", CHAT)):
        for name in ("one", "ONE", "rwkv-ouroboros"):
            assert server.post(path, {**body, "model": name}).json()["model"] == name
        refused = server.post(path, {**body, "model": "gpt-4o"})
        check_error(refused, 404, "model", "one and rwkv-ouroboros")
        assert refused.json()["error"]["code"] == "model_not_found"


@pytest.mark.parametrize("path, body, model", [("/v1/chat/completions", CHAT, ChatBody), ("/v1/completions", TEXT, CompletionBody)])
def test_fields_of_openais_that_are_not_ours(server, path, body, model):
    for name in model.dropped:
        assert server.post(path, {**body, name: {"any": "thing"}}).status_code == 200
    for name, harmless in model.refused.items():
        for value in (None, *harmless):
            assert server.post(path, {**body, name: value}).status_code == 200, (name, value)
        check_error(server.post(path, {**body, name: [{"other": 1}]}), 400, name, f"{name} is not supported, leave it out")


def test_fields_that_do_not_fit_each_other(server):
    check_error(server.post("/v1/chat/completions", {**CHAT, "top_logprobs": 2}), 400, "top_logprobs")
    check_error(server.post("/v1/chat/completions", {**CHAT, "max_tokens": 2, "max_completion_tokens": 3}), 400, "max_completion_tokens")
    check_error(server.post("/v1/completions", {**TEXT, "prompt": ["a"] * 5, "n": 16}), 400, "n", "5 prompts are too many")
    long = {**TEXT, "prompt": ["a" * 200_000] * 2}
    check_error(server.post("/v1/completions", {**long, "echo": True, "logprobs": 0}), 400, "prompt", "prompt is too long")
    assert server.post("/v1/completions", long).status_code == 200
    check_error(server.post("/v1/completions", {**TEXT, "prompt": [300]}), 400, "prompt", "ids go from 0 to 256")
    check_error(server.post("/v1/chat/completions", {**CHAT, "messages": [{"role": "user", "content": [{"type": "image_url"}]}]}), 400, "messages.content", "image_url")
    for bad in ({"x": 1}, {"5": 101}, {"5": True}, {"-1": 1}, [5]):
        check_error(server.post("/v1/completions", {**TEXT, "logit_bias": bad}), 400, "logit_bias", "logit_bias must be")


def test_the_vocabulary(server):
    assert server.post("/tokenize", {"prompt": "ab"}).json() == {"tokens": [98, 99], "count": 2}
    assert server.post("/tokenize", {"prompt": "ab", "add_special_tokens": True}).json()["tokens"] == [0, 98, 99]
    assert server.post("/tokenize", {"prompt": "<|endoftext|>"}).json()["tokens"] == [0]
    assert len(server.post("/tokenize", {"prompt": "<|endoftext|>a"}).json()["tokens"]) == 14  # inside a text it is only text
    assert server.post("/detokenize", {"tokens": [98, 99]}).json() == {"prompt": "ab"}
    assert server.post("/detokenize", {"tokens": [0]}).json() == {"prompt": "<|endoftext|>"}
    check_error(server.post("/detokenize", {"tokens": [257]}), 400, "tokens", "out of range")
    info = server.get("/tokenizer_info").json()
    assert info["eos_token"] == "<|endoftext|>" and info["vocab_size"] == 257 and info["bos_token"] is None
