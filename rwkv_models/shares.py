"""A batch divided among processes, so that each has a share of its rows and all do the very same things with them.

The sums of a training step, and the gathering of divided parameters, stand still unless all processes come to them the
same number of times. So shares are as long as the whole batch, and equal in number of rows and of trained positions: where
there is nothing to train, there is something that weighs nothing.

Shape letters: B rows of the whole batch, R rows of a share, P processes, T targets.
"""

from __future__ import annotations

from dataclasses import fields, replace

import torch
from torch import Tensor

from rwkv_models.chunks import Batch
from rwkv_models.state import State

NOTHING = 1e-300
"""A weight that is not 0, so that its position is computed, and that is 0 in fp32."""


def rows_of(count: int, size: int) -> Tensor:
    """Which rows of `count` each of `size` processes takes, [R, P]; missing ones are filled up with row 0."""
    rows = torch.arange(-(-count // size) * size)
    return torch.where(rows < count, rows, 0).view(-1, size)


def share(batch: Batch, rank: int, size: int) -> Batch:
    """The share of one process. Losses and gradients of all shares add up to those of the batch."""
    count = batch.inputs_BT.shape[0]
    rows_RP = rows_of(count, size).to(batch.inputs_BT.device)
    own_R = rows_RP[:, rank]
    filling_R = (torch.arange(rows_RP.numel()).view(-1, size)[:, rank] >= count).to(own_R.device)
    trained_RT = (batch.weights_BT[rows_RP] != 0).any(dim=1)
    weights_RT = torch.where(filling_R.unsqueeze(1), 0.0, batch.weights_BT[own_R])
    weights_RT = torch.where(trained_RT & (weights_RT == 0), NOTHING, weights_RT)
    parts = {f.name: value[own_R.to(value.device)] for f in fields(batch) if isinstance(value := getattr(batch, f.name), Tensor)}
    return replace(batch, **(parts | {"weights_BT": weights_RT}))


def share_of_state(state: State, rank: int, size: int) -> State:
    """The rows of a state that belong to a share."""
    return state.rows(rows_of(state.batch, size)[:, rank].tolist())


def to_words(batch: Batch) -> tuple[dict, dict[str, Tensor]]:
    """(What of a batch is JSON, what is tensors), for another process to make it again."""
    values = {f.name: getattr(batch, f.name) for f in fields(batch)}
    tensors = {name: value for name, value in values.items() if isinstance(value, Tensor)}
    return {name: value for name, value in values.items() if name not in tensors}, tensors
