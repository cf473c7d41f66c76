"""How each family's parameters and sizes are handed to the native code: in the order of the structs in native/*.h and *.cpp."""

from __future__ import annotations

from dataclasses import dataclass

from rwkv_models.native_library import NativeUnavailable
from rwkv_models.network import Network

# native/network.h's structs Network, then Layer for each layer.
NETWORK = ("emb.weight", "blocks.0.ln0.weight", "blocks.0.ln0.bias", "ln_out.weight", "ln_out.bias", "head.weight")
NORMS = ("ln1.weight", "ln1.bias", "ln2.weight", "ln2.bias")
LAYER = (
    *NORMS, "att.x_r", "att.x_w", "att.x_k", "att.x_v", "att.x_a", "att.x_g",
    "att.w0", "att.w1", "att.w2", "att.a0", "att.a1", "att.a2", "att.g1", "att.g2", "att.k_k", "att.k_a", "att.r_k",
    "att.receptance.weight", "att.key.weight", "att.value.weight", "att.output.weight", "att.ln_x.weight", "att.ln_x.bias",
    "ffn.x_k", "ffn.key.weight", "ffn.value.weight", "att.v0", "att.v1", "att.v2",
)
LANES, MAX_HEAD_SIZE = 16, 256  # native code works in whole vectors, of 16 numbers at most, and has buffers for such a head


@dataclass(frozen=True)
class Layout:
    """What one family's step takes.

    function    its name in the library
    layer       the parameters of a layer, in order; one that a layer does not have is handed over as a null pointer
    sizes       the numbers of its struct of sizes
    """

    function: str
    layer: tuple[str, ...]
    sizes: tuple[int, ...]


def layout_of(network: Network) -> Layout:
    """The layout of a network's family and sizes. Raises NativeUnavailable where native code does not take it."""
    if network.family not in LAYOUTS:
        raise NativeUnavailable(f"native decoding takes RWKV-4 to RWKV-7, this network is {network.title}")
    return LAYOUTS[network.family](network)


def _multiples(network: Network, *names: str) -> tuple[int, ...]:
    shape = network.shape
    for name in names:
        if getattr(shape, name) % LANES:
            raise NativeUnavailable(f"native decoding takes sizes that are multiples of {LANES}, "
                                    f"this network's {name} is {getattr(shape, name)}")
    if "head_size" in names and shape.head_size > MAX_HEAD_SIZE:
        raise NativeUnavailable(f"native decoding takes head sizes up to {MAX_HEAD_SIZE}, this network's is {shape.head_size}")
    return shape.layers, shape.channels, shape.head_size, shape.vocabulary, shape.ffn


def _rwkv7(network: Network) -> Layout:
    ranks = ("rank_w", "rank_a", "rank_v", "rank_g")
    sizes = _multiples(network, "head_size", "ffn", *ranks)
    return Layout("rwkv7_decode_step", LAYER, (*sizes, *(getattr(network.shape, rank) for rank in ranks)))


def _older(network: Network, version: int, mix: str, channel: tuple[str, str], head: tuple[str, str], ranks: tuple[int, int]) -> Layout:
    """`channel` are decay and bonus of each channel, `head` those of each head, empty where the family has none such."""
    layer = (
        *NORMS, *(f"att.{mix}_{name}" for name in "rkvgw"), "att.time_maa_x", "att.time_maa_w1", "att.time_maa_w2",
        channel[0], "att.time_decay_w1", "att.time_decay_w2", channel[1], head[1], head[0],
        *(f"att.{name}.weight" for name in ("receptance", "key", "value", "gate", "output")), "att.ln_x.weight", "att.ln_x.bias",
        f"ffn.{mix}_k", f"ffn.{mix}_r", "ffn.key.weight", "ffn.receptance.weight", "ffn.value.weight",
    )
    heads = ("head_size",) if version > 4 else ()
    sizes = _multiples(network, "channels", "ffn", *heads, *(("rank_mix", "rank_decay") if version == 6 else ()))
    return Layout("older_decode_step", layer, (*sizes, *ranks, version))


def _rwkv4(network: Network) -> Layout:
    return _older(network, 4, "time_mix", ("att.time_decay", "att.time_first"), ("", ""), (0, 0))


def _rwkv5(network: Network) -> Layout:
    shape, both = network.shape, ("att.time_decay", f"att.{network.shape.bonus}")
    if shape.per_channel != (shape.bonus == "time_faaaa"):
        raise NativeUnavailable("native decoding takes RWKV-5 with a time_first of each head or a time_faaaa of each channel")
    return _older(network, 5, "time_mix", *((both, ("", "")) if shape.per_channel else (("", ""), both)), (0, 0))


def _rwkv6(network: Network) -> Layout:
    shape = network.shape
    return _older(network, 6, "time_maa", ("att.time_decay", "att.time_faaaa"), ("", ""), (shape.rank_mix, shape.rank_decay))


LAYOUTS = {"rwkv4": _rwkv4, "rwkv5": _rwkv5, "rwkv6": _rwkv6, "rwkv7": _rwkv7}
