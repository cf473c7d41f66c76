"""A refused field in one sentence: its path, what was given, what is allowed - the last from the JSON schema of its model."""

from __future__ import annotations

import difflib
import functools
import json
from typing import Any

from pydantic import BaseModel, ValidationError

from config_scripts.errors import WrongValue
from engine.errors import BadRequest
from server.json_body import shown

OURS = {"one_source", "path_form"}
"""Types of errors that our own checks raise with a whole sentence and, in their context, the field at fault."""

LISTED = 12
"""So many allowed fields are listed; of more, only one with a similar name is offered."""


def validated(model: type[BaseModel], value: dict, of_texts: bool = False) -> Any:
    """`value` as a `model`; `of_texts`: numbers and truths are written as texts. Raises BadRequest in one sentence that names the
    first field at fault."""
    try:
        return model.model_validate_strings(value) if of_texts else model.model_validate(value)
    except ValidationError as error:
        raise refusal(model, error.errors(include_url=False)[0]) from None


def refusal(model: type[BaseModel], fault: dict) -> BadRequest:
    """The sentence for one of pydantic's faults."""
    location, kind = fault["loc"], fault["type"]
    name = dotted(location)
    if kind in OURS:
        return BadRequest(fault["msg"], fault.get("ctx", {}).get("param") or name)
    cause = fault.get("ctx", {}).get("error")
    if isinstance(cause, WrongValue):  # a check that the config script has too
        return BadRequest(f"{cause.key} is {given(cause.value)}, it must be {cause.allowed}", cause.key, "bad_value")
    if kind == "extra_forbidden":
        known = list(inside(model, location[:-1]).get("properties", {}))
        parent = dotted(location[:-1])
        where = f" in {parent}" if parent else ""
        return BadRequest(f"{shown(str(location[-1]))} is unknown{where}{offer(str(location[-1]), known)}", name, "unknown_field")
    phrase = in_words(inside(model, location), schema(model))
    if kind == "missing":
        return BadRequest(f"{name} is missing, it must be {phrase}", name, "missing_field")
    return BadRequest(f"{name} is {given(fault['input'])}, it must be {phrase}", name, "bad_value")


def offer(name: str, known: list[str]) -> str:
    """Help for an unknown name: the allowed ones where they are few, else the one that looks like it."""
    if len(known) <= LISTED:
        return f", allowed is {either(known)}"
    alike = difflib.get_close_matches(name[:64], known, 1)
    return f", did you mean {alike[0]}?" if alike else ""


def dotted(location: tuple) -> str:
    """A path such as messages[0].role."""
    path = ""
    for part in location:
        path += f"[{part}]" if isinstance(part, int) else ("." if path else "") + shown(str(part))
    return path


def given(value: Any, most: int = 48) -> str:
    """A caller's own value, short enough for a sentence."""
    if isinstance(value, list):
        return f"a list of {len(value)}"
    if isinstance(value, dict):
        return f"an object of {len(value)} fields"
    if isinstance(value, str) and len(value) > most:
        return f"a text of {len(value)} characters"
    return json.dumps(value)


@functools.cache
def schema(model: type[BaseModel]) -> dict:
    """The JSON schema of a body, the one that describes it to callers."""
    return model.model_json_schema(by_alias=True)


def resolve(part: dict, root: dict) -> dict:
    """A part of a schema, itself or what it refers to."""
    return root["$defs"][part["$ref"].rsplit("/", 1)[-1]] if "$ref" in part else part


def inside(model: type[BaseModel], location: tuple) -> dict:
    """The part of the schema that a path leads to."""
    root = schema(model)
    here = root
    for part in location:
        choices = [resolve(choice, root) for choice in resolve(here, root).get("anyOf", [here])]
        key = "items" if isinstance(part, int) else "properties"
        here = next(resolve(choice, root)[key] for choice in choices if key in resolve(choice, root))
        here = here if isinstance(part, int) else here[part]
    return resolve(here, root)


def in_words(part: dict, root: dict) -> str:
    """What a part of a schema allows, such as "a number from 0 to 10 or null"."""
    part = resolve(part, root)
    if "anyOf" in part:
        return " or ".join(in_words(choice, root) for choice in part["anyOf"])
    if "enum" in part:
        return either([str(value) for value in part["enum"]])
    kind = part["type"]
    if kind in ("integer", "number"):
        return ("an integer" if kind == "integer" else "a number") + bounds(part)
    if kind == "string":
        if "pattern" in part:
            return f"a text matching {part['pattern']}"
        return "a text" + sizes(part, "Length", "characters")
    if kind == "array":
        return "a list" + sizes(part, "Items", "items") + ", each " + in_words(part["items"], root)
    if kind == "object":
        return f"an object with {', '.join(part['properties'])}" if "properties" in part else "an object"
    return {"boolean": "true or false", "null": "null"}[kind]


def bounds(part: dict) -> str:
    """The bounds of a number; those of an integer are always given as the first and the last one allowed."""
    step = part["type"] == "integer"
    low, over = part.get("minimum"), part.get("exclusiveMinimum")
    high, under = part.get("maximum"), part.get("exclusiveMaximum")
    if step and over is not None:
        low, over = over + 1, None
    if step and under is not None:
        high, under = under - 1, None
    below = f" from {low}" if low is not None else f" above {over}" if over is not None else ""
    above = f" to {high}" if high is not None else f" and below {under}" if under is not None else ""
    return below + above


def sizes(part: dict, noun: str, unit: str) -> str:
    """The bounds of a length."""
    low, high = part.get("min" + noun), part.get("max" + noun)
    if low and high:
        return f" of {low} to {high} {unit}"
    return f" of at most {high} {unit}" if high else f" of at least {low} {unit}" if low else ""


def either(names: list[str]) -> str:
    """Names as one phrase: a, b or c."""
    return f"{', '.join(names[:-1])} or {names[-1]}" if len(names) > 1 else "".join(names)
