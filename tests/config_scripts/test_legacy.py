"""The original project's config.json: keys mapped, what has no meaning named, what is wrong named by its own key."""

import copy
import json

import pytest

from config_scripts.schema import ConfigError, load_config

# The keys of a file of its second year, with values of our own.
OLD = {
    "model_path": "weights/old.pth", "model_name": "default", "proj_dir": "out", "port": 40011, "debug": False,
    "infctx_on": False, "infctx_type": "wani-boat",
    "model": {"n_embd": 2560, "n_layer": 32, "vocab_size": 65536, "ctx_len": 2048},
    "lora": False,
    "lora_config": {"r": 0, "parts": ["att"], "layers": None},
    "trainer": {"warmup_steps": 8, "grad_cp": 1, "window": 512, "min_loss": 0.25, "max_loss": 1.75, "min_loss_fix": 0.0625,
                "max_loss_fix": 1.25, "ctx_parts": "0", "tokenizer": "./rwkv_vocab_v20230424.txt"},
    "environ": {"RWKV_JIT_ON": "1", "RWKV_T_MAX": 2048, "RWKV_FLOAT_MODE": "fp32"},
    "role": {"user": {"prefix": [65530, 65532], "postfix": [65535, 261]},
             "robot": {"prefix": [65530, 65534], "postfix": [65535, 261]},
             "answer": {"prefix": [], "postfix": []}},
    "inference": {"prompt_config": {"temperature": 0.125, "top_p": 0.25, "top_k": 3, "alpha_frequency": 0.375, "alpha_presence": 0.5,
                                    "alpha_decay": 0.75, "token_ban": [0], "token_stop": [65535], "chunk_len": 128, "token_count": 99}},
}


@pytest.fixture
def old(tmp_path):
    """The config that the old file gives, with these changes by dotted name (a value of ... removes the key)."""
    def write_and_load(changes=None, **options):
        data = copy.deepcopy(OLD)
        for dotted, value in (changes or {}).items():
            *tables, name = dotted.split(".")
            table = data
            for part in tables:
                table = table.setdefault(part, {})
            if value is ...:
                table.pop(name, None)
            else:
                table[name] = value
        path = tmp_path / "config.json"
        path.write_text(json.dumps(data), encoding="utf-8")
        return load_config(path, **options)
    return write_and_load


def test_the_keys_are_mapped(old):
    config = old()
    assert (config.model.file, config.model.tokenizer, config.model.precision) == ("weights/old.pth", "world", "fp32")
    assert config.server.port == 40011 and config.server.host == "127.0.0.1"
    assert config.infer.model_dump() == {"max_tokens": 99, "temperature": 0.125, "top_p": 0.25, "top_k": 3, "presence_penalty": 0.5,
                                         "frequency_penalty": 0.375, "penalty_decay": 0.75, "state_memory_mb": 512, "state_disk_mb": 2048}
    train = config.train
    assert (train.mode, train.ctx_len, train.window) == ("plain", 2048, 512)
    assert (train.min_loss, train.max_loss, train.min_loss_fix, train.max_loss_fix) == (0.25, 1.75, 0.0625, 1.25)


def test_roles_keep_their_tokens_and_the_models_own_answers(old):
    assert [(role.name, role.prefix, role.suffix, role.answers) for role in old().roles] == [
        ("user", (65530, 65532), (65535, 261), False), ("robot", (65530, 65534), (65535, 261), True), ("answer", (), (), False)]


def test_without_roles_ours_are_used(old):
    assert [role.name for role in old({"role": ...}).roles] == ["system", "user", "assistant"]


def test_what_has_no_meaning_any_more_is_named_with_a_reason(old):
    warnings = "\n".join(old().warnings)
    for key in ("model.n_embd", "model.n_layer", "model.vocab_size", "model_name", "proj_dir", "debug", "lora", "lora_config.r",
                "lora_config.parts", "lora_config.layers", "trainer.warmup_steps", "trainer.grad_cp", "trainer.ctx_parts",
                "environ.RWKV_JIT_ON", "environ.RWKV_T_MAX", "inference.prompt_config.token_ban", "inference.prompt_config.token_stop",
                "inference.prompt_config.chunk_len"):
        assert key in warnings.replace(",", " ").replace(":", " ").split()
    assert "config.json: model_name, proj_dir: without meaning here (everything is written under the directory given by --data)" in warnings


def test_what_is_mapped_is_not_named(old):
    words = " ".join(old().warnings).replace(",", " ").replace(":", " ").split()
    for key in ("model_path", "port", "infctx_on", "infctx_type", "model.ctx_len", "trainer.window", "trainer.tokenizer",
                "environ.RWKV_FLOAT_MODE", "inference.prompt_config.temperature", "role.user.prefix"):
        assert key not in words


def test_a_key_that_nobody_knew_is_named_too(old):
    assert any(warning.endswith("(no longer used)") and "mystery.deep" in warning for warning in old({"mystery.deep": 1}).warnings)


@pytest.mark.parametrize("changes, mode", [
    ({"infctx_on": True}, "wani-bot"),
    ({"infctx_on": True, "infctx_type": "pico"}, "pico"),
    ({"infctx_on": ..., "infctx_type": "pico"}, "pico"),
    ({"infctx_on": True, "infctx_type": ...}, "wani-bot"),
    ({"infctx_on": ..., "infctx_type": ..., "trainer.infctx_on": True}, "wani-bot"),
    ({"infctx_on": ..., "infctx_type": ...}, "plain"),
])
def test_infinite_context_becomes_a_mode(old, changes, mode):
    assert old(changes).train.mode == mode


@pytest.mark.parametrize("changes, section, expected", [
    ({"model_path": ..., "model.load_model": "new.pth"}, "model", {"file": "new.pth"}),
    ({"model_path": None}, "model", {"file": ""}),
    ({"model.dtype": "bf16"}, "model", {"precision": "bf16"}),
    ({"environ": ..., "inference.service_config": {"RUN_DEVICE": "cuda", "FLOAT_MODE": "fp16"}},
     "model", {"device": "cuda", "precision": "bf16"}),
    ({"trainer.tokenizer": "my_vocab.txt"}, "model", {"tokenizer": "auto"}),
    ({"trainer.ctx_len": 1560}, "train", {"ctx_len": 1560}),
    ({"trainer.lr_init": 1e-4}, "train", {"lr": 1e-4}),
    ({"trainer.weight_decay": 0.01, "trainer.beta1": 0.8, "trainer.adam_eps": 1e-8}, "optimizer",
     {"weight_decay": 0.01, "betas": (0.8, 0.99), "eps": 1e-8}),
    ({"trainer.strategy": "deepspeed_stage_2_offload"},
     "deepspeed", {"zero_stage": 2, "offload_optimizer": "cpu", "offload_param": "none"}),
    ({"trainer.strategy": "deepspeed_stage_3_offload"},
     "deepspeed", {"zero_stage": 3, "offload_optimizer": "cpu", "offload_param": "cpu"}),
    ({"inference.prompt_config.token_count": 0}, "infer", {"max_tokens": 256}),
    ({"inference.prompt_config.token_count": 0, "inference.max_tokens": 300}, "infer", {"max_tokens": 300}),
])
def test_keys_of_other_years_are_mapped_too(old, changes, section, expected):
    values = getattr(old(changes), section).model_dump()
    assert {name: values[name] for name in expected} == expected


def test_half_precision_becomes_bf16_and_says_so(old):
    config = old({"environ.RWKV_FLOAT_MODE": "fp16"})
    assert config.model.precision == "bf16"
    assert any('"fp16" is read as "bf16"' in warning for warning in config.warnings)


def test_a_vocabulary_that_is_not_worlds_is_named(old):
    assert any("trainer.tokenizer" in warning for warning in old({"trainer.tokenizer": "my_vocab.txt"}).warnings)


@pytest.mark.parametrize("changes, sentence", [
    ({"port": "x"}, 'key port (here server.port): got "x"; allowed: a whole number from 0 to 65535'),
    ({"port": [1]}, "key port (here server.port): got [1]; allowed: a whole number from 0 to 65535"),
    ({"trainer.window": 2048}, "key trainer.window (here train.window): got 2048; allowed: less than ctx_len, which is 2048"),
    ({"environ.RWKV_FLOAT_MODE": "fp8"},
     'key environ.RWKV_FLOAT_MODE (here model.precision): got "fp8"; allowed: "auto", "fp32" or "bf16"'),
    ({"infctx_on": True, "infctx_type": ["x"]}, 'key infctx_type (here train.mode): got ["x"]; allowed: "plain", "wani-bot" or "pico"'),
    ({"trainer.beta1": 2},
     "key trainer.beta1 (here optimizer.betas): got [2, 0.99]; allowed: a list of 2, each a number from 0 and under 1"),
    ({"role": {"user": {"prefix": [1], "postfix": [2]}}},
     'key role (here roles): got ["user"]; allowed: at least one role with answers = true, which is the model'),
    ({"role": 3}, "key role (here roles): got 3; allowed: a list, each a table with name, prefix, suffix, answers"),
])
def test_what_is_wrong_is_named_by_the_key_that_stands_in_the_file(old, changes, sentence):
    with pytest.raises(ConfigError) as raised:
        old(changes)
    assert str(raised.value).endswith(f"config.json: {sentence}")


def test_the_command_line_stands_above_an_old_file(old):
    assert old(overrides={"server.port": 0}).server.port == 0
    with pytest.raises(ConfigError, match=r"^command line: key server\.port: got -1;"):
        old(overrides={"server.port": -1})


@pytest.mark.parametrize("content, sentence", [
    ("[1]", "the original project's config is one JSON object"),
    ('{\n"a": 1,\n}', "line 3: Expecting property name enclosed in double quotes"),
    ("", "line 1: Expecting value"),
    ("[" * 100_000, "nested too deeply"),
])
def test_json_that_cannot_be_read_is_one_sentence(tmp_path, content, sentence):
    (tmp_path / "config.json").write_text(content, encoding="utf-8")
    with pytest.raises(ConfigError) as raised:
        load_config(tmp_path / "config.json")
    assert str(raised.value) == f"{tmp_path / 'config.json'}: {sentence}"
