"""Files that are no usable checkpoint are refused in one sentence that names file and tensor."""

import pickle

import pytest
import torch

from rwkv_models.weights_file import WeightsError, load_network, save_weights
from tests.rwkv_models.networks import random_network


class Payload:
    def __reduce__(self):
        return (print, ("this must never run",))


def broken(kind, path):
    tensors = dict(random_network(dtype=torch.float32).state_dict())
    if kind == "missing tensor":
        del tensors["blocks.1.att.w2"]
    elif kind == "wrong shape":
        tensors["blocks.2.ffn.value.weight"] = torch.zeros(64, 3)
    elif kind == "not finite":
        tensors["ln_out.bias"][3] = float("nan")
    elif kind == "integers":
        tensors["ln_out.bias"] = torch.zeros(64, dtype=torch.int64)
    elif kind == "unknown tensor":
        tensors["blocks.0.att.time_decay"] = torch.zeros(64)
    elif kind == "another network":
        tensors = {"weight": torch.zeros(3)}
    save_weights(tensors, path)
    if kind == "truncated":
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    elif kind == "text":
        path.write_text("not a checkpoint at all")
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "pickle":
        path.write_bytes(pickle.dumps({"emb.weight": Payload()}))


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("kind", ["missing tensor", "wrong shape", "not finite", "integers", "unknown tensor", "another network", "truncated",
                                  "text", "empty", "pickle"])
def test_refused_in_one_sentence(kind, suffix, tmp_path, capsys):
    path = tmp_path / f"model{suffix}"
    broken(kind, path)
    with pytest.raises(WeightsError) as refusal:
        load_network(path)
    assert path.name in str(refusal.value) and "\n" not in str(refusal.value)
    assert "never run" not in capsys.readouterr().out


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(WeightsError, match="no such weights file"):
        load_network(tmp_path / "none.pth")
