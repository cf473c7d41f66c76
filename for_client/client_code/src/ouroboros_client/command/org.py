"""A conversation in org form: headings whose keyword is a role, as a region or a subtree of a buffer has them.

Only as much as asking needs. What is taught goes to the server as it stands, which reads all of org (docs/data.md).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ouroboros_client.options import Message

ROLES = ("SYSTEM", "USER", "ASSISTANT")
HEADING = re.compile(r"(\*+)\s+(\S.*)")
DECLARED = re.compile(r"#\+(?:TODO|SEQ_TODO|TYP_TODO):(.*)", re.IGNORECASE)
PRIORITY = re.compile(r"\[#[A-Z]\]\s*")
TAGS = re.compile(r"\s*(?<!\S):[\w@#%:]+:\s*$")
COMMA = re.compile(r"^(\s*),(?=,*(?:\*|#\+))")
COMMENT = re.compile(r"\s*#( |$)")


@dataclass
class Conversation:
    """The messages of the last lesson of a region, and the stars of the last of their headings."""

    messages: list[Message]
    stars: str


def read(text: str) -> Conversation | None:
    """The last conversation of an org region; None where no heading has a role, so that it is no org region at all."""
    lines = text.split("\n")
    declared = (found[1].replace("|", " ").split() for line in lines if (found := DECLARED.match(line)))
    roles = {*ROLES, *(word for words in declared for word in words)}
    messages: list[Message] = []
    body: list[str] | None = None
    stars, title, drawer = "", "", False

    def close() -> None:
        """The message that stands open has its text."""
        if body is not None:
            messages[-1]["text"] = "\n".join(body).strip() or title

    for line in lines:
        heading = HEADING.fullmatch(line.rstrip())
        if heading:
            close()
            body, drawer = None, False
            word, _, rest = heading[2].partition(" ")
            if len(heading[1]) == 1:
                messages.clear()
            if word in roles:
                title = TAGS.sub("", PRIORITY.sub("", rest.strip(), count=1)).strip()
                messages.append({"role": word.lower(), "text": ""})
                stars, body = heading[1], []
        elif body is not None:
            mark = line.strip().upper()
            if drawer or mark == ":PROPERTIES:":
                drawer = mark != ":END:"
            elif not COMMENT.match(line):
                body.append(COMMA.sub(r"\1", line))
    close()
    return Conversation(messages, stars) if messages else None


def escape(line: str) -> str:
    """A line of a message, with a comma where org would take it for something else."""
    return re.sub(r"^(\s*)(?=,*(?:\*|#\+))", r"\1,", line)
