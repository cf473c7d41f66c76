"""Writes docs/config.md from the schema: `python -m config_scripts.document`."""

from __future__ import annotations

from pathlib import Path

from pydantic.fields import FieldInfo

from config_scripts.allowed import allowed
from config_scripts.errors import shown
from config_scripts.schema import Config, is_table_list, section_of

PAGE = Path(__file__).parent.parent / "docs" / "config.md"

HEAD = """\
# The config script

Made by `python -m config_scripts.document`; the text of each key is its description in config_scripts/sections.py.

One TOML file says how the program runs: `python app.py --config config_scripts/tiny.toml` (that one is the default). A key that
is absent has its default, and an unknown key or a value that is not allowed stops the start with one sentence. The command line
(`--model`, `--host`, `--port`) stands above the file. A file whose name ends in `.json` is read as the `config.json` of the
original RWKV-Ouroboros: its keys are mapped to these, and those without meaning are named in a warning.
"""


def render() -> str:
    """The whole page."""
    return "\n".join([HEAD, *(part(name, field) for name, field in Config.model_fields.items())])


def part(name: str, field: FieldInfo) -> str:
    """One section: its heading, its sentence and its table."""
    section = section_of(field)
    head = f"[[{name}]]" if is_table_list(field) else f"[{name}]"
    rows = [f"| `{key}` | {cell(allowed(f))} | {default(f)} | {cell(f.description or '')} |" for key, f in section.model_fields.items()]
    about = [section.__doc__ or "", *([defaults(field)] if is_table_list(field) else [])]
    return "\n".join([f"## {head}", "", " ".join(about), "", "| key | allowed | default | meaning |", "|---|---|---|---|", *rows, ""])


def defaults(field: FieldInfo) -> str:
    """What a list of tables holds where the file has none."""
    each = [", ".join(f"{key} = {shown(value)}" for key, value in table.model_dump().items()) for table in field.default]
    return "Default: " + "; ".join(f"`{one}`" for one in each) + "."


def default(field: FieldInfo) -> str:
    """The value of a key that is absent."""
    if field.is_required():
        return "required"
    return "absent" if field.default is None else f"`{shown(field.default)}`"


def cell(text: str) -> str:
    """Text that cannot end a cell of a table."""
    return text.replace("|", "\\|")


def main() -> None:
    """Write the page."""
    PAGE.write_text(render(), encoding="utf-8")
    print(PAGE)


if __name__ == "__main__":
    main()
