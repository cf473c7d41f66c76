"""The whole of a config script, and the one way to read one."""

from __future__ import annotations

import difflib
import json
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, Field, PrivateAttr, ValidationError, model_validator
from pydantic.fields import FieldInfo

from config_scripts import legacy
from config_scripts.allowed import allowed, in_words
from config_scripts.errors import ConfigError, WrongValue, sentence, shown
from config_scripts.sections import (
    G1_ROLES,
    Checks,
    DeepSpeed,
    Idle,
    Infer,
    Model,
    Optimizer,
    Role,
    Save,
    Server,
    Strict,
    Template,
    Train,
    Trains,
)

__all__ = ["COMMAND_LINE", "DEFAULT_CONFIG", "Config", "ConfigError", "fields", "load_config"]

DEFAULT_CONFIG = Path(__file__).with_name("tiny.toml")
COMMAND_LINE = "command line"
SECRET = "server.token"


class Config(Strict):
    """Everything that a config script may say. A section that is absent has its defaults."""

    model: Model = Model()
    server: Server = Server()
    template: Template = Template()
    roles: tuple[Role, ...] = Field(G1_ROLES, strict=False)
    infer: Infer = Infer()
    train: Train = Train()
    checks: Checks = Checks()
    idle: Idle = Idle()
    trains: Trains = Trains()
    optimizer: Optimizer = Optimizer()
    deepspeed: DeepSpeed = DeepSpeed()
    save: Save = Save()

    _source: str = PrivateAttr("")
    _warnings: tuple[str, ...] = PrivateAttr(())

    @property
    def source(self) -> str:
        """The file that this was read from; empty where it was made in a program."""
        return self._source

    @property
    def warnings(self) -> tuple[str, ...]:
        """One sentence for each thing in the file that has no meaning here (old `config.json` files only)."""
        return self._warnings

    @model_validator(mode="after")
    def _roles_are_told_apart_and_one_answers(self) -> Config:
        names = [role.name for role in self.roles]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise WrongValue("roles", names, f"names that are all different, and {twice!r} stands twice")
        if self.model.quantize != "none" and self.trains.what not in ("lora", "miss", "state"):
            raise WrongValue("model.quantize", self.model.quantize, (
                '"none", or [trains] what = "lora", "miss" or "state" beside the quantized matrices'))
        if self.model.precision == "bf16" and self.deepspeed.zero_stage == 0:
            raise WrongValue("model.precision", "bf16", (
                '"auto", "fp32", or "bf16" with deepspeed.zero_stage 1 or more, where the optimizer keeps fp32 copies to step on'))
        if self.trains.what == "state" and self.deepspeed.zero_stage == 3:
            raise WrongValue("trains.what", "state", (
                '"all", "parts", "lora" or "miss", or deepspeed.zero_stage 0 to 2: stage 3 puts the initial state away '
                'between two forwards'))
        if not any(role.answers for role in self.roles):
            raise WrongValue("roles", names, "at least one role with answers = true, which is the model")
        return self


def load_config(path: str | Path = DEFAULT_CONFIG, overrides: Mapping[str, Any] | None = None) -> Config:
    """Read a config script: TOML, or (by its suffix) a `config.json` of the original project.

    `overrides` are values by key (`{"server.port": 0}`, `{"roles": [...]}`) that stand above the file's and are checked with them; a
    value of None is one that was not given. Raises ConfigError, whose text is one sentence, for whatever is wrong.
    """
    file = str(path)
    data, origins, warnings = read(Path(path))
    given = {key: value for key, value in (overrides or {}).items() if value is not None}
    for key, value in given.items():
        section, _, name = key.partition(".")
        if not name:
            data[section] = value
            continue
        if not isinstance(data.get(section, {}), dict):
            break  # the section is not a table: the check below says so
        data[section] = {**data.get(section, {}), name: value}
        origins.pop(key, None)
    try:
        config = Config.model_validate(data)
    except ValidationError as error:
        raise ConfigError(complaint(file, data, error, set(given), origins)) from None
    config._source = file
    config._warnings = tuple(f"{file}: {warning}" for warning in warnings)
    return config


def read(path: Path) -> tuple[dict[str, Any], dict[str, str], list[str]]:
    """The unchecked content of a file as our keys, the file's own name of each key that differs, and warnings."""
    if path.suffix not in (".toml", ".json"):
        raise ConfigError(f"{path}: a config script is a .toml file, or a .json file of the original project")
    try:
        text = path.read_bytes().decode()
    except FileNotFoundError:
        known = ", ".join(sorted(p.name for p in DEFAULT_CONFIG.parent.glob("*.toml")))
        raise ConfigError(f"{path}: no such file; {DEFAULT_CONFIG.parent.name}/ has {known}") from None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{path}: line {line}: not UTF-8") from None
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    try:
        if path.suffix == ".json":
            return legacy.translate(legacy.parse(text))
        return tomllib.loads(text), {}, []
    except json.JSONDecodeError as error:
        raise ConfigError(f"{path}: line {error.lineno}: {error.msg}") from None
    except tomllib.TOMLDecodeError as error:
        message, line = where(str(error), text)
        raise ConfigError(f"{path}: line {line}: {message}") from None
    except legacy.NotOriginal as error:
        raise ConfigError(f"{path}: {error}") from None
    except RecursionError:
        raise ConfigError(f"{path}: nested too deeply") from None


def where(message: str, text: str) -> tuple[str, int]:
    """Split what tomllib says into the sentence and the line number."""
    found = re.search(r" \(at (?:line (\d+), column \d+|end of document)\)$", message)
    if found is None:
        return message, 1
    return message[: found.start()], int(found[1]) if found[1] else max(1, len(text.splitlines()))


def complaint(file: str, data: dict[str, Any], error: ValidationError, given: set[str], origins: dict[str, str]) -> str:
    """The first thing that pydantic found, as one sentence about a key of the file."""
    # A misspelt key comes before the one that is missing because of it.
    first = min(error.errors(include_url=False), key=lambda e: e["type"] != "extra_forbidden")
    cause = first.get("ctx", {}).get("error")
    loc = first["loc"] + ((cause.key,) if isinstance(cause, WrongValue) else ())
    key, field, value = walk(data, loc)
    if first["type"] == "extra_forbidden":
        words = nearest(loc)
    elif isinstance(cause, WrongValue):
        words, value = cause.allowed, shown(cause.value)
    else:
        element = section_of(field) if key.endswith("]") else None
        words = in_words(element, []) if element else allowed(field) if field else first["msg"]
    if key == SECRET and value not in ('""', "nothing"):
        value = "a value not shown"
    source = COMMAND_LINE if key in given else file
    return sentence(source, f"{origins[key]} (here {key})" if key in origins else key, value, words)


def walk(data: Any, loc: tuple[int | str, ...]) -> tuple[str, FieldInfo | None, str]:
    """Follow pydantic's location as far as it names keys: the dotted key, its field, and its value as shown."""
    model: type[BaseModel] | None = Config
    key, field = "", None
    for part in loc:
        if isinstance(part, int) and model is not None and field is not None and is_table_list(field):
            key += f"[{part}]"
        elif isinstance(part, str) and model is not None:
            key += f".{part}" if key else part
            field = model.model_fields.get(part)
            model = section_of(field)
        else:
            break  # inside a value, or the tag of a union: the key itself is what the person wrote
        data = step(data, part)
    return key, field, "nothing" if data is MISSING else shown(data)


MISSING = object()


def step(data: Any, part: int | str) -> Any:
    """One level down, or MISSING."""
    try:
        return data[part]
    except (KeyError, IndexError, TypeError):
        return MISSING


def section_of(field: FieldInfo | None) -> type[BaseModel] | None:
    """The section that a field holds (alone or in a list), or None where it holds a value."""
    if field is None:
        return None
    inner = get_args(field.annotation)[0] if is_table_list(field) else field.annotation
    return inner if isinstance(inner, type) and issubclass(inner, BaseModel) else None


def is_table_list(field: FieldInfo) -> bool:
    """True for a list of tables, `[[name]]` in TOML."""
    arguments = get_args(field.annotation)
    return bool(arguments) and isinstance(arguments[0], type) and issubclass(arguments[0], BaseModel)


def fields() -> dict[str, FieldInfo]:
    """Every key of the schema by its dotted name, in order; those of a list of tables as `roles[].name`."""
    return {
        f"{section}{'[]' if is_table_list(holder) else ''}.{name}": field
        for section, holder in Config.model_fields.items()
        for name, field in section_of(holder).model_fields.items()
    }


def nearest(loc: tuple[int | str, ...]) -> str:
    """Which key was probably meant: the same name elsewhere, else the most alike in that section, else anywhere."""
    names = [str(part) for part in loc if isinstance(part, str)]
    section, name = names[0], names[-1]
    known = list(fields())
    if len(names) == 1:
        alike = difflib.get_close_matches(name, Config.model_fields, 1)
        if alike:
            return f"[{alike[0]}], the nearest known section"
    inside = [key for key in known if re.split(r"[.\[]", key)[0] == section]
    for candidates, cutoff in ((known, 1.0), (inside, 0.6), (known, 0.6)):
        best = difflib.get_close_matches(name, [key.rpartition(".")[2] for key in candidates], 1, cutoff)
        if best:
            return f"{next(key for key in candidates if key.rpartition('.')[2] == best[0])}, the nearest known key"
    if inside:
        return f"the keys {', '.join(key.rpartition('.')[2] for key in inside)}"
    return f"the sections {', '.join(Config.model_fields)}"
