"""What a body's JSON schema allows, and one value of each way to miss it: tests of fields are made from this."""

from __future__ import annotations

TYPED = {"null": None, "boolean": True, "integer": 1, "number": 1.5, "string": "x", "array": [1], "object": {"x": 1}}


def resolve(part, root):
    return root["$defs"][part["$ref"].rsplit("/", 1)[-1]] if "$ref" in part else part


def choices(part, root):
    """The alternatives that a field has: its own schema, or those under anyOf."""
    part = resolve(part, root)
    return [resolve(choice, root) for choice in part.get("anyOf", [part])]


def good(part, root):
    """The least value that a part of a schema allows."""
    part = choices(part, root)[0]
    if "enum" in part:
        return part["enum"][0]
    if "anyOf" in part:
        return good(part["anyOf"][0], root)
    kind = part["type"]
    if kind in ("integer", "number"):
        low = part.get("minimum", part.get("exclusiveMinimum", 0))
        return low if "exclusiveMinimum" not in part else (low + part.get("exclusiveMaximum", low + 2)) / 2
    if kind == "string":
        return "a" * max(1, part.get("minLength", 1))
    if kind == "array":
        return [good(part["items"], root)] * part.get("minItems", 0)
    if kind == "object":
        return {name: good(part["properties"][name], root) for name in part.get("required", [])}
    return False


def example(model):
    """A body that the model accepts: what is required, and the first of its ways to be about something."""
    root = model.model_json_schema(by_alias=True)
    body = good(root, root)
    for way in getattr(model, "ways", ())[:1]:
        body[way] = good(root["properties"][way], root)
    return body | ({"model": "one"} if "model" in body else {})  # as FakeEngine's is called


def bad(part, root):
    """(what is wrong, value) for every way to miss a part of a schema."""
    allowed = choices(part, root)
    kinds = {choice.get("type", "string") for choice in allowed}
    kinds |= {"integer"} if "number" in kinds else set()
    for kind, value in TYPED.items():
        if kind not in kinds:
            yield f"type {kind}", value
    if not any(choice.get("type") == "object" and not choice.get("required") for choice in allowed):
        yield "object empty", {}
    for choice in allowed:
        if "enum" in choice:
            yield "enum", "no-such-choice"
            yield "empty", ""
            continue
        if choice["type"] in ("integer", "number"):
            yield from bad_number(choice)
        if choice["type"] == "string":
            if choice.get("minLength") or "pattern" in choice:
                yield "empty", ""
            if "maxLength" in choice:
                yield "too long", "a" * (choice["maxLength"] + 1)
            if "pattern" in choice:
                yield "pattern", "no SUCH name\n"
        if choice["type"] == "array":
            if choice.get("minItems"):
                yield "empty", []
            if "maxItems" in choice:
                yield "too many", [good(choice["items"], root)] * (choice["maxItems"] + 1)
            yield "item", [None]


def bad_number(choice):
    """Numbers just outside the bounds."""
    if "minimum" in choice:
        yield "under", choice["minimum"] - 1
    if "maximum" in choice:
        yield "over", choice["maximum"] + 1
    if "exclusiveMinimum" in choice:
        yield "at the low bound", choice["exclusiveMinimum"]
    if "exclusiveMaximum" in choice:
        yield "at the high bound", choice["exclusiveMaximum"]
    yield "huge", 10**30
