"""Reads the `config.json` of the original RWKV-Ouroboros (2023): its keys as ours, and a word on those without meaning.

The keys are those of the configuration files in that project's history; they moved between versions, so that
several of its keys may mean one of ours. The first that is present in the order of KEYS counts.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from fnmatch import fnmatchcase
from typing import Any

ABSENT = object()
ANSWERING = {"robot", "response", "assistant", "answer", "output", "claude"}
MODES = {"wani-boat": "wani-bot", "wani-bot": "wani-bot", "pico": "pico"}
PRECISIONS = {"fp32": "fp32", "bf16": "bf16", "fp16": "bf16"}
STRATEGIES = {
    "deepspeed_stage_1": (1, "none", "none"),
    "deepspeed_stage_2": (2, "none", "none"),
    "deepspeed_stage_2_offload": (2, "cpu", "none"),
    "deepspeed_stage_3": (3, "none", "none"),
    "deepspeed_stage_3_offload": (3, "cpu", "cpu"),
}


class NotOriginal(ValueError):
    """The JSON is not an object of the original project's form; the text says what it is."""


def same(value: Any) -> Any:
    """A value that kept its form."""
    return value


def a_file(value: Any) -> Any:
    """A path; null and the empty text were the original's ways to give none."""
    return value or ABSENT


def a_count(value: Any) -> Any:
    """A number of tokens; 0 left it to the request."""
    return value if value != 0 else ABSENT


def a_vocabulary(value: Any) -> Any:
    """The World vocabulary's text file in any folder; another one needs a tokenizer file of today."""
    is_world = isinstance(value, str) and value.replace("\\", "/").rpartition("/")[2].startswith("rwkv_vocab_v20230424")
    return "world" if is_world else ABSENT


# Our key, the original's (dots for nesting), and how the value is read. What is read as ABSENT counts as not given.
KEYS: tuple[tuple[str, str, Callable[[Any], Any]], ...] = (
    ("model.file", "model.load_model", a_file),
    ("model.file", "model_path", a_file),
    ("model.file", "trainer.load_model", a_file),
    ("model.tokenizer", "inference.tokenizer", a_vocabulary),
    ("model.tokenizer", "trainer.tokenizer", a_vocabulary),
    ("model.device", "inference.service_config.RUN_DEVICE", same),
    ("model.precision", "model.dtype", lambda value: PRECISIONS.get(value, value)),
    ("model.precision", "environ.RWKV_FLOAT_MODE", lambda value: PRECISIONS.get(value, value)),
    ("model.precision", "inference.service_config.FLOAT_MODE", lambda value: PRECISIONS.get(value, value)),
    ("server.port", "port", same),
    ("infer.max_tokens", "inference.max_tokens", a_count),
    ("infer.max_tokens", "inference.prompt_config.token_count", a_count),
    ("infer.temperature", "inference.prompt_config.temperature", same),
    ("infer.top_p", "inference.prompt_config.top_p", same),
    ("infer.top_k", "inference.prompt_config.top_k", same),
    ("infer.presence_penalty", "inference.prompt_config.alpha_presence", same),
    ("infer.frequency_penalty", "inference.prompt_config.alpha_frequency", same),
    ("infer.penalty_decay", "inference.prompt_config.alpha_decay", same),
    ("train.ctx_len", "trainer.ctx_len", same),
    ("train.ctx_len", "model.ctx_len", same),
    ("train.lr", "trainer.lr_init", same),
    ("train.window", "trainer.window", same),
    ("train.min_loss", "trainer.min_loss", same),
    ("train.max_loss", "trainer.max_loss", same),
    ("train.min_loss_fix", "trainer.min_loss_fix", same),
    ("train.max_loss_fix", "trainer.max_loss_fix", same),
    ("optimizer.weight_decay", "trainer.weight_decay", same),
    ("optimizer.eps", "trainer.adam_eps", same),
)

# Keys that are read together, below.
MODE_KEYS = ("trainer.infctx_on", "infctx_on", "infctx_type")
BETA_KEYS = ("trainer.beta1", "trainer.beta2")
STRATEGY_KEY = "trainer.strategy"

# Patterns of the original's keys, and why they say nothing here.
REASONS: tuple[tuple[tuple[str, ...], str], ...] = (
    (("model.n_embd", "model.n_layer", "model.vocab_size", "model.head_size*", "model.rwkv_version", "trainer.head_size",
      "trainer.dim_*", "use_model"), "the shape and the family are read off the weights file"),
    (("proj_dir", "trainer.proj_dir", "model_name"), "everything is written under the directory given by --data"),
    (("lora", "lora.*", "lora_config.*", "trainer.train_type"), "all the weights are trained"),
    (("model.ds_config", "deepspeed_config_path"), "DeepSpeed's own file is not read: set [deepspeed] and [optimizer]"),
    (("inference.prompt_config.token_stop", "inference.prompt_config.token_ban"),
     "an answer ends with its role's suffix: send stop_tokens and ban_tokens with a request"),
    (("environ.*", "jit_on"), "set by the program itself"),
    (("db.*",), "lessons are kept in this program's own store"),
    (("*",), "no longer used"),
)

Found = dict[str, tuple[Any, str]]  # our key: its value, and the original's key that it was read from


def parse(text: str) -> dict[str, Any]:
    """The JSON object in `text`. Raises json.JSONDecodeError, or NotOriginal for anything but an object."""
    data = json.loads(text)
    if not isinstance(data, dict):
        raise NotOriginal("the original project's config is one JSON object")
    return data


def translate(old: dict[str, Any]) -> tuple[dict[str, Any], dict[str, str], list[str]]:
    """Our sections with unchecked values, the original's name of each of our keys, and one warning for each reason."""
    leaves = flatten(old)
    found: Found = {}
    used = {*MODE_KEYS, *BETA_KEYS}
    for key, name, reader in KEYS:
        # A list or a table where a plain value belongs stays as it is: the schema refuses it by name.
        value = reader(leaves[name]) if is_plain(leaves.get(name, [])) else leaves.get(name, ABSENT)
        if value is not ABSENT:
            used.add(name)
            found.setdefault(key, (value, name))
    if is_plain(leaves.get(STRATEGY_KEY)) and leaves.get(STRATEGY_KEY) in STRATEGIES:
        used.add(STRATEGY_KEY)
    found |= mode(leaves) | betas(leaves) | strategy(leaves)
    value, name = found.get("model.precision", (None, ""))
    if value == "bf16":  # the original left the stage to its DeepSpeed file; bf16 weights need one here
        found.setdefault("deepspeed.zero_stage", (1, name))
    if "role" in old:
        found["roles"] = roles(old["role"]), "role"
    data: dict[str, Any] = {}
    for key, (value, _) in found.items():
        section, _, name = key.partition(".")
        if name:
            data.setdefault(section, {})[name] = value
        else:
            data[section] = value
    warnings = rounded(leaves, found) + unused(name for name in leaves if name not in used and name.partition(".")[0] != "role")
    return data, {key: name for key, (_, name) in found.items()}, warnings


def flatten(table: dict[str, Any], before: str = "") -> dict[str, Any]:
    """Every value of nested tables by its dotted name; an empty table is a value."""
    leaves: dict[str, Any] = {}
    for name, value in table.items():
        if isinstance(value, dict) and value:
            leaves |= flatten(value, f"{before}{name}.")
        else:
            leaves[before + name] = value
    return leaves


def is_plain(value: Any) -> bool:
    """True for a value that is neither a list nor a table."""
    return not isinstance(value, (list, dict))


def mode(leaves: dict[str, Any]) -> Found:
    """infctx_on switched infinite context on and infctx_type said which; in files without the switch the type alone did."""
    *switches, kind = MODE_KEYS
    switch = next((name for name in switches if name in leaves), None)
    if switch is not None and not leaves[switch]:
        return {"train.mode": ("plain", switch)}
    if kind in leaves:
        value = leaves[kind]
        return {"train.mode": (MODES.get(value, value) if is_plain(value) else value, kind)}
    return {"train.mode": ("wani-bot", switch)} if switch is not None else {}


def betas(leaves: dict[str, Any]) -> Found:
    """beta1 and beta2 are one key here; one alone keeps our default of the other."""
    given = [name for name in BETA_KEYS if name in leaves]
    first, second = BETA_KEYS
    return {"optimizer.betas": ([leaves.get(first, 0.9), leaves.get(second, 0.99)], given[0])} if given else {}


def strategy(leaves: dict[str, Any]) -> Found:
    """trainer.strategy named in one word the stage of ZeRO and what is offloaded."""
    value = leaves.get(STRATEGY_KEY)
    if not is_plain(value) or value not in STRATEGIES:
        return {}
    keys = ("deepspeed.zero_stage", "deepspeed.offload_optimizer", "deepspeed.offload_param")
    return {key: (part, STRATEGY_KEY) for key, part in zip(keys, STRATEGIES[value], strict=True)}


def roles(old: Any) -> Any:
    """The table of roles as our list: `postfix` is our suffix, and the names that the model spoke under answer."""
    if not isinstance(old, dict):
        return old
    return [
        {"name": name, "prefix": role.get("prefix", []), "suffix": role.get("postfix", []), "answers": answers(name, role)}
        if isinstance(role, dict) else role
        for name, role in old.items()
    ]


def answers(name: str, role: dict[str, Any]) -> bool:
    """A role of the model's own. One without a suffix has no end that could be waited for, so it was for plain text."""
    return name in ANSWERING and bool(role.get("postfix"))


def rounded(leaves: dict[str, Any], found: Found) -> list[str]:
    """A warning where a value has no exact counterpart."""
    value, name = found.get("model.precision", (None, ""))
    return [f'{name}: "fp16" is read as "bf16", which needs no loss scaling'] if value == "bf16" and leaves[name] == "fp16" else []


def unused(names: Iterable[str]) -> list[str]:
    """One sentence for each reason, with the keys it holds for, in the order of REASONS."""
    grouped: dict[str, list[str]] = {}
    for name in names:
        reason = next(reason for patterns, reason in REASONS if any(fnmatchcase(name, pattern) for pattern in patterns))
        grouped.setdefault(reason, []).append(name)
    return [f"{', '.join(grouped[reason])}: without meaning here ({reason})" for _, reason in REASONS if reason in grouped]
