"""A request's body as one JSON object, strictly: what is refused is named by its top-level field."""

from __future__ import annotations

import bisect
import re

import orjson

from engine.errors import BadRequest

MAX_DEPTH = 32

# A string, with the colon after it if it is a key; or a bracket. Possessive (++) everywhere, and the closing quote is
# optional, so that a string without an end costs one pass and no backtracking.
PIECE = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?(\s*+:)?|[\[\]{}]', re.DOTALL)
CONSTANT = re.compile(r"-?(?:NaN|Infinity|nan|inf)")


class NotJson(BadRequest):
    """The body is no JSON object, or one that means two things."""

    code = "invalid_json"


def parse(data: bytes) -> dict:
    """The object in `data` (UTF-8). Raises NotJson in one sentence that names the field.

    Refused: nothing at all, bytes that are not UTF-8, NaN, infinities and numbers that become one, lone surrogates,
    keys that come twice, anything nested deeper than MAX_DEPTH, and any value that is not an object.
    """
    if not data.strip():
        raise NotJson("the body is empty, send a JSON object")
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        scan = Scan(data[: error.start].decode(errors="replace"))
        raise broken(scan.last, error.start, "bytes that are not UTF-8") from None
    scan = Scan(text)
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise broken(scan.field_at(error.pos), error.pos, reason(error, text)) from None
    if not isinstance(value, dict):
        raise NotJson("the body is not a JSON object")
    return value


class Scan:
    """One pass over a text that need not be JSON: where each top-level field begins, and no surprise for a parser.

    Raises NotJson for nesting and for keys that come twice; leaves every other fault to the parser.
    """

    def __init__(self, text: str):
        self.starts: list[int] = []
        self.names: list[str] = []
        open_objects: list[set | None] = []  # the keys seen so far in each open object; None for a list
        for match in PIECE.finditer(text):
            first = text[match.start()]
            if first == '"':
                if match[1] and open_objects and open_objects[-1] is not None:
                    self.key(unquoted(match[0][: -len(match[1])]), match.start(), open_objects)
            elif first in "[{":
                open_objects.append(set() if first == "{" else None)
                if len(open_objects) > MAX_DEPTH:
                    field = self.last
                    raise NotJson(f"{field or 'the body'} is nested deeper than {MAX_DEPTH} levels", field)
            elif open_objects:
                open_objects.pop()

    def key(self, name: str, start: int, open_objects: list) -> None:
        """Take note of a key of the innermost open object."""
        top = len(open_objects) == 1
        if name in open_objects[-1]:
            field = shown(name) if top else self.last
            raise NotJson(f"{shown(name)} is given twice" + ("" if top else f" in {field}"), field)
        open_objects[-1].add(name)
        if top:
            self.starts.append(start)
            self.names.append(shown(name))

    @property
    def last(self) -> str | None:
        """The top-level field that was open last."""
        return self.names[-1] if self.names else None

    def field_at(self, position: int) -> str | None:
        """The top-level field that a character belongs to."""
        index = bisect.bisect_right(self.starts, position) - 1
        return self.names[index] if index >= 0 else None


def unquoted(quoted: str) -> str:
    """The name that a quoted key stands for, however it is escaped."""
    if "\\" in quoted:
        try:
            return orjson.loads(quoted)
        except orjson.JSONDecodeError:
            return quoted[1:-1]  # the parser will refuse it where it stands
    return quoted[1:-1]


def shown(name: str, most: int = 64) -> str:
    """A caller's own name for a field, short and printable enough for a sentence."""
    clean = "".join(c if c.isprintable() else "?" for c in name[:most])
    return clean + ("…" if len(name) > most else "")


def broken(field: str | None, position: int, why: str) -> NotJson:
    """The error for a fault that the parser found."""
    return NotJson(f"{field or 'the body'} is not valid JSON at character {position + 1}: {why}", field)


def reason(error: orjson.JSONDecodeError, text: str) -> str:
    """The parser's reason in words for a caller."""
    constant = CONSTANT.match(text, error.pos)
    if constant:
        return f"{constant[0]} is not a number of JSON"
    said = error.msg.split(": line ")[0]
    if "surrogate" in said:
        return "half of a surrogate pair is no character"
    if "infinity" in said:
        return "the number is too large"
    return said
