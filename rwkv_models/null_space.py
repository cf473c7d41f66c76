"""A change of matrices that kept texts do not feel (the null space of their keys: arXiv 2410.02355, made soft).

Shape letters: O outputs and I inputs of a matrix, K kept tokens.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from rwkv_models.batch import Batch
from rwkv_models.linear import Linear, linears


class NullSpace:
    """Takes from what was learned, in each matrix W of the blocks, what acts on the inputs that it has in kept texts.

    Of a change G [O, I] it leaves the D that is least in |D - G|^2 + sum over kept inputs x of |D x|^2 / r, with r = `ridge` times the
    mean square of a component of x, summed over the K: D = G (1 + X^T X / r)^-1. Whatever else is trained stays as it was.
    """

    def __init__(self, network: nn.Module, ridge: float):
        self._network = network
        self._ridge = ridge
        self._matrices = {path: matrix for path, matrix in linears(network).items()
                          if path.startswith("blocks.") and matrix.quantized is None and matrix.weight.requires_grad}
        self._sums = {path: torch.zeros_like(self._square(matrix)) for path, matrix in self._matrices.items()}
        self._others: list[tuple[Tensor, Tensor]] = []
        self._moved: list[tuple[Tensor, Tensor, Tensor]] = []

    @property
    def empty(self) -> bool:
        """Whether the network trains no matrix that this could hold."""
        return not self._matrices

    @torch.no_grad()
    def read(self, batch: Batch) -> None:
        """Keep these texts, every token of them."""
        real_BT = torch.ones_like(batch.inputs_BT, dtype=torch.bool)
        if batch.lengths_B is not None:
            real_BT = torch.arange(batch.length, device=real_BT.device) < batch.lengths_B.unsqueeze(1)
        hooks = [matrix.register_forward_pre_hook(self._adding(path, real_BT)) for path, matrix in self._matrices.items()]
        try:
            self._network(batch.inputs_BT, None, batch.lengths_B, head="none")
        finally:
            for hook in hooks:
                hook.remove()

    @torch.no_grad()
    def begin(self) -> None:
        """From here on the weights may move: what they are now is what kept texts shall go on to see."""
        held = set()
        for path, matrix in self._matrices.items():
            sum_II = self._sums.pop(path)
            r = self._ridge * float(sum_II.diagonal().mean())
            one_II = torch.eye(sum_II.shape[0], dtype=sum_II.dtype, device=sum_II.device)
            keep_II = torch.cholesky_inverse(torch.linalg.cholesky(one_II + sum_II / r)) if r else one_II
            self._moved.append((matrix.weight, matrix.weight.detach().clone(), keep_II))
            held.add(matrix.weight)
        self._others = [(p, p.detach().clone()) for p in self._network.parameters() if p.requires_grad and p not in held]

    @torch.no_grad()
    def project(self) -> None:
        """After a step: leave of the way from the beginning to here what kept texts do not feel."""
        for p, before_OI, keep_II in self._moved:
            p.copy_(before_OI + (p - before_OI) @ keep_II)
        for p, before in self._others:
            p.copy_(before)

    def _adding(self, path: str, real_BT: Tensor) -> Callable:
        def add(_: Linear, inputs: tuple[Tensor]) -> None:
            x_KI = inputs[0][real_BT]
            self._sums[path].addmm_(x_KI.T, x_KI)

        return add

    @staticmethod
    def _square(matrix: Linear) -> Tensor:
        I = matrix.weight.shape[1]  # noqa: E741
        return matrix.weight.detach().new_empty(I, I)
