"""The openai package against a server (its URL is the argument) that is busy at first: how it ends with two retries."""

import json
import sys

import openai

client = openai.OpenAI(base_url=sys.argv[1] + "/v1", api_key=sys.argv[2], max_retries=2)
text = client.completions.create(model="one", prompt="x").choices[0].text
try:
    client.post("/../train", body={"text": "busy"}, cast_to=object)
    taught = None
except openai.APIStatusError as error:
    taught = error.status_code
try:
    list(client.completions.create(model="one", prompt="midway boom", stream=True))
    broken = None
except openai.APIError as error:
    broken = error.message
print(json.dumps({"text": text, "taught": taught, "broken": broken}))
