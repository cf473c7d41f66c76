"""Adapters in PEFT's layout: what we write it reads and computes, what it writes we read and compute; the rest is refused."""

import json

import pytest
import torch
from safetensors.torch import save_file

from rwkv_models.peft_files import CONFIG, MODEL, load_adapter, save_adapter
from rwkv_models.trained import Trains
from rwkv_models.weights_file import WeightsError, read_tensors
from tests.rwkv_models.networks import error, random_network, tokens
from tests.rwkv_models.test_adapters import adapted

WAYS = [Trains("lora", rank=4, alpha=9.0, targets=("att.key", "ffn.value", "head")), Trains("miss", rank=6, targets=("att.key", "ffn.value"))]
both = pytest.mark.parametrize("trains", WAYS, ids=[w.what for w in WAYS])


@both
def test_saved_then_loaded_computes_the_same_to_the_bit(trains, tmp_path):
    network, read = adapted(trains, dtype=torch.float32), tokens(12)
    save_adapter(network.adapters.current, tmp_path / "new" / "folder")
    fresh = random_network(dtype=torch.float32, layers=2)
    plain = fresh(read)[0]
    loaded = load_adapter(fresh, tmp_path / "new" / "folder", "mine")
    assert torch.equal(fresh(read)[0], plain), "it is in use before it is asked for"
    fresh.adapters.use("mine")
    assert torch.equal(fresh(read)[0], network(read)[0]) and not torch.equal(fresh(read)[0], plain)
    assert (loaded.rank, loaded.alpha if trains.what == "lora" else 9.0) == (trains.rank, 9.0)


@both
def test_peft_reads_ours_and_we_read_its(trains, tmp_path):
    peft = pytest.importorskip("peft", reason="the peft package is not installed: pip install peft to run this")
    network, read = adapted(trains, dtype=torch.float32), tokens(12)
    save_adapter(network.adapters.current, tmp_path / "ours")
    theirs = peft.PeftModel.from_pretrained(random_network(dtype=torch.float32, layers=2), tmp_path / "ours").eval()
    expected = network(read)[0].detach()
    assert error(theirs(read)[0].detach(), expected) < 1e-5
    assert error(theirs.base_model.model(read)[0].detach(), random_network(dtype=torch.float32, layers=2)(read)[0].detach()) > 1e-3
    theirs.save_pretrained(tmp_path / "theirs")
    assert read_tensors(tmp_path / "theirs" / MODEL).keys() == read_tensors(tmp_path / "ours" / MODEL).keys()
    fresh = random_network(dtype=torch.float32, layers=2)
    load_adapter(fresh, tmp_path / "theirs", "peft")
    fresh.adapters.use("peft")
    assert torch.equal(fresh(read)[0], expected)


def broken(kind, folder):
    save_adapter(adapted(WAYS[0], dtype=torch.float32).adapters.current, folder)
    tensors, config = read_tensors(folder / MODEL), json.loads((folder / CONFIG).read_text())
    key = "base_model.model.blocks.1.ffn.value.lora_B.weight"
    changes = {"rsLoRA": ("use_rslora", True), "DoRA": ("use_dora", True), "ranks by layer": ("rank_pattern", {"att.key": 3}), "bias": ("bias", "all"),
               "PiSSA": ("init_lora_weights", "pissa"), "another kind": ("peft_type", "VERA"), "rank of 0": ("r", 0), "rank as text": ("r", "4"),
               "rank of true": ("r", True), "no alpha": ("lora_alpha", None), "alpha of infinity": ("lora_alpha", float("inf")),
               "dropout of 1": ("lora_dropout", 1), "rank of another": ("r", 3), "saved modules": ("modules_to_save", ["head"])}
    if kind in changes:
        config |= dict([changes[kind]])
    elif kind == "missing tensor":
        del tensors[key]
    elif kind == "wrong shape":
        tensors[key] = torch.zeros(3, 3)
    elif kind == "not finite":
        tensors[key][0, 0] = float("nan")
    elif kind == "integers":
        tensors[key] = tensors[key].int()
    elif kind == "unknown tensor":
        tensors["base_model.model.blocks.1.ffn.value.weight"] = torch.zeros(3)
    elif kind == "another network":
        tensors = {name.replace("blocks.1", "blocks.7"): t for name, t in tensors.items()}
    elif kind == "no tensors":
        tensors = {}
    save_file({name: t.contiguous() for name, t in tensors.items()}, folder / MODEL)
    (folder / CONFIG).write_text("[" * 100_000 if kind == "deep" else "[1]" if kind == "no object" else "{" if kind == "no JSON" else json.dumps(config))
    if kind == "no config":
        (folder / CONFIG).unlink()
    if kind == "no model":
        (folder / MODEL).unlink()


@pytest.mark.parametrize("kind", ["rsLoRA", "DoRA", "ranks by layer", "bias", "PiSSA", "another kind", "rank of 0", "rank as text", "rank of true",
                                  "no alpha", "alpha of infinity", "dropout of 1", "rank of another", "saved modules", "missing tensor",
                                  "wrong shape", "not finite", "integers", "unknown tensor", "another network", "no tensors", "deep", "no object",
                                  "no JSON", "no config", "no model"])
def test_refused_in_one_sentence(kind, tmp_path):
    broken(kind, tmp_path)
    network = random_network(dtype=torch.float32, layers=2)
    with pytest.raises(WeightsError) as refusal:
        load_adapter(network, tmp_path, "mine")
    assert str(tmp_path) in str(refusal.value) and "\n" not in str(refusal.value) and not network.adapters.names()
