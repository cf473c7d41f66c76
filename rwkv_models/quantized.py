"""Matrices stored in 8 or 4 bits under what is trained beside them. Quantization is torchao's (optional: pip install torchao==0.18.0).

int8   one byte a weight and one scale a row, symmetric
nf4    half a byte a weight, a scale for each 64 in 8 bits (NormalFloat and double quantization: QLoRA, arXiv 2305.14314)

Products are done in the network's own dtype: a matrix is unfolded for one product, forward or backward, and dropped; what is
kept for the backward is the matrix as stored. torchao's own products keep the unfolded one (int8), or unfold by 8-byte indices
(nf4), which costs a multiple of the matrix.

Shape letters: I inputs, O outputs; leading dimensions are free.
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rwkv_models.linear import Linear, linears

KINDS = ("int8", "nf4")
BLOCK, SCALES = 64, 256  # nf4: weights to a scale, scales to a scale of scales


def _torchao() -> ModuleType:
    """torchao.quantization, which is no requirement and takes a second to import."""
    try:
        return import_module("torchao.quantization")
    except ImportError:
        raise ValueError("quantized weights need the package torchao: pip install torchao==0.18.0") from None


class _Product(torch.autograd.Function):
    """x W^T with a W that is unfolded in the forward and again in the backward."""

    @staticmethod
    def forward(ctx, x, weight):
        ctx.weight = weight
        return weight.times(x)

    @staticmethod
    def backward(ctx, gradient):
        return ctx.weight.times_transposed(gradient), None


class Quantized:
    """One matrix [O, I] as torchao stores it."""

    def product(self, x: Tensor) -> Tensor:
        """x W^T, [..., I] → [..., O], with the gradient to x."""
        return _Product.apply(x, self) if torch.is_grad_enabled() else self.times(x)


class Int8(Quantized):
    """Whole numbers from -128 to 127, which bf16 holds exactly, by a scale for each row."""

    def __init__(self, weight_OI: Tensor):
        torchao = _torchao()
        stored = torchao.Int8Tensor.from_hp(weight_OI, torchao.PerRow())
        self.whole_OI, self.scale_O = stored.qdata, stored.scale.flatten()

    @property
    def bytes(self) -> int:
        """Memory that it takes."""
        return self.whole_OI.nbytes + self.scale_O.nbytes

    def unfolded(self, dtype: torch.dtype) -> Tensor:
        """The matrix [O, I] that it stands for."""
        return (self.whole_OI.to(self.scale_O.dtype) * self.scale_O.unsqueeze(1)).to(dtype)

    def times(self, x: Tensor) -> Tensor:
        """x W^T."""
        return F.linear(x, self.whole_OI.to(x.dtype)) * self.scale_O.to(x.dtype)

    def times_transposed(self, y: Tensor) -> Tensor:
        """y W."""
        return (y * self.scale_O.to(y.dtype)) @ self.whole_OI.to(y.dtype)


class NF4(Quantized):
    """Two of sixteen values a byte, by a scale for each block of weights."""

    def __init__(self, weight_OI: Tensor):
        self._stored = _torchao().to_nf4(weight_OI.contiguous(), BLOCK, SCALES)

    @property
    def bytes(self) -> int:
        """Memory that it takes."""
        s = self._stored
        return sum(t.nbytes for t in (s.quantized_data, s.quantized_scalers, s.quantization_factor, s.scaler_mean, s.nf4))

    def unfolded(self, dtype: torch.dtype) -> Tensor:
        """The matrix [O, I] that it stands for."""
        s = self._stored
        scales = s.dequantize_scalers(s.quantized_scalers, s.quantization_factor, s.scaler_block_size)
        pairs = torch.cartesian_prod(s.nf4, s.nf4)  # of a byte: its high and its low half
        weights = F.embedding(s.quantized_data.int(), pairs).view(-1, s.block_size)
        return weights.mul_(scales.unsqueeze(1)).view(s.shape).to(dtype)

    def times(self, x: Tensor) -> Tensor:
        """x W^T."""
        return F.linear(x, self.unfolded(x.dtype))

    def times_transposed(self, y: Tensor) -> Tensor:
        """y W."""
        return y @ self.unfolded(y.dtype)


@torch.no_grad()
def quantize(network: nn.Module, kind: str, device: torch.device | str | None = None) -> None:
    """Store the matrices of the blocks as `kind`, in place and one by one, on `device` (None: where each lies).

    Embedding, head, low-rank factors, vectors and norms stay as they are. The same weights give the same bits again.
    ValueError for another kind, where torchao is missing, an adapter is in use, or the network is quantized already.
    """
    if kind not in KINDS:
        raise ValueError(f"weights are quantized to {' or '.join(KINDS)}, not {kind!r}")
    if network.quantized:
        raise ValueError(f"the weights are quantized to {network.quantized} already")
    _torchao()
    matrices = [layer for path, layer in linears(network).items() if path.startswith("blocks.")]
    if kind == "nf4":
        for layer in matrices:
            if layer.weight.numel() % (BLOCK * SCALES):
                raise ValueError(f"nf4 takes matrices of a multiple of {BLOCK * SCALES} weights, one of this network is "
                                 f"{list(layer.weight.shape)}; int8 takes any")
    for layer in matrices:
        store(layer, kind, device)
    network.quantized = kind


def store(layer: Linear, kind: str, device: torch.device | str | None = None) -> None:
    """Quantize one matrix in place, and forget what it was."""
    weight = layer.weight.detach() if device is None else layer.weight.detach().to(device)
    layer.quantized = Int8(weight) if kind == "int8" else NF4(weight)
    layer.weight = None


def unfolded(network: nn.Module) -> dict[str, Tensor]:
    """The matrices that the quantized ones stand for, by their parameters' names, in the dtype of the embedding: for export."""
    dtype = network.emb.weight.dtype
    return {f"{path}.weight": layer.quantized.unfolded(dtype) for path, layer in linears(network).items() if layer.quantized is not None}
