"""The order in which the lessons of a set are taught."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from pathlib import PurePath

from engine.errors import BadRequest
from models.lesson import Lesson
from models.mixture import Mixture, Share


def in_order(files: Mapping[str, Sequence[Lesson]], record: dict) -> list[Lesson]:
    """The lessons of files, by the files' names, as the record of a run says: `passes` times over, `shuffle`d each time, or in `shares`.

    A share names a file, with its suffix or without. BadRequest for one that fits none.
    """
    if record["shares"]:
        return _mixed(files, record)
    order = []
    for number in range(record["passes"]):
        once = [lesson for lessons in files.values() for lesson in lessons]
        if record["shuffle"]:
            random.Random(f"{record['seed']}:{number}").shuffle(once)
        order += once
    return order


def _mixed(files: Mapping[str, Sequence[Lesson]], record: dict) -> list[Lesson]:
    named = {**{PurePath(name).stem: lessons for name, lessons in files.items()}, **files}
    try:
        shares = [Share.read(text) for text in record["shares"]]
        mixture = Mixture(shares, {name: len(lessons) for name, lessons in named.items()}, record["passes"], record["seed"])
    except ValueError as error:
        raise BadRequest(f"shares: {error}", "shares") from None
    return [named[name][number] for name, number in mixture]
