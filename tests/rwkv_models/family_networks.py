"""Small random networks of every family, no parameter of which is zero."""

import math

import torch

from rwkv_models import network, rwkv5, rwkv6, rwkv7, rwkv7a
from rwkv_models.rwkv4 import RWKV4
from rwkv_models.rwkv5 import RWKV5
from rwkv_models.rwkv6 import RWKV6
from rwkv_models.rwkv7 import RWKV7
from rwkv_models.rwkv7a import RWKV7a

# The kinds that public files are of: (network, shape, sizes that differ from SIZES).
KINDS = {
    "4": (RWKV4, network.Shape, {"head_size": 64}),
    "5.0": (RWKV5, rwkv5.Shape, {"gate": False, "per_channel": False, "bonus": "time_first"}),
    "5.1": (RWKV5, rwkv5.Shape, {"per_channel": False, "bonus": "time_first"}),
    "5.2": (RWKV5, rwkv5.Shape, {}),
    "6.0": (RWKV6, rwkv6.Shape, {"rank_mix": 8, "rank_decay": 16}),
    "7": (RWKV7, rwkv7.Shape, {}),
    "7a": (RWKV7a, rwkv7a.Shape, {}),
}
OLD = ("4", "5.0", "5.1", "5.2", "6.0")
SIZES = {"layers": 3, "channels": 64, "vocabulary": 50, "head_size": 16, "ffn": 96}


@torch.no_grad()
def random_of(kind, dtype=torch.float64, seed=0, **sizes):
    """A network of a kind, with values of the sizes that trained ones have: decays from slow to next to nothing left."""
    family, shape, own = KINDS[kind]
    made = family(shape(**{**SIZES, **own, **sizes}))
    g = torch.Generator().manual_seed(seed)
    for name, p in made.named_parameters():
        normal = torch.randn(p.shape, generator=g)
        last = name.rpartition(".")[2]
        if last == "weight" and p.ndim == 2:
            value = normal * (1.0 if name.startswith("emb.") else 1 / math.sqrt(p.shape[1]))
        elif last == "weight":
            value = 1 + 0.1 * normal
        elif "time_mix" in last or "time_maa_" in last and p.ndim == 3 and p.shape[0] == 1 or last.startswith("x_"):
            value = torch.rand(p.shape, generator=g)
        elif last == "time_decay":
            value = 2 * normal - 2
        elif last.endswith(("1", "2")):
            value = normal / math.sqrt(p.shape[-2])
        else:
            value = 0.3 * normal
        p.copy_(value)
    return made.to(dtype)
