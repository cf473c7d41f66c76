"""What is chosen for a weights file alone: by the file's tensors and the machine's memory, and said in one sentence."""

from itertools import product

import pytest
import torch

from config_scripts.schema import load_config
from config_scripts.sections import Idle
from engine import choice
from engine.choice import GB, Machine, choose
from rwkv_models.network import Shape
from rwkv_models.weights_file import Found, WeightsError, save_weights, sizes_of
from tests.rwkv_models.family_networks import KINDS, random_of


def found(parameters, rows=65536):
    return Found("RWKV-7", Shape(24, 1024, rows), int(parameters))


def chosen(monkeypatch, tmp_path, parameters, machine, rows=65536):
    monkeypatch.setattr(choice, "sizes_of", lambda path: found(parameters, rows))
    made = choose(tmp_path / "model.pth", machine)
    return made, load_config(made.script, made.overrides)


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("kind", KINDS)
def test_the_sizes_of_a_file_are_the_networks(kind, suffix, tmp_path):
    network = random_of(kind, torch.float32)
    save_weights(network.state_dict(), tmp_path / f"model{suffix}")
    seen = sizes_of(tmp_path / f"model{suffix}")
    assert (seen.title, seen.shape, seen.parameters) == (network.title, network.shape, sum(p.numel() for p in network.parameters()))


@pytest.mark.parametrize(("parameters", "machine", "what", "precision", "stage", "quantize", "offload"), [
    (9e6, Machine(8 * GB), "all", "fp32", 0, "none", "none"),
    (9e6, Machine(8 * GB, 12 * GB), "all", "fp32", 0, "none", "none"),
    (0.19e9, Machine(8 * GB), "all", "fp32", 0, "none", "none"),
    (0.45e9, Machine(8 * GB), "lora", "fp32", 0, "none", "none"),
    (2.9e9, Machine(200 * GB, 80 * GB), "all", "bf16", 1, "none", "none"),
    (2.9e9, Machine(96 * GB, 12 * GB), "all", "bf16", 2, "none", "cpu"),
    (2.9e9, Machine(32 * GB, 12 * GB), "lora", "bf16", 1, "none", "none"),
    (2.9e9, Machine(32 * GB, 8 * GB, True), "lora", "bf16", 1, "int8", "none"),
    (2.9e9, Machine(32 * GB, 6 * GB, True), "lora", "bf16", 1, "nf4", "none"),
])
def test_the_first_way_that_has_room(parameters, machine, what, precision, stage, quantize, offload, monkeypatch, tmp_path):
    made, config = chosen(monkeypatch, tmp_path, parameters, machine)
    assert (config.trains.what, config.model.precision, config.deepspeed.zero_stage, config.model.quantize, config.deepspeed.offload_optimizer) == (
        what, precision, stage, quantize, offload)
    assert config.model.device == "auto" and config.model.file.endswith("model.pth")
    assert config.train.rule == "adam" and not config.trains.parts and config.idle.lr == Idle().lr
    assert (config.train.lr == 1e-5) is (parameters > 1e8 and what == "all")
    assert f"{parameters / 1e6:.4g}M parameters" in made.said and "--config" in made.said and "\n" not in made.said


def test_every_choice_is_a_valid_config(monkeypatch, tmp_path):
    for P, host, card, quantizes in product((1e6, 1e8, 1e9, 1.4e10), (4, 64, 1000), (0, 8, 24, 141), (False, True)):
        try:
            chosen(monkeypatch, tmp_path, P, Machine(host * GB, card * GB, quantizes))
        except ValueError as refused:
            assert "need about" in str(refused) and "GB" in str(refused)


def test_no_room_at_all_is_one_sentence(monkeypatch, tmp_path):
    with pytest.raises(ValueError, match=r"model.pth: 1.4e\+04M parameters need about 72 GB at the least, and 16 GB of memory are free"):
        chosen(monkeypatch, tmp_path, 14e9, Machine(16 * GB))


def test_a_model_of_the_pile_speaks_as_bob_and_alice_with_its_own_vocabulary(monkeypatch, tmp_path):
    with pytest.raises(ValueError, match=r"its 50277 rows are those of the 20B vocabulary.* put 20B_tokenizer.json or tokenizer.json there"):
        chosen(monkeypatch, tmp_path, 169e6, Machine(16 * GB), 50277)
    (tmp_path / "20B_tokenizer.json").write_text("{}")
    made, config = chosen(monkeypatch, tmp_path, 169e6, Machine(16 * GB), 50277)
    assert config.model.tokenizer.endswith("20B_tokenizer.json") and [role.prefix for role in config.roles] == ["", "Bob:", "Alice:"]
    assert "Bob and Alice" in made.said


def test_the_vocabulary_is_the_file_beside_the_weights_or_the_world(monkeypatch, tmp_path):
    assert chosen(monkeypatch, tmp_path, 9e6, Machine(8 * GB))[1].model.tokenizer == "world"
    with pytest.raises(ValueError, match=r"its 256 rows are fewer than the World vocabulary's 65536, and no tokenizer lies beside it"):
        chosen(monkeypatch, tmp_path, 9e6, Machine(8 * GB), 256)
    (tmp_path / "tokenizer.json").write_text("{}")
    assert chosen(monkeypatch, tmp_path, 9e6, Machine(8 * GB), 256)[1].model.tokenizer == str(tmp_path / "tokenizer.json")


def test_what_is_no_checkpoint_is_told(tmp_path):
    for name in ("none.pth", "none.safetensors"):
        with pytest.raises(WeightsError, match="no such weights file"):
            choose(tmp_path / name, Machine(8 * GB))
    (tmp_path / "text.safetensors").write_text("no checkpoint")
    with pytest.raises(WeightsError, match="not a readable safetensors file"):
        choose(tmp_path / "text.safetensors", Machine(8 * GB))
