"""What torch.distributed and DeepSpeed are told where all processes are on one machine: stay on it, and build nothing."""

from __future__ import annotations

import os
import socket


def speak_on_loopback() -> None:
    """gloo and NCCL connect on loopback.

    DeepSpeed's shared-memory operator, for all-reduces between CPU processes, is left out: a single process has no use for
    it, several can do with gloo, and building it takes 20 s at the first start.
    """
    import deepspeed.ops  # here, as it costs a second

    deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
    loopback = next((name for _, name in socket.if_nameindex() if name in ("lo", "lo0")), None)
    if loopback:
        os.environ["GLOO_SOCKET_IFNAME"] = os.environ["NCCL_SOCKET_IFNAME"] = loopback
    os.environ.setdefault("NCCL_RAS_ENABLE", "0")  # its monitor would listen on a fixed port, for jobs of many processes
