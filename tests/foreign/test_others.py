"""Other clients and a validator of descriptions, unchanged."""

import json

from tests.foreign.test_openai import CAT


def test_litellm(served):
    found = served.client("litellm_calls")
    assert found["whole"] == found["pieces"] == found["later"] == CAT
    assert found["usage"] == 26 and found["text"] == ", there was a little" and found["error"] == 404


def test_llm(served):
    home = served.home / "llm"
    home.mkdir(exist_ok=True)
    (home / "extra-openai-models.yaml").write_text(f"- model_id: ours\n  model_name: tiny\n  api_base: {served.url}/v1\n  api_key_name: ours\n")
    (home / "keys.json").write_text(json.dumps({"ours": served.token}))
    for more in ([], ["--no-stream"]):
        assert served.run("-m", "llm", "-m", "ours", "-o", "temperature", "0", *more, "What is a cat?").strip() == CAT
    assert served.run("-m", "llm", "logs", "list", "-n", "1", "--response").strip() == CAT  # it keeps what it was told


def test_the_description_is_valid_openapi(served):
    paths = served.client("check_openapi")
    assert {"/v1/chat/completions", "/train", "/sessions/{name}", "/metrics", "/openapi.json"} <= set(paths)
