"""The schema: what is shipped loads, and what is wrong is named by file, key, value and what is allowed."""

from pathlib import Path

import pytest

from config_scripts.schema import DEFAULT_CONFIG, Config, ConfigError, fields, load_config, section_of
from engine.options import InferOptions, TrainOptions

SHIPPED = sorted(DEFAULT_CONFIG.parent.glob("*.toml"))


@pytest.fixture
def refusal(tmp_path):
    """The one sentence that a config script with this content is refused with, without the path of its folder."""
    def write_and_load(content, **overrides):
        path = tmp_path / "mine.toml"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        with pytest.raises(ConfigError) as raised:
            load_config(path, overrides)
        text = str(raised.value)
        assert "\n" not in text
        return text.replace(f"{tmp_path}/", "")
    return write_and_load


@pytest.fixture
def config(tmp_path):
    """The config that this content gives."""
    def write_and_load(content, overrides=None):
        path = tmp_path / "mine.toml"
        path.write_text(content, encoding="utf-8")
        return load_config(path, overrides)
    return write_and_load


# -- what is shipped

@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_every_shipped_config_loads(path):
    config = load_config(path)
    assert config.source == str(path) and config.warnings == ()


def test_the_shipped_configs_are_for_the_three_machines():
    assert [path.name for path in SHIPPED] == ["rwkv7-2.9b-12gb.toml", "rwkv7-2.9b.toml", "tiny.toml"]
    small, large, tiny = (load_config(path) for path in SHIPPED)
    assert tiny.model.file == "" and tiny.server.port == 3000 and tiny.server.host == "127.0.0.1"
    assert (tiny.train.lr, tiny.train.rule, tiny.train.until_loss, tiny.train.max_epochs) == (0.4, "sgd", 0.05, 20) and tiny.trains.parts == ("ffn.value",)
    assert (tiny.train.replay, tiny.train.general, tiny.train.kl, tiny.optimizer.weight_decay) == (8, 0, 0.0, 0.0)
    assert large.model.file == small.model.file == "data/models/rwkv7-g1-2.9b.pth" and large.model.tokenizer == "world"
    assert large.train.lr == small.train.lr == 1e-5 and large.deepspeed.zero_stage == 1
    assert (small.deepspeed.zero_stage, small.deepspeed.offload_optimizer, small.train.ctx_len) == (2, "cpu", 64)


def test_without_an_argument_the_default_is_read():
    assert load_config() == load_config(DEFAULT_CONFIG)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_shipped_configs_name_only_what_is_documented_and_comment_on_it(path):
    text = path.read_text(encoding="utf-8")
    assert text.startswith("# ") and text.count("#") > text.count("[")


def test_an_empty_file_has_the_defaults(config):
    assert config("").model_dump() == Config().model_dump()


def test_the_default_roles_are_the_g1_template(config):
    roles = config("").roles
    assert [(role.name, role.prefix, role.suffix, role.answers) for role in roles] == [
        ("system", "System:", "\n\n", False), ("user", "User:", "\n\n", False), ("assistant", "Assistant:", "\n\n", True)]


def test_roles_may_be_token_ids(config):
    [role] = config('[[roles]]\nname = "robot"\nprefix = [65530, 65534]\nsuffix = [65535]\nanswers = true').roles
    assert role.prefix == (65530, 65534) and role.suffix == (65535,)


def test_a_config_never_changes_after_it_was_read(config):
    with pytest.raises(ValueError):
        config("").train.lr = 1.0


# -- every key

@pytest.mark.parametrize("key", fields())
def test_every_key_says_what_it_does(key):
    assert fields()[key].description and fields()[key].description.endswith(".")


@pytest.mark.parametrize("section", Config.model_fields)
def test_every_section_says_what_it_holds(section):
    assert section_of(Config.model_fields[section]).__doc__


def test_the_keys_are_these():
    """A key added or renamed is an upgrade for whoever wrote a config: say so in the changelog, then change this."""
    assert [*fields()] == """
        model.file model.tokenizer model.special_markers model.device model.precision model.quantize model.threads
        server.host server.port server.token server.max_body_mb server.queue server.threads
        template.begin roles[].name roles[].prefix roles[].suffix roles[].answers
        infer.max_tokens infer.temperature infer.top_p infer.top_k infer.presence_penalty infer.frequency_penalty infer.penalty_decay
        infer.state_memory_mb infer.state_disk_mb
        train.mode train.lr train.rule train.schedule train.warmup train.lr_final train.accumulate
        train.objective train.beta train.sft_weight
        train.epochs train.until_loss train.max_epochs train.min_loss train.max_loss
        train.min_loss_fix train.max_loss_fix train.ctx_len train.window train.bptt_range train.keep_state train.checks
        train.replay train.general train.general_tokens train.kl train.kl_texts train.near train.null_space train.reword train.checkpoint_blocks
        train.refuse_above train.carry_moments
        checks.earlier checks.neighbours checks.seconds
        idle.steps idle.after_s idle.lessons idle.epochs idle.lr
        trains.what trains.parts trains.name trains.rank trains.alpha trains.dropout trains.targets trains.seed
        optimizer.betas optimizer.eps optimizer.weight_decay optimizer.clip optimizer.w0_rate
        deepspeed.zero_stage deepspeed.offload_optimizer deepspeed.offload_param deepspeed.nvme_path
        save.every_lessons save.every_minutes save.keep save.shard_mb save.recent_memory_mb save.at_end_mb""".split()


@pytest.mark.parametrize("section, options", [("infer", InferOptions), ("train", TrainOptions)])
def test_a_default_may_be_what_a_request_may_ask(section, options):
    ours = section_of(Config.model_fields[section]).model_fields
    shared = [name for name in ours if name in options.model_fields]
    assert len(shared) >= 7
    for name in shared:
        bounds = {repr(bound) for bound in ours[name].metadata}
        assert bounds == {repr(bound) for bound in options.model_fields[name].metadata}, name


def test_what_a_request_may_leave_to_the_config_stands_there():
    left_open = {name for name, field in TrainOptions.model_fields.items() if field.default is None}
    assert left_open <= set(section_of(Config.model_fields["train"]).model_fields)


# -- wrong keys

@pytest.mark.parametrize("content, sentence", [
    ("[train]\nlrr = 1.0", "mine.toml: key train.lrr: got 1.0; allowed: train.lr, the nearest known key"),
    ("[train]\nuntil_los = 1.0", "mine.toml: key train.until_los: got 1.0; allowed: train.until_loss, the nearest known key"),
    ("[optimizer]\nlr = 1.0", "mine.toml: key optimizer.lr: got 1.0; allowed: train.lr, the nearest known key"),
    ("port = 3001", "mine.toml: key port: got 3001; allowed: server.port, the nearest known key"),
    ("[optimiser]\neps = 1.0", 'mine.toml: key optimiser: got {"eps": 1.0}; allowed: [optimizer], the nearest known section'),
    ("[zzz]", "mine.toml: key zzz: got {}; allowed: the sections model, server, template, roles, infer, train, checks, idle, trains, optimizer, deepspeed, save"),
    ("[save]\nzzz = 1", "mine.toml: key save.zzz: got 1; allowed: the keys every_lessons, every_minutes, keep, shard_mb, recent_memory_mb, at_end_mb"),
    ('[[roles]]\nname = "a"\nprefx = "A:"\nsuffix = "x"',
     'mine.toml: key roles[0].prefx: got "A:"; allowed: roles[].prefix, the nearest known key'),
])
def test_an_unknown_key_is_answered_with_the_nearest_known_one(refusal, content, sentence):
    assert refusal(content) == sentence


# -- wrong values

@pytest.mark.parametrize("content, sentence", [
    ('[train]\nlr = "fast"', 'mine.toml: key train.lr: got "fast"; allowed: a number over 0 and at most 1'),
    ("[train]\nlr = true", "mine.toml: key train.lr: got true; allowed: a number over 0 and at most 1"),
    ("[train]\nlr = 0", "mine.toml: key train.lr: got 0; allowed: a number over 0 and at most 1"),
    ("[train]\nlr = nan", "mine.toml: key train.lr: got NaN; allowed: a number over 0 and at most 1"),
    ("[train]\nrefuse_above = inf", "mine.toml: key train.refuse_above: got Infinity; allowed: a number over 0 and at most 1000"),
    ("[train]\nuntil_loss = -1", "mine.toml: key train.until_loss: got -1; allowed: absent or a number from 0 to 100"),
    ("[train]\nepochs = 1.5", "mine.toml: key train.epochs: got 1.5; allowed: a whole number from 1 to 10000"),
    ('[train]\nmode = "fast"', 'mine.toml: key train.mode: got "fast"; allowed: "plain", "wani-bot" or "pico"'),
    ('[trains]\nwhat = "loar"', 'mine.toml: key trains.what: got "loar"; allowed: "all", "parts", "lora", "miss" or "state"'),
    ('[trains]\nwhat = "parts"', 'mine.toml: key trains.parts: got []; allowed: at least one of "att", "ffn", "ln", "emb", "head", "vectors" and "ffn.value", because what is "parts"'),
    ('[trains]\nwhat = "state"\n[deepspeed]\nzero_stage = 3', 'mine.toml: key trains.what: got "state"; allowed: "all", "parts", "lora" or "miss", or deepspeed.zero_stage 0 to 2: stage 3 puts the initial state away between two forwards'),
    ('[model]\nquantize = "nf4"', 'mine.toml: key model.quantize: got "nf4"; allowed: "none", or [trains] what = "lora", "miss" or "state" beside the quantized matrices'),
    ("[train]\nchecks = 1", "mine.toml: key train.checks: got 1; allowed: true or false"),
    ("[server]\nport = 65536", "mine.toml: key server.port: got 65536; allowed: a whole number from 0 to 65535"),
    ('[server]\nport = "3000"', 'mine.toml: key server.port: got "3000"; allowed: a whole number from 0 to 65535'),
    ('[server]\nhost = ""', 'mine.toml: key server.host: got ""; allowed: a text that is not empty'),
    ("[deepspeed]\nzero_stage = true", "mine.toml: key deepspeed.zero_stage: got true; allowed: a whole number from 0 to 3"),
    ("[deepspeed]\nzero_stage = 4", "mine.toml: key deepspeed.zero_stage: got 4; allowed: a whole number from 0 to 3"),
    ("[optimizer]\nbetas = [0.9, 1.0]",
     "mine.toml: key optimizer.betas: got [0.9, 1.0]; allowed: a list of 2, each a number from 0 and under 1"),
    ("[optimizer]\nbetas = [0.9]", "mine.toml: key optimizer.betas: got [0.9]; allowed: a list of 2, each a number from 0 and under 1"),
    ('[template]\nbegin = ["a"]', 'mine.toml: key template.begin: got ["a"]; allowed: a list of token ids'),
    ("[template]\nbegin = [-1]", "mine.toml: key template.begin: got [-1]; allowed: a list of token ids"),
    ('[[roles]]\nname = "a"\nprefix = 3\nsuffix = "x"', "mine.toml: key roles[0].prefix: got 3; allowed: a text or a list of token ids"),
    ('[[roles]]\nname = "a"\nprefix = "A:"', "mine.toml: key roles[0].suffix: got nothing; allowed: a text or a list of token ids"),
    ("roles = [7]", "mine.toml: key roles[0]: got 7; allowed: a table with name, prefix, suffix, answers"),
    ('save = "often"', 'mine.toml: key save: got "often"; allowed: a table with every_lessons, every_minutes, keep, shard_mb, recent_memory_mb, at_end_mb'),
])
def test_a_wrong_value_is_answered_with_what_is_allowed(refusal, content, sentence):
    assert refusal(content) == sentence


def test_a_long_value_is_cut(refusal):
    text = refusal(f'[train]\nmode = "{"x" * 1000}"')
    assert len(text) < 200 and "…" in text


def test_a_token_is_never_repeated(refusal):
    text = refusal('[server]\ntoken = "not a good one"')
    assert "good" not in text and text.startswith("mine.toml: key server.token: got a value not shown; allowed: absent")


# -- checks across keys

@pytest.mark.parametrize("content, sentence", [
    ("[train]\nctx_len = 64\nwindow = 64", "mine.toml: key train.window: got 64; allowed: less than ctx_len, which is 64"),
    ("[train]\nmin_loss = 2\nmax_loss = 1.5", "mine.toml: key train.min_loss: got 2.0; allowed: less than max_loss, which is 1.5"),
    ('[deepspeed]\noffload_optimizer = "cpu"',
     'mine.toml: key deepspeed.offload_optimizer: got "cpu"; allowed: "none", or zero_stage 1, 2 or 3; zero_stage is 0'),
    ('[deepspeed]\nzero_stage = 2\noffload_param = "cpu"',
     'mine.toml: key deepspeed.offload_param: got "cpu"; allowed: "none", or zero_stage 3; zero_stage is 2'),
    ('[deepspeed]\nzero_stage = 2\noffload_optimizer = "nvme"\nnvme_path = "/fast"',
     'mine.toml: key deepspeed.offload_optimizer: got "nvme"; allowed: "none" or "cpu", or zero_stage 3; zero_stage is 2'),
    ('[deepspeed]\nzero_stage = 3\noffload_param = "nvme"',
     'mine.toml: key deepspeed.nvme_path: got ""; allowed: a directory, because something is offloaded to "nvme"'),
    ('[server]\nhost = "0.0.0.0"\ntoken = ""',
     "mine.toml: key server.token: got \"\"; allowed: absent to have one made, or a token; "
     "empty only where host is a loopback address, and it is '0.0.0.0'"),
    ('[[roles]]\nname = "a"\nprefix = "A"\nsuffix = "x"\nanswers = true\n' * 2,
     "mine.toml: key roles: got [\"a\", \"a\"]; allowed: names that are all different, and 'a' stands twice"),
    ('[[roles]]\nname = "a"\nprefix = "A"\nsuffix = "x"',
     'mine.toml: key roles: got ["a"]; allowed: at least one role with answers = true, which is the model'),
    ("roles = []", "mine.toml: key roles: got []; allowed: at least one role with answers = true, which is the model"),
    ('[[roles]]\nname = "a"\nprefix = "A"\nsuffix = ""\nanswers = true',
     'mine.toml: key roles[0].suffix: got ""; allowed: a text or token ids that are not empty, '
     "because this role answers and an answer ends with its suffix"),
])
def test_keys_that_do_not_fit_each_other_are_refused(refusal, content, sentence):
    assert refusal(content) == sentence


@pytest.mark.parametrize("content", [
    "[train]\nctx_len = 64\nwindow = 63",
    "[train]\nmin_loss = 0.5\nmax_loss = 1.5",
    '[deepspeed]\nzero_stage = 1\noffload_optimizer = "cpu"',
    '[deepspeed]\nzero_stage = 3\noffload_optimizer = "nvme"\noffload_param = "cpu"\nnvme_path = "/fast"',
    '[server]\nhost = "127.0.0.53"\ntoken = ""',
    '[server]\nhost = "::1"\ntoken = ""',
    '[server]\nhost = "localhost"\ntoken = ""',
    '[server]\nhost = "0.0.0.0"',
])
def test_keys_that_fit_each_other_are_taken(config, content):
    assert isinstance(config(content), Config)


# -- the command line above the file

def test_the_command_line_stands_above_the_file(config):
    ours = config("[server]\nport = 4000\nqueue = 7", {"server.port": 0, "server.host": None, "model.file": "other.pth"})
    assert (ours.server.port, ours.server.queue, ours.server.host, ours.model.file) == (0, 7, "127.0.0.1", "other.pth")


def test_what_is_wrong_on_the_command_line_is_not_blamed_on_the_file(refusal):
    assert refusal("", **{"server.port": 70000}) == "command line: key server.port: got 70000; allowed: a whole number from 0 to 65535"


def test_the_command_line_is_checked_together_with_the_file(refusal):
    assert "empty only where host is a loopback address" in refusal('[server]\ntoken = ""', **{"server.host": "0.0.0.0"})


# -- files that cannot be read

@pytest.mark.parametrize("content, start", [
    ("[train]\nlr = 1e-4\nlr = 1e-5", "mine.toml: line 3: "),
    ("[train]\n\nlr = ", "mine.toml: line 3: "),
    ("[train]\n\nmode = 'plain", "mine.toml: line 3: "),
    (b"[train]\n# caf\xe9\n", "mine.toml: line 2: not UTF-8"),
    ("a = " + "[" * 100_000, "mine.toml: "),
])
def test_a_syntax_error_names_its_line(refusal, content, start):
    assert refusal(content).startswith(start)


def test_a_missing_file_is_answered_with_those_that_exist(tmp_path):
    with pytest.raises(ConfigError, match=r"none\.toml: no such file; config_scripts/ has rwkv7-2\.9b-12gb\.toml, .*tiny\.toml$"):
        load_config(tmp_path / "none.toml")


def test_a_directory_is_refused(tmp_path):
    (tmp_path / "folder.toml").mkdir()
    with pytest.raises(ConfigError, match=r"folder\.toml: "):
        load_config(tmp_path / "folder.toml")


def test_another_suffix_is_refused():
    with pytest.raises(ConfigError, match=r"tiny\.yaml: a config script is a \.toml file, or a \.json file of the original project"):
        load_config(Path("tiny.yaml"))


def test_a_config_error_is_a_value_error():
    assert issubclass(ConfigError, ValueError)


def test_bf16_needs_a_stage_that_keeps_fp32_copies(tmp_path):
    file = tmp_path / "half.toml"
    file.write_text('[model]\nprecision = "bf16"\n')
    with pytest.raises(ConfigError, match=r"model.precision: got \"bf16\"; allowed: .*zero_stage 1"):
        load_config(file)
    file.write_text('[model]\nprecision = "bf16"\n[deepspeed]\nzero_stage = 1\n')
    assert load_config(file).model.precision == "bf16"
