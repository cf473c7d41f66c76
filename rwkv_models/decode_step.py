"""One decoding step on a GPU as a fixed sequence of kernel launches: eight a layer, no memory taken, the same addresses each time.

Shape letters: B rows of the batch, C channels, H heads, N size of a head, V vocabulary, S parts of a sum (rwkv_models/decode_kernels.py).
"""

from __future__ import annotations

import torch
import triton
from torch import Tensor

from rwkv_models import decode_kernels as kernels
from rwkv_models.rwkv7 import RWKV7
from rwkv_models.state import State

INTERPRETED = triton.knobs.runtime.interpret
# Blocks of each kind of product, and how its kernel is started. One row of a batch goes through the plain units, which nothing but memory
# holds up; more rows go through the matrix units, in blocks of 16, 32 or 64. Measured on an H200 (docs/LOG.md).
ONE_ROW = {"BM": 2, "BK": 1024, "num_stages": 1}
ROWS = {"BM": 64, "BK": 128, "num_warps": 4, "num_stages": 3}
FEW = {"BM": 64, "BK": 128, "S": 8, "num_warps": 4}
"""Of one row's squares some nine tenths are 0 in a trained network. What would meet them in ffn.value, a quarter of all weights, is not
read."""
PROGRAMS, PARTS = 256, 8  # with fewer programs than these, a product is split in parts, of which there are at most so many


def block_of(size: int, limit: int) -> int:
    """The largest power of two that divides a size, up to a limit."""
    return min(size & -size, limit)


def parts_of(blocks: int, K: int, BK: int, most: int = PARTS) -> int:
    """In how many equal parts of whole BK to split sums over K, so that there are programs enough."""
    parts = [s for s in range(1, most + 1) if K % (s * BK) == 0 and s * blocks <= PROGRAMS]
    return max(parts, default=1)


class DecodeStep:
    """The launches that read `tokens` [B] after the first B rows of `slots`, write the new state there, and fill `logits` [B, V] (fp32).

    The network's parameters are read where they lie when `launch` is called. They must be whole, on one device, of one dtype.
    `turned`: memory for ffn.value of each layer the other way round, [F, C], which `turn` fills; one row then reads few of its rows.
    """

    def __init__(self, network: RWKV7, slots: State, B: int, turned: tuple[Tensor, ...] = ()):
        self.network, self.slots, self.B = network, slots, B
        shape, like = network.shape, slots.att_shift[0]
        C, self.dtype = shape.channels, like.dtype
        self.rows = 1 if B == 1 else max(16, triton.next_power_of_2(B))
        self.ranks = {"RW": shape.rank_w, "RA": shape.rank_a, "RG": shape.rank_g, "RV": shape.rank_v}
        self.attention = self._product(3 * C, C)
        self.output, self.up, self.down = self._product(C, C), self._product(shape.ffn, C), self._product(C, shape.ffn)
        self.head = self._product(shape.vocabulary, C)
        self.turned = turned
        if turned:
            S = block_of(shape.ffn, FEW["S"])
            self.down = FEW | {"S": S, "BS": triton.next_power_of_2(shape.ffn // S)}
            places = triton.cdiv(C, FEW["BM"]) * S * self.down["BS"]
            self.index = torch.empty(places, dtype=torch.int32, device=like.device)
            self.value = torch.empty(places, dtype=torch.float32, device=like.device)
        self.up["S"] = self.head["S"] = 1  # what is not linear wants the whole sum; the logits are for the caller
        self.low = {"BR": 16, "LOW_BK": block_of(C, 128 if self.rows == 1 else 64)}
        self.low["LOW_S"] = parts_of(sum(self.ranks.values()) // 16, C, self.low["LOW_BK"], most=PARTS if self.rows == 1 else 4)
        if self.rows == 1:
            self.widen = {"BR": triton.next_power_of_2(max(self.ranks.values())), "BB": 1, "BC": 32, "num_warps": 4}
        else:
            self.widen = {"BR": min(block_of(R, 64) for R in self.ranks.values()), "BB": 16, "BC": 64, "num_warps": 4}
        make = lambda *size, dtype=torch.float32: torch.empty(size, dtype=dtype, device=like.device)  # noqa: E731
        self.tokens, self.logits = make(B, dtype=torch.int64), make(B, shape.vocabulary)
        self.x, self.first_v, self.wide = make(B, C), make(B, C), make(4, B, C)
        self.mixed, self.hidden = make(6, B, C, dtype=self.dtype), make(B, C, dtype=self.dtype)
        self.rkv, self.low_sums = make(3, self.attention["S"], B, C), make(self.low["LOW_S"] * B * sum(self.ranks.values()))
        self.part = make(max(self.output["S"], self.down["S"]), B, C)
        self.squares = make(B, shape.ffn, dtype=self.dtype)
        self.precision = "ieee" if self.dtype == torch.float32 else "tf32"  # the latter says nothing where products are of bf16

    def _product(self, M: int, K: int) -> dict:
        """How a product with a matrix [M, K] is started."""
        settings = dict(ONE_ROW if self.rows == 1 else ROWS)
        settings["BK"] = block_of(K, settings["BK"])
        if self.rows == 1:
            settings["num_warps"] = max(1, min(4, settings["BK"] // 256))
        return settings | {"S": parts_of(triton.cdiv(M, settings["BM"]), K, settings["BK"]), "BB": self.rows}

    def _start(self, kernel, programs: int | tuple[int, ...], *arguments, **settings) -> None:
        """Launch with the settings that this kernel knows."""
        settings = {"PRECISION": self.precision, **settings}
        constants = {name: value for name, value in settings.items() if name in kernel.arg_names or name.startswith("num_")}
        kernel[programs if isinstance(programs, tuple) else (programs,)](*arguments, self.B, **constants)

    def turn(self) -> None:
        """Take ffn.value over as it is now, as is to be done when the weights have changed."""
        for block, turned_FC in zip(self.network.blocks, self.turned, strict=False):
            turned_FC.copy_(block.ffn.value.weight.T)

    def launch(self) -> None:
        """Start all kernels of the step."""
        network, shape, B = self.network, self.network.shape, self.B
        block, C = network.blocks[0], shape.channels
        row = {"C": C, "BC": triton.next_power_of_2(C), "num_warps": 8}
        self._start(kernels.enter, B, self.tokens, network.emb.weight, block.ln0.weight, block.ln0.bias, self.x,
                    EPS=block.ln0.eps, **row)
        parts = 0
        for block, *state in zip(network.blocks, self.slots.att_shift, self.slots.ffn_shift, self.slots.wkv, strict=True):
            self._time_mix(block, state[0], state[2], parts, row)
            self._channel_mix(block, state[1], row)
            parts = self.down["S"]
        norm = network.ln_out
        self._mix(norm, self.x, [norm.weight], self.hidden, parts, row)
        self._multiply(network.head.weight, self.hidden, self.logits, self.head)

    def _mix(self, norm, shift: Tensor, mixes: list[Tensor], out: Tensor, parts: int, row: dict, count: int = 0) -> None:
        self._start(kernels.mix, self.B, self.x, self.part, norm.weight, norm.bias, shift, *(mixes * 6)[:6], out,
                    S=parts, MIXES=count, EPS=norm.eps, **row)

    def _multiply(self, weight: Tensor, x: Tensor, out: Tensor, settings: dict, squared: bool = False) -> None:
        M, K = weight.shape
        self._start(kernels.multiply, triton.cdiv(M, settings["BM"]) * settings["S"], weight, x, out, M=M, K=K, SQUARED=squared, **settings)

    def _time_mix(self, block, shift: Tensor, wkv: Tensor, parts: int, row: dict) -> None:
        shape, att, B, C = self.network.shape, block.att, self.B, self.network.shape.channels
        self._mix(block.ln1, shift, [att.x_r, att.x_w, att.x_k, att.x_v, att.x_a, att.x_g], self.mixed, parts, row, 6)
        first = block.layer == 0
        ranks = self.ranks | ({"RV": 0} if first else {})
        v0, v1, v2 = (att.a0, att.a1, att.a2) if first else (att.v0, att.v1, att.v2)  # which the first layer does not read
        settings = self.attention | self.low | ranks
        programs = sum(ranks.values()) // 16 * self.low["LOW_S"] + 3 * triton.cdiv(C, settings["BM"]) * settings["S"]
        self._start(kernels.project, programs, self.mixed, att.receptance.weight, att.key.weight, att.value.weight,
                    att.w1, att.a1, att.g1, v1, self.rkv, self.low_sums, C=C, **settings)
        wide = self.widen
        self._start(kernels.widen, (3 if first else 4, triton.cdiv(C, wide["BC"]), triton.cdiv(B, wide["BB"])), self.low_sums,
                    att.w2, att.a2, att.g2, v2, att.w0, att.a0, v0, self.wide, C=C, S=self.low["LOW_S"], **wide, **ranks)
        self._start(kernels.remember, B * shape.heads, self.rkv, self.wide, self.first_v, att.k_k, att.k_a, att.r_k,
                    att.ln_x.weight, att.ln_x.bias, wkv, self.hidden,
                    C=C, H=shape.heads, N=shape.head_size, S=self.attention["S"], FIRST=first, EPS=att.ln_x.eps, num_warps=4)
        self._multiply(att.output.weight, self.hidden, self.part, self.output)

    def _channel_mix(self, block, shift: Tensor, row: dict) -> None:
        ffn = block.ffn
        self._mix(block.ln2, shift, [ffn.x_k], self.hidden, self.output["S"], row, 1)
        self._multiply(ffn.key.weight, self.hidden, self.squares, self.up, squared=True)
        if self.turned:
            K, M = self.turned[block.layer].shape
            programs = triton.cdiv(M, self.down["BM"]) * self.down["S"]
            self._start(kernels.multiply_few, programs, self.turned[block.layer], self.squares, self.index, self.value, self.part,
                        M=M, K=K, **self.down)
        else:
            self._multiply(ffn.value.weight, self.squares, self.part, self.down)
