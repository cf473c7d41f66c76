"""What Schemathesis cannot guess: OpenAI's bodies name a model, and half of the tries name the one that is here. 1.0 is no integer here.

Only bodies that are meant to be good are touched: what is meant to be refused would be made good.
"""

import schemathesis


@schemathesis.hook
def map_case(context, case):
    """A model's name of odd length becomes the right one, and a whole number is written without a point."""
    if case.meta is None or case.meta.generation.mode.is_positive:
        case.body = without_points(case.body)
        if isinstance(case.body, dict) and isinstance(case.body.get("model"), str) and len(case.body["model"]) % 2:
            case.body["model"] = "one"
    return case


def without_points(value):
    """The value with 1 for 1.0, at any depth."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [without_points(each) for each in value]
    return {name: without_points(each) for name, each in value.items()} if isinstance(value, dict) else value
