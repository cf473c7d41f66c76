"""The openai package, unchanged: what it gets over HTTP is what OpenAI's own answers look like, and what the engine says."""

import json
import re

import pytest
import requests

from tests.foreign.direct import Direct
from tests.server.running import Running


@pytest.fixture(scope="module")
def direct():
    return Direct()


@pytest.fixture(scope="module")
def found(served, direct):
    return served.client("openai_sync", ",".join(map(str, direct.tokenizer.encode(" A"))))


CAT = "A cat is a small animal with soft fur that people keep as a pet."


def test_models_and_the_whole_answer(found):
    assert found["models"] == ["tiny", "rwkv-ouroboros"] and found["model"] == "tiny"
    chat = found["chat"]
    [choice] = chat["choices"]
    assert choice["message"]["content"] == CAT and choice["finish_reason"] == "stop" and choice["message"]["role"] == "assistant"
    assert chat["object"] == "chat.completion" and chat["system_fingerprint"] == "version-0" and chat["model"] == "tiny"
    usage = chat["usage"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"] and usage["completion_tokens"] > 10


def test_the_chunks_of_a_chat(found):
    first, *middle, last, usage = found["chunks"]
    assert first["choices"][0]["delta"]["role"] == "assistant" and first["choices"][0]["delta"]["content"] == ""
    assert "".join(chunk["choices"][0]["delta"]["content"] for chunk in middle) == CAT
    assert all(chunk["choices"][0]["finish_reason"] is None for chunk in (first, *middle)) and last["choices"][0]["finish_reason"] == "stop"
    assert usage["choices"] == [] and usage["usage"] == found["chat"]["usage"] and all(c["usage"] is None for c in found["chunks"][:-1])
    assert {chunk["object"] for chunk in found["chunks"]} == {"chat.completion.chunk"} and len({chunk["id"] for chunk in found["chunks"]}) == 1
    tokens = [entry for chunk in middle for entry in chunk["choices"][0]["logprobs"]["content"]]
    assert bytes(byte for entry in tokens for byte in entry["bytes"]).decode().strip() == CAT
    assert all(len(entry["top_logprobs"]) == 2 for entry in tokens) and found["accumulated"] == CAT


def test_logprobs_are_the_models_own(found, direct):
    entries = found["logprobs"]["content"]
    prompt = direct.template.prompt(direct.messages(("user", "What is a cat?")))
    tokens = direct.tokenizer.encode_bytes(bytes(byte for entry in entries for byte in entry["bytes"]))
    costs, greedy = direct.costs([*prompt, *tokens], len(prompt))
    assert greedy and len(costs) == len(entries)
    for entry, cost in zip(entries, costs, strict=True):
        assert entry["logprob"] == pytest.approx(cost, abs=1e-4)
        top = [t["logprob"] for t in entry["top_logprobs"]]
        assert len(top) == 3 and top == sorted(top, reverse=True) and top[0] == entry["logprob"]


def test_n_answers_have_the_seeds_that_follow(found):
    assert found["seeds"] == found["alone"] and len(set(found["seeds"])) > 1


def test_what_ends_and_what_moves_an_answer(found):
    stopped = found["stopped"]
    assert stopped["message"]["content"] == "A cat is a" and stopped["finish_reason"] == "stop"
    assert found["short"] == "length" and found["parts"] and found["biased"] != CAT and not found["biased"].startswith("A ")


def test_json_objects_always_parse(found):
    assert len(found["objects"]) == 12
    assert all(isinstance(json.loads(text), dict) for text in found["objects"]), found["objects"]
    assert len(set(found["objects"])) > 2


def test_completions_echo_their_prompt_with_its_costs(found, direct):
    [choice] = found["completion"]["choices"]
    told = choice["logprobs"]
    assert choice["text"].startswith("Once upon a time") and "".join(told["tokens"]) == choice["text"]
    assert [choice["text"][at:].startswith(token) for at, token in zip(told["text_offset"], told["tokens"], strict=True)] == [True] * len(told["tokens"])
    tokens = [*direct.template.begin, *direct.tokenizer.encode(choice["text"])]
    costs, _ = direct.costs(tokens, 1)
    assert told["token_logprobs"] == pytest.approx(costs, abs=1e-4)
    pieces = [piece["choices"][0] for piece in found["pieces"]]
    assert "".join(piece["text"] for piece in pieces) == choice["text"] and pieces[-1]["finish_reason"] == choice["finish_reason"] == "length"
    for name in ("tokens", "token_logprobs", "text_offset"):
        assert [one for piece in pieces if piece["logprobs"] for one in piece["logprobs"][name]] == told[name]


def test_prompts_in_every_form(found, direct):
    batch = found["batch"]
    assert len(batch) == 6 and batch[0] == batch[1] == batch[4] == batch[5] and batch[2] == batch[3] != batch[0]
    once, dog = (len(direct.tokenizer.encode(text)) + 1 for text in ("Once upon a time", "The dog"))
    assert found["batch usage"]["prompt_tokens"] == 2 * once + dog and found["batch usage"]["completion_tokens"] == 30
    first, second = found["tokens"]["choices"]
    assert first["text"].startswith(direct.tokenizer.decode([0, 10, 20])) and second["text"].startswith(direct.tokenizer.decode([30]))
    assert found["default length"] == 16


def test_errors_have_openais_classes(found):
    assert found["errors"] == {
        "no such model": ["NotFoundError", 404, "model", "model_not_found"], "tools": ["BadRequestError", 400, "tools", "invalid_request"],
        "best_of": ["BadRequestError", 400, "best_of", "invalid_request"], "role": ["BadRequestError", 400, "messages", "invalid_request"],
        "image": ["BadRequestError", 400, "messages.content", "invalid_request"], "hot": ["BadRequestError", 400, "temperature", "bad_value"],
        "n": ["BadRequestError", 400, "n", "bad_value"], "schema": ["BadRequestError", 400, "response_format.type", "bad_value"],
        "unknown": ["BadRequestError", 400, "surprise", "unknown_field"], "token": ["AuthenticationError", 401, None, "bad_token"],
        "range": ["BadRequestError", 400, "prompt", "invalid_request"], "path": ["NotFoundError", 404, None, "not_found"],
    }


def test_asynchronous_clients_and_streams_that_are_left(served):
    found = served.client("openai_async")
    assert found["together"] == [found["one"]] * 6 and found["after"] == found["one"] == CAT


def test_a_busy_server_is_asked_again_unless_that_would_teach_twice(served):
    with Running() as running:
        answer, asked = running.engine.answer, []

        def busy_at_first(*arguments):
            asked.append(arguments)
            return answer("cmpl", [{"text": "late busy"}], *arguments[2:]) if len(asked) < 3 else answer(*arguments)

        running.engine.answer = busy_at_first
        found = served.client("openai_retries", running.url, "a-token-for-tests-only")
        assert found["text"] == "one two thré\n" and len(asked) == 4  # three for the first call, one for the stream
        assert found["taught"] == 503 and sum(name == "train" for name, _ in running.engine.calls) == 1
        assert "internal error" in found["broken"]


def test_the_fingerprint_follows_the_lessons(served):
    headers = {"Authorization": f"Bearer {served.token}"}
    lesson = {"messages": [{"role": "user", "text": "What is my fish called?"}, {"role": "assistant", "text": "Your fish is called Ringo."}], "epochs": 1}
    ask = {"model": "tiny", "prompt": "x", "max_tokens": 1}
    post = lambda path, body: requests.post(served.url + path, json=body, headers=headers, timeout=60).json()  # noqa: E731
    before = post("/v1/completions", ask)["system_fingerprint"]
    assert post("/train", lesson)["learned"]
    after = post("/v1/completions", ask)["system_fingerprint"]
    assert [int(re.fullmatch(r"version-(\d+)", text)[1]) for text in (before, after)] == [0, 1]
    text = requests.get(served.url + "/metrics", headers=headers, timeout=60).text
    assert "ouroboros_version 1.0" in text and "ouroboros_lessons_learned_total 1.0" in text
