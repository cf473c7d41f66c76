"""What torch.distributed and DeepSpeed are told before a group of processes is made."""

from __future__ import annotations

import os
import socket


def speak_on_loopback() -> None:
    """All processes are on this machine: gloo and NCCL connect on loopback."""
    loopback = next((name for _, name in socket.if_nameindex() if name in ("lo", "lo0")), None)
    if loopback:
        os.environ["GLOO_SOCKET_IFNAME"] = os.environ["NCCL_SOCKET_IFNAME"] = loopback
    os.environ.setdefault("NCCL_RAS_ENABLE", "0")  # its monitor would listen on a fixed port, for jobs of many processes


def build_no_operator() -> None:
    """Leave out DeepSpeed's shared-memory operator: it serves all-reduces of inference only, and building it takes 20 s."""
    import deepspeed.ops  # here, as it costs a second

    deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
