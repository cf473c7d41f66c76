"""Reads the `config.json` of the original RWKV-Ouroboros (2023): its keys as ours, and a word on those without meaning.

The keys are those of the configuration files in that project's history; they moved between versions, so that
several of its keys may mean one of ours. The first that is present in the order of KEYS counts.
"""

from __future__ import annotations

import json
from collections.abc import Callable
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

# The original's keys (a whole table where it ends in a dot) and why they say nothing here.
REASONS: tuple[tuple[tuple[str, ...], str], ...] = (
    (("model.n_embd", "model.n_layer", "model.vocab_size", "model.head_size", "model.rwkv_version", "trainer.head_size",
      "trainer.dim_", "use_model"), "the shape and the family are read off the weights file"),
    (("proj_dir", "trainer.proj_dir", "model_name"), "everything is written under the directory given by --data"),
    (("lora", "lora_config."), "all the weights are trained; there is no LoRA in this release"),
    (("trainer.train_type",), "all the weights are trained"),
    (("model.ds_config", "deepspeed_config_path"), "DeepSpeed's own file is not read; set [deepspeed] and [optimizer]"),
    (("inference.prompt_config.token_stop", "inference.prompt_config.token_ban"),
     "an answer ends with its role's suffix; send stop_tokens and ban_tokens with a request"),
    (("environ.", "jit_on"), "set by the program itself"),
    (("db.",), "lessons are kept in this program's own store"),
)
OTHERWISE = "no longer used"


def parse(text: str) -> dict[str, Any]:
    """The JSON object in `text`. Raises json.JSONDecodeError, or NotOriginal for anything but an object."""
    data = json.loads(text)
    if not isinstance(data, dict):
        raise NotOriginal("the original project's config is one JSON object")
    return data


def translate(old: dict[str, Any]) -> tuple[dict[str, Any], dict[str, str], list[str]]:
    """Our sections with unchecked values, the original's name of each of our keys, and one warning for each reason."""
    leaves = flatten(old)
    found: dict[str, Any] = {}
    origins: dict[str, str] = {}
    used: set[str] = set()
    for key, name, read in KEYS:
        value = read(leaves[name]) if name in leaves and hashable(leaves[name]) else leaves.get(name, ABSENT)
        if value is ABSENT:
            continue
        used.add(name)
        if key not in found:
            found[key], origins[key] = value, name
    notes = [*mode(leaves, found, origins, used), *strategy(leaves, found, origins, used), *betas(leaves, found, origins, used)]
    if found.get("model.precision") == "bf16" and leaves[origins["model.precision"]] == "fp16":
        notes.append(f"{origins['model.precision']} = \"fp16\" is read as bf16, which needs no loss scaling")
    data: dict[str, Any] = {}
    for key, value in found.items():
        section, _, name = key.partition(".")
        data.setdefault(section, {})[name] = value
    if "role" in old:
        data["roles"] = roles(old["role"])
        origins["roles"] = "role"
    return data, origins, notes + unused(name for name in leaves if name not in used and not name.startswith("role."))


def flatten(table: dict[str, Any], before: str = "") -> dict[str, Any]:
    """Every value of nested tables by its dotted name; an empty table is a value."""
    leaves: dict[str, Any] = {}
    for name, value in table.items():
        if isinstance(value, dict) and value:
            leaves |= flatten(value, f"{before}{name}.")
        else:
            leaves[before + name] = value
    return leaves


def hashable(value: Any) -> bool:
    """False for a list or a table where a plain value belongs: left as it is, for the schema to refuse by name."""
    return not isinstance(value, (list, dict))


def mode(leaves: dict[str, Any], found: dict[str, Any], origins: dict[str, str], used: set[str]) -> list[str]:
    """infctx_on switched infinite context on, infctx_type said which; the type alone did too in files without the switch."""
    switch = next((name for name in ("trainer.infctx_on", "infctx_on") if name in leaves), None)
    kind = leaves.get("infctx_type", ABSENT)
    used |= {name for name in (switch, "infctx_type", "trainer.infctx_on", "infctx_on") if name in leaves}
    if switch is not None and not leaves[switch]:
        found["train.mode"], origins["train.mode"] = "plain", switch
    elif kind is not ABSENT:
        found["train.mode"], origins["train.mode"] = MODES.get(kind, kind) if hashable(kind) else kind, "infctx_type"
    elif switch is not None:
        found["train.mode"], origins["train.mode"] = "wani-bot", switch
    return []


def strategy(leaves: dict[str, Any], found: dict[str, Any], origins: dict[str, str], used: set[str]) -> list[str]:
    """trainer.strategy named the stage of ZeRO and what is offloaded in one word."""
    name = "trainer.strategy"
    value = leaves.get(name)
    if not hashable(value) or value not in STRATEGIES:
        return []
    used.add(name)
    for key, part in zip(("zero_stage", "offload_optimizer", "offload_param"), STRATEGIES[value], strict=True):
        found[f"deepspeed.{key}"], origins[f"deepspeed.{key}"] = part, name
    return []


def betas(leaves: dict[str, Any], found: dict[str, Any], origins: dict[str, str], used: set[str]) -> list[str]:
    """trainer.beta1 and trainer.beta2 are one key here; one alone keeps our default of the other."""
    given = [name for name in ("trainer.beta1", "trainer.beta2") if name in leaves]
    if given:
        used |= set(given)
        found["optimizer.betas"] = [leaves.get("trainer.beta1", 0.9), leaves.get("trainer.beta2", 0.99)]
        origins["optimizer.betas"] = given[0]
    return []


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


def unused(names: Any) -> list[str]:
    """One sentence for each reason, with the keys it holds for, in the order of REASONS."""
    grouped: dict[str, list[str]] = {reason: [] for _, reason in REASONS} | {OTHERWISE: []}
    for name in names:
        grouped[why(name)].append(name)
    return [f"{', '.join(found)}: without meaning here ({reason})" for reason, found in grouped.items() if found]


def why(name: str) -> str:
    """The reason why a key of the original says nothing here."""
    for starts, reason in REASONS:
        for start in starts:
            if name == start or (name.startswith(start) and start[-1] in "._") or name.startswith(f"{start}.") or name == start + "_a":
                return reason
    return OTHERWISE
