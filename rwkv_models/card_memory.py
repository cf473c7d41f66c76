"""How much of a card's memory is left, for what is only faster, and may be done without."""

from __future__ import annotations

import torch


def left(device: torch.device) -> tuple[int, int]:
    """(Bytes that this process may still take of a CUDA device, of how many in all): by torch's own limit, and by what others took."""
    free, total = torch.cuda.mem_get_info(device)
    allowed = int(torch.cuda.get_per_process_memory_fraction(device) * total)
    return min(free, allowed - torch.cuda.memory_reserved(device)), allowed
