"""A quantized base: near the whole one by a stated bound, its gradients exact for what it stands for, and small."""

import importlib.util
import sys

import pytest
import torch

from rwkv_models.linear import linears
from rwkv_models.optimizer import Recipe, parameter_groups
from rwkv_models.quantized import quantize, unfolded
from rwkv_models.rwkv7 import RWKV7
from rwkv_models.trained import Trains, apply
from tests.rwkv_models.networks import error, random_network, tokens
from tests.rwkv_models.test_adapters import learn

needs_torchao = pytest.mark.skipif(importlib.util.find_spec("torchao") is None, reason="the torchao package is not installed")
both = pytest.mark.parametrize(("kind", "bound", "bits"), [("int8", 0.01, 8.3), ("nf4", 0.1, 4.2)])
SIZES = {"layers": 2, "channels": 128, "dtype": torch.float32}


def filled(**sizes) -> RWKV7:
    """A network whose output matrices are no zeros, so that every matrix counts."""
    network = random_network(**{**SIZES, **sizes})
    with torch.no_grad():
        for path, layer in linears(network).items():
            if path.startswith("blocks."):
                layer.weight.normal_(std=layer.in_features**-0.5)
    return network


@needs_torchao
@both
@pytest.mark.parametrize("trains", [Trains("lora", rank=8, dropout=0.2), Trains("miss", rank=8), Trains("state"), Trains("parts", parts=("ln", "head"))],
                         ids=lambda t: t.what)
def test_it_is_the_network_of_the_unfolded_weights(kind, bound, bits, trains):
    network, plain = filled(), filled()
    whole = {path: layer.weight.detach().clone() for path, layer in linears(plain).items() if path.startswith("blocks.")}
    quantize(network, kind)
    stored = unfolded(network)
    assert stored.keys() == {f"{path}.weight" for path in whole}
    assert all(error(stored[f"{path}.weight"], weight) < bound for path, weight in whole.items())
    assert all(8 * layer.quantized.bytes / layer.in_features / layer.out_features < bits for path, layer in linears(network).items() if path in whole)
    plain.load_state_dict(stored, strict=False)
    for net in (network, plain):
        apply(net, trains)
        with torch.no_grad():
            for p in net.adapters.current.tensors().values() if net.adapters.current else ():
                p.add_(0.05 * torch.randn(p.shape, generator=torch.Generator().manual_seed(1)))
    loss, gradients = learn(network, ctx_len=8, seed=1)
    expected, exact = learn(plain, ctx_len=8, seed=1)
    assert gradients.keys() == exact.keys() and abs(loss - expected) < 1e-5 * expected
    assert max(error(gradients[name], g) for name, g in exact.items()) < 1e-4
    with torch.no_grad():
        assert error(network(tokens(9))[0], plain(tokens(9))[0]) < 1e-5


@needs_torchao
@both
def test_the_same_weights_give_the_same_bits_and_bf16_stays_near(kind, bound, bits):
    def logits(dtype=torch.float32):
        network = filled().to(dtype)
        quantize(network, kind)
        with torch.no_grad():
            return network(tokens(9))[0]
    assert torch.equal(logits(), logits())
    assert error(logits(torch.bfloat16).float(), logits()) < 0.1


@needs_torchao
def test_what_it_cannot_train_or_do_is_refused():
    network = filled()
    quantize(network, "int8")
    for trains in (Trains(), Trains("parts", parts=("ln", "ffn")), Trains("lora", parts=("att",))):
        with pytest.raises(ValueError, match="quantized to int8"):
            apply(network, trains)
    apply(network, Trains("lora", parts=("vectors",)))
    assert sum(len(g["params"]) for g in parameter_groups(network, Recipe()))
    with pytest.raises(ValueError, match="cannot be merged: blocks.0.att.receptance is quantized"):
        network.adapters.merge()
    with pytest.raises(ValueError, match="already"):
        quantize(network, "nf4")
    odd = filled(channels=64)
    with pytest.raises(ValueError, match="multiple of 16384"):
        quantize(odd, "nf4")
    assert odd.quantized is None and all(layer.weight is not None for layer in linears(odd).values())
    with pytest.raises(ValueError, match="int8 or nf4, not 'int4'"):
        quantize(odd, "int4")


def test_without_torchao_one_sentence_says_so(monkeypatch):
    monkeypatch.setitem(sys.modules, "torchao.quantization", None)
    with pytest.raises(ValueError, match="quantized weights need the package torchao"):
        quantize(random_network(), "int8")
