"""The `rwkv` package as the oracle, in both directions: it reads what we write, and computes what we compute."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from rwkv_models.weights_file import load_network, save_weights
from tests.rwkv_models.networks import error, random_network

ORACLES = Path(__file__).parents[3] / "shared" / "oracles"
PACKAGE = """
import json, sys, torch
from rwkv.model import RWKV
model = RWKV(sys.argv[1], strategy="cpu fp32")
tokens = json.loads(sys.argv[2])
logits, state = model.forward(tokens, None, full_output=True)
last, state = model.forward([tokens[0]], state)
torch.save({"logits": logits, "last": last, "state": state}, sys.argv[3])
"""


def ask_package(path, tokens, tmp_path):
    """Run the package in a process of its own: it configures torch, and its class, for a whole process."""
    environment = {**os.environ, "RWKV_V7_ON": "1", "RWKV_JIT_ON": "1", "RWKV_CUDA_ON": "0"}
    out = tmp_path / "answer.pt"
    subprocess.run([sys.executable, "-c", PACKAGE, str(path.with_suffix("")), json.dumps(tokens), str(out)], check=True, env=environment,
                   capture_output=True, cwd=tmp_path)
    return torch.load(out, weights_only=True)


@pytest.mark.parametrize("sizes", [
    {"layers": 1, "channels": 64, "head_size": 64},
    {"layers": 3, "channels": 128, "head_size": 64, "vocabulary": 300},
    {"layers": 2, "channels": 192, "head_size": 64, "ffn": 256, "rank_w": 32, "rank_g": 64},
])
def test_logits_and_state_equal_the_packages(sizes, tmp_path):
    network = random_network(dtype=torch.float32, **sizes)
    save_weights(network.state_dict(), tmp_path / "model.pth")
    tokens = [int(t) for t in torch.randint(0, 50, (40,), generator=torch.Generator().manual_seed(3))]
    theirs = ask_package(tmp_path / "model.pth", tokens, tmp_path)
    ours = load_network(tmp_path / "model.pth")
    with torch.no_grad():
        logits, state = ours(torch.tensor([tokens]))
        last, state = ours(torch.tensor([tokens[:1]]), state)
    assert error(logits[0], theirs["logits"]) < 1e-4 and error(last[0, 0], theirs["last"]) < 1e-4
    for i in range(sizes["layers"]):
        for mine, their in ((state.att_shift[i][0], 0), (state.wkv[i][0], 1), (state.ffn_shift[i][0], 2)):
            assert error(mine, theirs["state"][3 * i + their]) < 1e-4


def test_the_tiny_trained_checkpoint_gives_its_published_logits():
    if not ORACLES.is_dir():
        pytest.skip(f"the tiny real checkpoints are not here ({ORACLES.name} folder beside the project)")
    network = load_network(ORACLES / "tiny-rwkv-7v0-834K.safetensors", torch.float32)
    with torch.no_grad():
        logits, _ = network(torch.tensor([[34, 105, 110]]), head="last")
    expected = np.load(ORACLES / "tiny-rwkv-7v0-834K.expected-logits.npy")
    assert np.abs(logits[0].numpy() - expected).max() < 1e-4


def test_saved_then_loaded_is_the_same_to_the_bit(tmp_path):
    network = random_network(dtype=torch.float32)
    for name in ("a.pth", "a.safetensors"):
        save_weights(network.state_dict(), tmp_path / name)
        again = load_network(tmp_path / name).state_dict()
        assert all(torch.equal(t, again[k]) for k, t in network.state_dict().items())
