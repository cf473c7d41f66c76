"""Every family: read off its own tensors, the same numbers however tokens are cut, and the `rwkv` package as the oracle in both directions."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from rwkv_models.state import join
from rwkv_models.weights_file import WeightsError, load_network, save_weights
from tests.rwkv_models.family_networks import KINDS, OLD, random_of
from tests.rwkv_models.networks import check_rows_alone, error, same_state, tokens

ORACLES = Path(__file__).parents[3] / "shared" / "oracles"
PACKAGE = """
import json, os, sys, torch
for folder, tokens in json.loads(sys.argv[1]).items():
    from rwkv.model import RWKV
    model = RWKV(folder + "/model", strategy="cpu fp32")
    logits, state = model.forward(tokens, None, full_output=True)
    last, state = model.forward([tokens[0]], state)
    torch.save({"logits": logits.clone(), "last": last.clone(), "state": [t.clone() for t in state]}, folder + "/answer.pt")
"""


def ask_package(asked, **environment):
    """Run the package in a process of its own, on the file model.pth in each folder: {folder: its answer}."""
    environment = {**os.environ, "RWKV_V7_ON": "0", "RWKV_JIT_ON": "0", "RWKV_CUDA_ON": "0", **environment}
    subprocess.run([sys.executable, "-c", PACKAGE, json.dumps({str(k): v for k, v in asked.items()})], check=True, env=environment,
                   capture_output=True)
    return {folder: torch.load(folder / "answer.pt", weights_only=True) for folder in asked}


def their_state(kind, state, i):
    """Of layer i the two shifts and the memory, in this program's layout."""
    if kind == "4":
        att, a, b, p, ffn = state[5 * i : 5 * i + 5]
        return att, torch.stack((a, b, p)), ffn
    att, wkv, ffn = state[3 * i : 3 * i + 3]
    return att, wkv if kind.startswith("7") else wkv.transpose(1, 2), ffn


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    """What the package says of each kind; what we wrote, it reads."""
    asked = {}
    for kind in KINDS:
        folder = tmp_path_factory.mktemp(kind)
        sizes = {"head_size": 64, "rank_w": 32} if kind.startswith("7") else {}
        save_weights(random_of(kind, torch.float32, **sizes).state_dict(), folder / "model.pth")
        asked[kind] = {folder: tokens(70, seed=3)[0].tolist()}
    old = ask_package({folder: read for kind in OLD for folder, read in asked[kind].items()})
    old |= ask_package(asked["7"], RWKV_V7_ON="1")
    old |= ask_package(asked["7a"], RWKV_V7_ON="1", RWKV_DE_VERSION="1")
    return {kind: (folder, read, old[folder]) for kind in KINDS for folder, read in asked[kind].items()}


@pytest.mark.parametrize("kind", KINDS)
def test_logits_and_state_equal_the_packages(kind, answers):
    folder, read, theirs = answers[kind]
    ours = load_network(folder / "model.pth")
    assert ours.title == {"4": "RWKV-4", "6.0": "RWKV-6", "7": "RWKV-7", "7a": "RWKV-7a"}.get(kind, "RWKV-5")
    with torch.no_grad():
        logits, state = ours(torch.tensor([read]))
        last, state = ours(torch.tensor([read[:1]]), state)
    assert error(logits[0], theirs["logits"]) < 1e-4 and error(last[0, 0], theirs["last"]) < 1e-4
    for i in range(ours.shape.layers):
        for mine, their in zip((state.att_shift, state.wkv, state.ffn_shift), their_state(kind, theirs["state"], i), strict=True):
            assert mine[i][0].shape == their.shape and error(mine[i][0], their) < 1e-4


@pytest.mark.parametrize("kind", ["5.0", "5.2", "6.0"])
def test_the_package_begins_from_a_tuned_state_as_we_do(kind, answers, tmp_path):
    network = load_network(answers[kind][0] / "model.pth")
    states = {f"blocks.{i}.att.time_state": torch.randn(4, 16, 16) for i in range(3)}
    save_weights({**network.state_dict(), **states}, tmp_path / "model.pth")
    theirs = ask_package({tmp_path: [5, 6, 7]})[tmp_path]
    ours = load_network(tmp_path / "model.pth")
    assert ours.adapters.active == "state"
    with torch.no_grad():
        assert error(ours(torch.tensor([[5, 6, 7]]))[0][0], theirs["logits"]) < 1e-4


@pytest.mark.parametrize("name", ["4v0-660K", "5v1-730K", "5v2-730K", "7v0-834K"])
@pytest.mark.parametrize("one_by_one", [False, True])
def test_a_tiny_trained_checkpoint_gives_its_published_logits(name, one_by_one):
    if not ORACLES.is_dir():
        pytest.skip(f"the tiny real checkpoints are not here ({ORACLES.name} folder beside the project)")
    network, state = load_network(ORACLES / f"tiny-rwkv-{name}.safetensors", torch.float32), None
    with torch.no_grad():
        for read in [[34], [105], [110]] if one_by_one else [[34, 105, 110]]:
            logits, state = network(torch.tensor([read]), state, head="last")
    expected = np.load(ORACLES / f"tiny-rwkv-{name}.expected-logits.npy")
    assert np.abs(logits[0].numpy() - expected).max() < 1e-4


@pytest.mark.parametrize("kind", KINDS)
def test_prefill_equals_token_by_token_decoding_and_any_split(kind):
    network, read = random_of(kind), tokens(45, rows=2)
    with torch.no_grad():
        logits, state = network(read)
        for cuts in ([1] * 45, [9, 36], [32, 13], [44, 1]):
            step, parts, at = None, [], 0
            for n in cuts:
                out, step = network(read[:, at : at + n], step)
                parts.append(out)
                at += n
            assert error(torch.cat(parts, 1), logits) < 1e-10 and same_state(step, state)


@pytest.mark.parametrize("kind", KINDS)
def test_rows_of_unequal_length_equal_each_row_alone(kind):
    network, read = random_of(kind), tokens(33, rows=4)
    lengths = torch.tensor([33, 1, 20, 0])
    with torch.no_grad():
        before = join([network(tokens(5, seed=i))[1] for i in range(3)] + [network.zero_state(1)])
        last, state = network(read, before, lengths, head="last")
        assert torch.isfinite(last).all()
        check_rows_alone(network, read, lengths, before, last, state)


@pytest.mark.parametrize("kind", KINDS)
def test_bf16_stays_near_fp32_and_keeps_an_fp32_memory(kind):
    network, read = random_of(kind, torch.float32), tokens(60)
    with torch.no_grad():
        exact, _ = network(read)
        rough, state = network.bfloat16()(read)
    assert error(rough.float(), exact) < 0.1 and state.wkv[0].dtype == torch.float32


@pytest.mark.parametrize("kind", KINDS)
def test_a_state_keeps_nothing_alive_but_itself(kind):
    network = random_of(kind)
    with torch.no_grad():
        for T in (1, 7, 70):
            _, state = network(tokens(T), head="none")
            assert all(t.untyped_storage().nbytes() == t.nbytes for t in state.tensors())


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_unknown_is_refused_by_its_name(kind, tmp_path):
    tensors = random_of(kind, torch.float32).state_dict()
    save_weights({**tensors, "blocks.1.att.tiny_q.weight": torch.zeros(4, 4)}, tmp_path / "more.pth")
    with pytest.raises(WeightsError, match=r"more.pth: unknown tensors, first blocks.1.att.tiny_q.weight: this is no plain RWKV-\d"):
        load_network(tmp_path / "more.pth")
    less = {name: t for name, t in tensors.items() if name != "blocks.2.ffn.value.weight"}
    save_weights(less, tmp_path / "less.pth")
    with pytest.raises(WeightsError, match="less.pth: tensor blocks.2.ffn.value.weight is missing"):
        load_network(tmp_path / "less.pth")
