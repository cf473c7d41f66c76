"""What was taught under other roles is refused, and the difference is named."""

import json
from pathlib import Path

import pytest

from config_scripts.schema import DEFAULT_CONFIG, load_config
from engine.checkpoints import digest_of
from engine.engine import Engine
from engine.errors import BadRequest
from tests.engine.test_live_loop import bits, started

ROLES = '[[roles]]\nname = "user"\nprefix = "{user}"\nsuffix = "\\n\\n"\n[[roles]]\nname = "assistant"\nprefix = "Assistant:"\nsuffix = "\\n\\n"\nanswers = true\n'


def test_a_folder_that_was_taught_under_other_roles(tmp_path):
    started(tmp_path / "data").close(1)
    script = tmp_path / "other.toml"
    for text, difference in (
        (ROLES.format(user="User:"), "the role 'system' exists only there"),
        ('[[roles]]\nname = "system"\nprefix = [3]\nsuffix = "\\n\\n"\n' + ROLES.format(user="User:"), "the role 'system' has prefix [3] here and 'System:' there"),
    ):
        script.write_text(Path(DEFAULT_CONFIG).read_text() + text)
        with pytest.raises(ValueError, match="journal|data") as refusal:
            Engine(load_config(script), tmp_path / "data")
        assert str(refusal.value).endswith(f" was taught under other roles: {difference}")
    started(tmp_path / "data").close(1)


def test_a_checkpoint_that_was_trained_under_other_roles(tmp_path):
    engine = started(tmp_path)
    engine.save("before").result(60)
    manifest = engine.past.store.find("before").folder / "manifest.json"
    told = json.loads(manifest.read_text())
    assert list(told["roles"]) == ["system", "user", "assistant"], "roles are saved with a checkpoint"
    told["roles"]["user"]["suffix"] = [7]
    manifest.write_text(json.dumps(told | {"digest": digest_of(told)}))
    before = bits(engine)
    with pytest.raises(BadRequest) as refusal:
        engine.load("before").result(60)
    difference = "the role 'user' has suffix '\\n\\n' here and [7] there"
    assert refusal.value.message == f"the checkpoint before was trained under other roles: {difference}" and refusal.value.param == "name"
    assert bits(engine) == before
    engine.close(1)
