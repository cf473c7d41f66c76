"""The openai package, asynchronous: many answers at once, streams that are left, and how often it tries again."""

import asyncio
import json

import openai


async def main():
    client = openai.AsyncOpenAI(max_retries=0)
    ask = {"model": "tiny", "messages": [{"role": "user", "content": "What is a cat?"}]}
    one = await client.chat.completions.create(**ask, temperature=0)

    async def streamed():
        stream = await client.chat.completions.create(**ask, temperature=0, stream=True)
        return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])

    together = await asyncio.gather(*(streamed() for _ in range(6)))
    left = await client.completions.create(model="tiny", prompt="Once", max_tokens=100_000, stream=True)
    async for _ in left:
        break
    await left.close()
    after = await client.chat.completions.create(**ask, temperature=0)
    print(json.dumps({"one": one.choices[0].message.content, "together": together, "after": after.choices[0].message.content}))


asyncio.run(main())
