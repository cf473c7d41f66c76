"""A process group of one, for DeepSpeed, which asks for a group: sums of one are what is summed, and all else is a copy.

torch's own backends would open ports (gloo) or take device memory (nccl, 0.6 GB) to speak with nobody.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.distributed as dist
from torch import Tensor
from torch._C._distributed_c10d import _create_work_from_future  # the way of torch's own groups that are written in Python
from torch.futures import Future

NAME = "alone"
"""What torch.distributed calls it."""

Tensors = Tensor | list[Tensor] | list[list[Tensor]]


class Alone(dist.ProcessGroup):
    """The collectives of torch.distributed among one process, on CPU and CUDA tensors of any type.

    Work is done on the current stream when a collective returns; a stream that waits for it waits for that one.
    """

    def _kept(self, tensors: Tensors, *_options) -> dist.Work:
        """Sum, mean, product, least and greatest of one, or what the only process has to tell: the tensors as they are."""
        return _done(list(_flat(tensors)))

    def _copied(self, outputs: Tensors, inputs: Tensors, *_options) -> dist.Work:
        """What all give to each: each input, in the shape of its output. ValueError or RuntimeError where these do not match."""
        outputs = list(_flat(outputs))
        with torch.no_grad():
            for output, given in zip(outputs, _flat(inputs), strict=True):
                output.copy_(given.reshape(output.shape))
        return _done(outputs)

    broadcast = allreduce = allreduce_coalesced = reduce = _kept
    allgather = allgather_coalesced = gather = scatter = reduce_scatter = alltoall = _copied
    # By their older names, and by those that torch 2.13 gave them:
    _allgather_base = _reduce_scatter_base = alltoall_base = allgather_into_tensor_coalesced = reduce_scatter_tensor_coalesced = _copied
    all_gather_single = reduce_scatter_single = all_to_all_single = all_gather_single_coalesced = reduce_scatter_single_coalesced = _copied

    def barrier(self, opts=None) -> dist.Work:
        return _done([])

    # torch keeps a group's name with what speaks for it; here nothing does.
    def _set_group_name(self, name: str) -> None:
        self._name = name

    @property
    def group_name(self) -> str:
        return self._name

    def _start_coalescing(self, device: torch.device) -> None:
        """Nothing is gained by waiting for more."""

    def _end_coalescing(self, device: torch.device) -> dist.Work:
        return _done([])


def _flat(tensors: Tensors) -> Iterator[Tensor]:
    if isinstance(tensors, Tensor):
        yield tensors
    else:
        for t in tensors:
            yield from _flat(t)


def _done(tensors: list[Tensor]) -> dist.Work:
    future: Future = Future(devices=list({t.device for t in tensors if t.is_cuda}))
    future.set_result(tensors)
    return _create_work_from_future(future)


dist.Backend.register_backend(NAME, lambda store, rank, size, timeout: Alone(rank, size), devices=["cpu", "cuda"])
