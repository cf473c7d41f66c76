"""The families of networks that checkpoints are read as, the newest first: a checkpoint is of the first whose mark it has."""

from __future__ import annotations

from rwkv_models.network import Network
from rwkv_models.rwkv4 import RWKV4
from rwkv_models.rwkv5 import RWKV5
from rwkv_models.rwkv6 import RWKV6
from rwkv_models.rwkv7 import RWKV7
from rwkv_models.rwkv7a import RWKV7a

FAMILIES: tuple[type[Network], ...] = (RWKV7a, RWKV7, RWKV6, RWKV5, RWKV4)
