"""The benchmark of teaching, small: ten facts that are easily confused, taught one at a time to a server of its own.

In brackets what is seen, and what is seen where something is broken: the bounds lie between.
"""

import json

import pytest

from bench import teaching
from bench.facts import load
from config_scripts.schema import load_config
from engine.options import TrainOptions

KINDS = ("name", "colour")


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    facts = [fact for kind in KINDS for fact in [fact for fact in load() if fact.kind == kind][:5]]
    folder = tmp_path_factory.mktemp("teaching")
    return facts, folder, teaching.measured("default", 0, facts, folder, None, "", None)


def test_ten_facts_stick_carry_over_and_leave_the_rest(small):
    _, _, result = small
    assert result["lessons"] == 10
    assert result["at_once"] >= 90 and result["kept"] >= 90, result  # [100, 100]
    assert result["paraphrases"] >= 93, result  # [100; 87 without replay]
    assert result["neighbours"] >= 70, result  # [93; 0 to 4 when the model was not made to be taught]
    assert result["steps"] <= 50 and result["drift"] <= 3, result  # [23, 0.1 %; 132, 28 % with the questions trained along]
    assert 3 <= result["moved"] <= 15, result  # per mille [9.5]


@pytest.mark.parametrize("way", [way for way, options in teaching.WAYS.items() if any("." in name for name in options)])
def test_a_way_may_be_one_of_the_config_script(tmp_path, way):
    keys = {name: value for name, value in teaching.WAYS[way].items() if "." in name}
    config, default = load_config(teaching.config_file(tmp_path, None, keys)), load_config()
    for name, value in keys.items():
        section, _, key = name.partition(".")
        assert getattr(getattr(config, section), key) == (tuple(value) if isinstance(value, list) else value) != getattr(getattr(default, section), key)
    assert config.server == default.server and config.save == default.save
    assert teaching.config_file(tmp_path, "mine.toml", {}) == "mine.toml"


@pytest.mark.parametrize("way", teaching.WAYS)
def test_what_a_way_sends_with_a_lesson_are_options_of_train(way):
    TrainOptions(**{name: value for name, value in teaching.WAYS[way].items() if "." not in name})


def test_a_run_that_was_broken_off_goes_on(small, tmp_path):
    """Its last lesson is asked for again under its key, which trains nothing."""
    facts, folder, result = small
    (folder / "result.json").unlink()
    taught = folder / "taught.jsonl"
    rows = taught.read_text().splitlines(keepends=True)
    taught.write_text("".join(rows[:-1]))
    again = teaching.measured("default", 0, facts, folder, None, "", None)
    assert again["lessons"] == 10 and len(taught.read_text().splitlines()) == 10
    assert json.loads(taught.read_text().splitlines()[-1])["lesson"] == json.loads(rows[-1])["lesson"]
    same = ("at_once", "kept", "paraphrases", "uses", "neighbours", "drift", "moved", "steps")
    assert {name: again[name] for name in same} == {name: result[name] for name in same}
    assert json.loads((folder / "result.json").read_text()) == again
