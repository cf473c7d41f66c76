"""The branches of a chat: chats called NAME, NAME.2, NAME.3, that agree up to a turn and go on differently."""

from __future__ import annotations

import re
from typing import Any

from ouroboros_client import OuroborosError

from web_ui.connection import client
from web_ui.words import free_name

Family = dict[str, list[Any]]
"""The turns of each branch, by its name, in the order of their numbers."""


def root(name: str) -> str:
    """The name that a chat shares with its branches."""
    return re.sub(r"\.\d+$", "", name)


def family(name: str, turns: list[Any]) -> Family:
    """All branches of a chat, itself among them as it was just read. Those that cannot be read are left out."""
    try:
        names = [s["session"] for s in client().sessions()["sessions"] if root(s["session"]) == root(name)]
        names.sort(key=lambda each: (len(each), each))
        return {each: turns if each == name else client().session(each)["turns"] for each in names}
    except OuroborosError:
        return {name: turns}


def beside(relatives: Family, name: str, number: int) -> list[str]:
    """The branches that agree before turn `number` and differ in it, `name` among them: one for each way it went."""
    mine, found = relatives.get(name, []), {}
    found[way(mine, number)] = name
    for other, turns in relatives.items():
        if len(turns) >= number and [way(turns, n) for n in range(1, number)] == [way(mine, n) for n in range(1, number)]:
            found.setdefault(way(turns, number), other)
    return [other for other in relatives if other in found.values()]


def way(turns: list[Any], number: int) -> tuple[str, str]:
    """What was said in a turn, and answered."""
    turn = turns[number - 1]
    return str(turn["messages"]), turn["answer"]


def new_branch(name: str, number: int) -> str:
    """A branch with the turns up to `number`; returns its name. Raises OuroborosError."""
    taken = {session["session"] for session in client().sessions()["sessions"]}
    return client().branch(name, number, free_name(root(name), taken, between="."))["session"]
