"""The openai package, teaching: texts with their keys on standard input, as JSON; each is sent once, and again by the package alone."""

import asyncio
import json
import sys

import openai

url, together, options = sys.argv[1], int(sys.argv[2]), json.loads(sys.argv[3])
lessons = json.load(sys.stdin)


async def main():
    client = openai.AsyncOpenAI(base_url=url, max_retries=4)
    places = asyncio.Semaphore(together)

    async def teach(key, text):
        async with places:
            return await client.post("/train", body={"text": text, **options}, options={"headers": {"Idempotency-Key": key}}, cast_to=object)

    answers = await asyncio.gather(*(teach(*lesson) for lesson in lessons.items()))
    print(json.dumps(dict(zip(lessons, answers, strict=True))))


asyncio.run(main())
