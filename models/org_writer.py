"""What a lesson came to, written into the person's own org file as properties of its heading; no other byte of it changes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from models.dataset import read
from models.lesson import Lesson
from models.org import OURS
from models.org_outline import Heading, read_outline
from models.problem import Problem
from models.role import G1_ROLES, Roles


@dataclass(frozen=True)
class Learned:
    """A lesson of an org file, and what came of it. Losses are nats per trained token."""

    lesson: Lesson
    """As it was read: its line and what is said in it."""
    id: str
    version: int
    time: datetime
    """With a time zone; it is written in UTC."""
    loss_before: float
    loss_after: float

    def properties(self) -> dict[str, str]:
        """The properties by name, in the order in which they are written."""
        values = {
            "loss": f"{self.loss_after:.4f}",
            "loss_before": f"{self.loss_before:.4f}",
            "version": str(self.version),
            "date": self.time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "lesson": self.id,
        }
        return {(OURS + name).upper(): value for name, value in values.items()}


def write_back(content: bytes, learned: Sequence[Learned], roles: Roles = G1_ROLES) -> tuple[bytes, list[Problem]]:
    """The content of an org file as it is now, with what was learned from it; and of which lessons nothing could be written.

    A lesson is found by what is said in it, so the file may have been edited since it was read; where several say the
    same, each result goes to the nearest that has none yet. Of a lesson that was learned several times, the last counts.
    Properties of ours that are there are replaced where they stand. ValueError for a file in UTF-16.
    """
    places = defaultdict(list)
    for lesson in read(content, "", "org", roles).lessons:
        places[_said(lesson)].append(lesson.line)
    problems, results = [], {}
    for result in {(each.lesson.line, _said(each.lesson)): each for each in learned}.values():
        line, open_lines = result.lesson.line or 1, places[_said(result.lesson)]
        if open_lines:
            nearest = min(open_lines, key=lambda place, line=line: abs(place - line))
            open_lines.remove(nearest)
            results[nearest] = result
        else:
            problems.append(Problem(line, "what was learned from this lesson is not written back: it is not in the file any more"))
    text = content.removeprefix(b"\xef\xbb\xbf").decode("utf-8", errors="surrogateescape")
    headings = [h for h in read_outline(text, lambda *_: False).headings if h.line in results]
    lines = content.split(b"\n")
    for heading in reversed(headings):  # from below, so that what stands above is still as it was read
        _put(lines, heading, results[heading.line].properties())
    return b"\n".join(lines), problems


def _said(lesson: Lesson) -> tuple[tuple[str, str], ...]:
    return tuple((message.role, message.text) for message in lesson.messages)


def _put(lines: list[bytes], heading: Heading, values: dict[str, str]) -> None:
    """Write the properties of one heading into the lines of the file; several may then stand in one entry, so that none moves."""
    at = heading.properties_at - 1
    neighbour = lines[at] if heading.has_drawer else lines[at - 1]  # :END:, or the heading or what is planned under it
    indent = neighbour[: len(neighbour) - len(neighbour.lstrip(b" \t"))]
    last = at == len(lines)  # the file ends with this heading and no line end: it shall end with none again
    end = b"\r" if lines[max(0, at - 2 if last else at - 1)].endswith(b"\r") else b""
    there = {s.name.upper(): s.line - 1 for s in heading.properties}
    for name in values.keys() & there.keys():
        old = lines[there[name]]
        lines[there[name]] = _line(old[: -len(old.lstrip(b" \t"))], name, values[name], old[len(old.rstrip(b"\r")) :])
    new = [_line(indent, name, value, end) for name, value in values.items() if name not in there]
    if new and not heading.has_drawer:
        new = [indent + b":PROPERTIES:" + end, *new, indent + b":END:" + end]
    if last:
        lines[-1] = lines[-1].removesuffix(b"\r") + end
        new[-1] = new[-1].removesuffix(b"\r")
        lines += new
    else:
        lines[at] = b"\n".join([*new, lines[at]])


def _line(indent: bytes, name: str, value: str, end: bytes) -> bytes:
    return indent + f":{name}: {value}".encode() + end
