"""What Schemathesis cannot guess: OpenAI's bodies name a model, and half of the tries name the one that is here. 1.0 is no integer here."""

import schemathesis


@schemathesis.hook
def map_body(context, body):
    """A model's name of odd length becomes the right one, and a whole number is written without a point."""
    body = without_points(body)
    if isinstance(body, dict) and isinstance(body.get("model"), str) and len(body["model"]) % 2:
        return {**body, "model": "one"}
    return body


def without_points(value):
    """The value with 1 for 1.0, at any depth."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [without_points(each) for each in value]
    return {name: without_points(each) for name, each in value.items()} if isinstance(value, dict) else value
