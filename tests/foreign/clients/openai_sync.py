"""The openai package, synchronous: every call that this server has, each fact printed for the test."""

import json
import sys

import openai

client = openai.OpenAI(max_retries=0)
ASK = {"model": "tiny", "messages": [{"role": "user", "content": "What is a cat?"}]}
found = {}

found["models"] = [m.id for m in client.models.list()]
found["model"] = client.models.retrieve("tiny").id
whole = client.chat.completions.create(**ASK, temperature=0, user="me", metadata={"a": "b"}, store=False, parallel_tool_calls=True, service_tier="auto")
found["chat"] = whole.model_dump()

with client.chat.completions.create(**ASK, temperature=0, stream=True, stream_options={"include_usage": True}, logprobs=True, top_logprobs=2) as stream:
    chunks = [chunk.model_dump() for chunk in stream]
found["chunks"] = chunks
with client.chat.completions.stream(**ASK, temperature=0) as helper:  # the package's own accumulator
    found["accumulated"] = helper.get_final_completion().choices[0].message.content

varied = {"model": "tiny", "messages": [{"role": "user", "content": "Tell me a story."}], "temperature": 2, "top_p": 1, "max_tokens": 20}
several = client.chat.completions.create(**varied, n=3, seed=11)
found["seeds"] = [choice.message.content for choice in sorted(several.choices, key=lambda c: c.index)]
found["alone"] = [client.chat.completions.create(**varied, seed=11 + i).choices[0].message.content for i in range(3)]
found["logprobs"] = client.chat.completions.create(**ASK, temperature=0, logprobs=True, top_logprobs=3).choices[0].logprobs.model_dump()
found["stopped"] = client.chat.completions.create(**ASK, temperature=0, stop=[" small"]).choices[0].model_dump()
found["short"] = client.chat.completions.create(**ASK, temperature=0, max_completion_tokens=2).choices[0].finish_reason
parts = [{"role": "developer", "content": "Be brief."}, {"role": "user", "content": [{"type": "text", "text": "What is a cat?"}]}]
found["parts"] = client.chat.completions.create(model="rwkv-ouroboros", messages=parts, temperature=0).choices[0].message.content
banned = client.chat.completions.create(**ASK, temperature=0, logit_bias=dict.fromkeys(sys.argv[1].split(","), -100))
found["biased"] = banned.choices[0].message.content

found["objects"] = []
for seed in range(4):
    for limit in (2, 7, 60):
        made = client.chat.completions.create(**{**varied, "temperature": 5, "max_tokens": limit}, seed=seed, response_format={"type": "json_object"})
        found["objects"].append(made.choices[0].message.content)

text = client.completions.create(model="tiny", prompt="Once upon a time", max_tokens=8, temperature=0, echo=True, logprobs=2)
found["completion"] = text.model_dump()
pieces = client.completions.create(model="tiny", prompt="Once upon a time", max_tokens=8, temperature=0, echo=True, logprobs=2, stream=True)
found["pieces"] = [piece.model_dump() for piece in pieces]
batch = client.completions.create(model="tiny", prompt=["Once upon a time", "The dog", "Once upon a time"], max_tokens=5, temperature=0, n=2)
found["batch"] = [choice.text for choice in sorted(batch.choices, key=lambda c: c.index)]
found["batch usage"] = batch.usage.model_dump()
found["tokens"] = client.completions.create(model="tiny", prompt=[[0, 10, 20], [30]], max_tokens=3, temperature=0, echo=True).model_dump()
found["default length"] = client.completions.create(model="tiny", prompt="Once", temperature=0).usage.completion_tokens

found["errors"] = {}
for name, call in {
    "no such model": lambda: client.chat.completions.create(model="gpt-none", messages=ASK["messages"]),
    "tools": lambda: client.chat.completions.create(**ASK, tools=[{"type": "function", "function": {"name": "f"}}]),
    "best_of": lambda: client.completions.create(model="tiny", prompt="x", best_of=4),
    "role": lambda: client.chat.completions.create(model="tiny", messages=[{"role": "nobody", "content": "x"}]),
    "image": lambda: client.chat.completions.create(model="tiny", messages=[{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:,"}}]}]),
    "hot": lambda: client.chat.completions.create(**ASK, temperature=11),
    "n": lambda: client.chat.completions.create(**ASK, n=1000),
    "schema": lambda: client.chat.completions.create(**ASK, response_format={"type": "json_schema", "json_schema": {"name": "x", "schema": {}}}),
    "unknown": lambda: client.chat.completions.create(**ASK, extra_body={"surprise": 1}),
    "token": lambda: openai.OpenAI(api_key="wrong-token-entirely", max_retries=0).chat.completions.create(**ASK),
    "range": lambda: client.completions.create(model="tiny", prompt=[0, 10**6]),
    "path": lambda: client.embeddings.create(model="tiny", input="x"),
}.items():
    try:
        call()
        found["errors"][name] = None
    except openai.APIStatusError as error:
        found["errors"][name] = [type(error).__name__, error.status_code, error.param, error.code]
print(json.dumps(found))
