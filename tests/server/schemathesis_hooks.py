"""What Schemathesis cannot guess: OpenAI's bodies name a model, and half of the tries name the one that is here."""

import schemathesis


@schemathesis.hook
def map_body(context, body):
    """A model's name of odd length becomes the right one."""
    if isinstance(body, dict) and isinstance(body.get("model"), str) and len(body["model"]) % 2:
        return {**body, "model": "one"}
    return body
