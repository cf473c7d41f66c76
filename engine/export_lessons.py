"""python -m engine.export_lessons DATA FILE.jsonl: what was taught in a data folder, as a set that every model can be taught.

The lessons that are in its weights, the first taught first, each once: those undone or gone back from are not among them. Only the
journal is read, whichever model it was of; FILE is in the form `messages` of docs/data.md, and /load_data takes it.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path

import orjson

from engine.atomic import write_file
from engine.history import History
from engine.jobs import lessons_of
from engine.journal import read_records
from models.export import Exported, export
from models.role import Roles


def exported(records: Iterable[dict]) -> Exported:
    """The lessons of a journal's records."""
    history, roles = History(), None
    for record in records:
        if record["kind"] == "base":
            roles = Roles.from_description(record["roles"])
        history.note(record)
    if roles is None:
        raise ValueError("nothing was taught")
    sources: dict[bytes, dict] = {}
    for record in history.lessons():
        key = orjson.dumps(record["source"])
        sources.pop(key, None)  # one that was taught again has its place where it was taught last
        sources[key] = record["source"]
    return export([lesson for source in sources.values() for lesson in lessons_of(source)], "messages", roles)


def main(arguments: list[str] | None = None) -> int:
    """Exit status 2 with one sentence where it cannot be done."""
    parser = argparse.ArgumentParser(
        prog="python -m engine.export_lessons", description=__doc__.split(": ", 1)[1], formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, metavar="DATA")
    parser.add_argument("target", type=Path, metavar="FILE.jsonl")
    options = parser.parse_args(arguments)
    try:
        if options.target.exists():
            raise ValueError(f"{options.target}: there is a file or folder of this name already")
        made = exported(record for record, _, _ in read_records(options.data / "journal"))
        write_file(options.target, made.content)
    except OSError as error:
        print(f"export_lessons: {error.filename or options.target}: {error.strerror}", file=sys.stderr)
        return 2
    except ValueError as error:
        print(f"export_lessons: {error}", file=sys.stderr)
        return 2
    for loss in made.losses:
        print(f"lesson {loss.lesson}: {loss.message}", file=sys.stderr)
    print(f"{options.target} is written, lessons: {made.lessons}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
