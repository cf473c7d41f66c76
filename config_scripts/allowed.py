"""What a field of the schema allows, in words: for the error sentences and for docs/config.md."""

from __future__ import annotations

import types
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from config_scripts.errors import shown


def allowed(field: FieldInfo) -> str:
    """The values that `field` takes, such as `a number over 0 and under 1`; a field may bring its own words."""
    extra = field.json_schema_extra
    if isinstance(extra, dict) and "allowed" in extra:
        return str(extra["allowed"])
    return in_words(field.annotation, field.metadata)


def in_words(annotation: Any, metadata: list[Any]) -> str:
    """The values of a type with its bounds. Knows the types that the schema uses and no others."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        inner = [m for extra in arguments[1:] for m in (extra.metadata if isinstance(extra, FieldInfo) else [extra])]
        return in_words(arguments[0], inner)
    if origin is Literal:
        *most, last = [shown(value) for value in arguments]
        return f"{', '.join(most)} or {last}" if most else last
    if origin in (Union, types.UnionType):
        present = [in_words(a, metadata) for a in arguments if a is not type(None)]
        return " or ".join((["absent"] if type(None) in arguments else []) + present)
    if origin is tuple:
        if arguments[-1] is Ellipsis:
            return f"a list, each {in_words(arguments[0], [])}"
        return f"a list of {len(arguments)}, each {in_words(arguments[0], [])}"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return f"a table with {', '.join(annotation.model_fields)}"
    if annotation is bool:
        return "true or false"
    if annotation is str:
        return "a text that is not empty" if bound(metadata, "min_length") else "a text"
    if annotation in (int, float):
        return ("a whole number" if annotation is int else "a number") + limits(metadata)
    raise TypeError(f"no words for the type {annotation!r}")


def limits(metadata: list[Any]) -> str:
    """The bounds of a number: ` from 1 to 64`, ` over 0 and under 1`, or nothing."""
    words = ((" from {}", "ge"), (" over {}", "gt"), (" to {}", "le"), (" under {}", "lt"))
    found = [(name, text.format(shown(bound(metadata, name)))) for text, name in words if bound(metadata, name) is not None]
    joint = "" if [name for name, _ in found] == ["ge", "le"] else " and"
    return joint.join(text if name != "le" or not joint else text.replace("to", "at most") for name, text in found)


def bound(metadata: list[Any], name: str) -> Any:
    """The bound of that name in pydantic's metadata, or None."""
    return next((getattr(m, name) for m in metadata if getattr(m, name, None) is not None), None)
