"""The probe: a fixed set of general texts whose loss tells how far a lesson moved everything else."""

from __future__ import annotations

from collections.abc import Sequence

from models.sample import Sample
from rwkv_models.chunks import Batch, measure


class Probe:
    """Mean loss of the probe texts, nats a token; measured once for each stamp of the weights."""

    def __init__(self, network, samples: Sequence[Sample]):
        self._network = network
        self._samples = samples
        self._batch = Batch.of([(s.tokens, s.weights) for s in samples], network.emb.weight.device).normalised() if samples else None
        self._count = len(samples)
        self._known: tuple[int, float] | None = None

    def of(self, network) -> Probe:
        """The same texts under another network."""
        return Probe(network, self._samples)

    def loss(self, stamp: int) -> float:
        """The loss under the present weights, whose stamp this is; 0.0 without probe texts."""
        if self._batch is None:
            return 0.0
        if self._known is None or self._known[0] != stamp:
            self._known = (stamp, measure(self._network, self._batch) / self._count)
        return self._known[1]

    def stays(self, stamp: int) -> None:
        """The weights that were measured last have another stamp now."""
        if self._known is not None:
            self._known = (stamp, self._known[1])
