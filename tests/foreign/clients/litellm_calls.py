"""litellm, with the server as an OpenAI of its own: whole, streamed, asynchronous, and an error mapped to its own kind."""

import asyncio
import json
import os

import litellm

litellm.telemetry = False
ASK = {"model": "openai/tiny", "api_base": os.environ["OPENAI_BASE_URL"], "messages": [{"role": "user", "content": "What is a cat?"}], "temperature": 0, "num_retries": 0}
whole = litellm.completion(**ASK)
pieces = [chunk.choices[0].delta.content or "" for chunk in litellm.completion(**ASK, stream=True)]
later = asyncio.run(litellm.acompletion(**ASK))
text = litellm.text_completion(model="text-completion-openai/tiny", api_base=os.environ["OPENAI_BASE_URL"], prompt="Once upon a time", max_tokens=5, temperature=0)
try:
    litellm.completion(**{**ASK, "model": "openai/gpt-none"})
    error = None
except litellm.NotFoundError as found:
    error = found.status_code
print(json.dumps({"whole": whole.choices[0].message.content, "pieces": "".join(pieces), "later": later.choices[0].message.content,
                  "usage": whole.usage.total_tokens, "text": text.choices[0].text, "error": error}))
