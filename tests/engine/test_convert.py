"""python -m engine.convert: BlinkDL's files in and out, as the `rwkv` package reads them, and adapters as PEFT does."""

import json
import pickle
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file

from engine.convert import convert
from engine.live_model import EMBEDDED
from rwkv_models.peft_files import load_adapter
from rwkv_models.weights_file import load_network, load_state, save_weights
from tests.engine.test_live_loop import GREEDY, NAMES, QUESTION, started, teach
from tests.rwkv_models.networks import error, random_network
from tests.rwkv_models.test_rwkv_package import ask_package
from tests.test_readme import ROOT


def command(*arguments):
    """(Exit status, what was said)."""
    done = subprocess.run([sys.executable, "-m", "engine.convert", *map(str, arguments)], capture_output=True, text=True, cwd=ROOT, timeout=120)
    return done.returncode, (done.stdout + done.stderr).strip().splitlines()[-1]


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A server's folder with a checkpoint: (the folder of the checkpoint, the digest of the weights, its greedy answer)."""
    data = tmp_path_factory.mktemp("data")
    engine = started(data)
    teach(engine)
    engine.train_this({"what": "lora", "name": "mine", "rank": 4, "alpha": 8.0, "targets": ["att.key", "ffn.value"]}).result(60)
    teach(engine, epochs=2, lr=1e-3)
    engine.train_this({"what": "state", "name": "tuned"}).result(60)
    teach(engine, epochs=2, lr=0.1)
    engine.train_this({"what": "all"}).result(60)
    engine.save("default").result(60)
    answer = engine.infer({"messages": QUESTION}, GREEDY, None, NAMES).result(60)["text"]
    own = {name: t.detach().clone() for name, t in engine.model.own().items()}
    engine.close(1)
    [folder] = (data / "checkpoints").glob("*@*")
    return folder, own, answer


def test_a_checkpoint_as_a_pth_that_the_package_reads_and_a_server_starts_from(saved, tmp_path):
    folder, own, _ = saved
    status, said = command(folder, tmp_path / "taught.pth")
    assert status == 0 and said == f"{tmp_path / 'taught.pth'} is written"
    tensors = torch.load(tmp_path / "taught.pth", weights_only=True)
    assert tensors.keys() == own.keys() and all(torch.equal(t, own[name]) for name, t in tensors.items())
    tokens = [0, 5, 300, 17, 4, 99]
    theirs, network = ask_package(tmp_path / "taught.pth", tokens, tmp_path), load_network(folder / "model.safetensors")
    with torch.no_grad():
        assert error(network(torch.tensor([tokens]))[0][0], theirs["logits"]) < 1e-4
    convert(tmp_path / "taught.pth", tmp_path / "again.safetensors")
    again = load_file(tmp_path / "again.safetensors")
    assert again.keys() == own.keys() and all(torch.equal(t, own[name]) for name, t in again.items())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["again.safetensors", "answer.pt", "taught.pth"]


def test_the_dtype_and_a_state_that_was_merged_are_kept(tmp_path):
    network = random_network(dtype=torch.bfloat16)
    shape = (network.shape.heads, network.shape.head_size, network.shape.head_size)
    state = {f"blocks.{i}.att.time_state": torch.randn(shape).bfloat16() for i in range(len(network.blocks))}
    tensors = network.state_dict() | state
    save_weights(tensors, tmp_path / "a.pth")
    convert(tmp_path / "a.pth", tmp_path / "b.safetensors")
    kept = load_file(tmp_path / "b.safetensors")
    assert kept.keys() == tensors.keys() and all(torch.equal(t, tensors[name]) and t.dtype == torch.bfloat16 for name, t in kept.items())


def test_adapters_of_a_checkpoint_as_pefts_files_and_a_state(saved, tmp_path):
    folder, _, _ = saved
    assert command(folder, tmp_path / "mine", "--adapter", "mine")[0] == 0
    convert(folder, tmp_path / "tuned", "tuned")
    assert sorted(p.name for p in (tmp_path / "mine").iterdir()) == ["adapter_config.json", "adapter_model.safetensors"]
    assert json.loads((tmp_path / "mine" / "adapter_config.json").read_text())["r"] == 4
    kept, network = load_file(folder / "adapters.safetensors"), load_network(EMBEDDED, torch.float32)
    for adapter in (load_adapter(network, tmp_path / "mine", "mine"), load_state(network, tmp_path / "tuned" / "state.pth", "tuned")):
        assert all(torch.equal(t, kept[f"{adapter.name}/{name}"]) for name, t in adapter.tensors().items())
        assert any(t.any() for t in adapter.tensors().values())


class Payload:
    def __reduce__(self):
        return (print, ("this must never run",))


def test_what_cannot_be_done_is_said_in_one_sentence(saved, tmp_path):
    folder, *_ = saved
    hostile, there, empty, damaged = tmp_path / "hostile.pth", tmp_path / "there.pth", tmp_path / "empty", tmp_path / "damaged" / folder.name
    hostile.write_bytes(pickle.dumps({"emb.weight": Payload()}))
    torch.save({"emb.weight": Payload()}, tmp_path / "zipped.pth")
    there.write_text("mine")
    empty.mkdir()
    damaged.mkdir(parents=True)
    for file in folder.iterdir():
        (damaged / file.name).write_bytes(file.read_bytes())
    with open(damaged / "model.safetensors", "r+b") as file:
        file.seek(-1, 2)
        file.write(b"\x7f")
    out = tmp_path / "out.safetensors"
    for arguments, words in [
        ((hostile, out), "hostile.pth: not a readable checkpoint"), ((tmp_path / "zipped.pth", out), "zipped.pth: not a readable checkpoint"),
        ((tmp_path / "none.pth", out), "none.pth: there is no such weights file"), ((folder, there), "there is a file or folder of this name"),
        ((folder, tmp_path / "out.gguf"), "weights are written as .pth or .safetensors"), ((folder, tmp_path / "no" / "out.pth"), "no such folder"),
        ((empty, out), "manifest.json cannot be read"), ((damaged, out), "does not match the SHA-256"),
        ((folder, tmp_path / "x", "nobody"), "there is no adapter nobody; there are: mine, tuned"), ((EMBEDDED, tmp_path / "x", "mine"), "adapters are in a folder"),
    ]:
        with pytest.raises(ValueError) as refused:
            convert(*arguments)
        assert words in str(refused.value) and "\n" not in str(refused.value)
    status, said = command(hostile, out)
    assert status == 2 and said.startswith("convert: ") and "never run" not in said
    assert there.read_text() == "mine" and not out.exists() and not [path for path in tmp_path.iterdir() if path.name.startswith(".")]
