"""The versions that there were, and what two of them differ in."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Generator

import torch
from torch import Tensor

from engine.errors import NotFound
from engine.history import lessons_of
from engine.probe import Probe
from engine.recovery import Past
from engine.versions import Versions
from models.course import Link, apart, contains

LAYER = re.compile(r"(?:^|\.)blocks\.(\d+)\.")


class Compared:
    """Belongs to the owner thread, but for `list`."""

    def __init__(self, past: Past, versions: Versions, probe: Probe):
        self._past = past
        self._versions = versions
        self._probe = probe

    def list(self) -> list[dict]:
        """Every version that there was, the newest first: what made it, and whether the present weights stand on it."""
        history, journal = self._past.history, self._past.journal
        found, end = {}, history.end()
        for seq in reversed(history.versions()):
            record, version = journal.find(seq), history.version(seq)
            row = found.setdefault(version, {"version": version, "present": version == self._versions.number,
                                             "in_weights": contains(end, history.end(seq))})
            if record["kind"] in ("base", "lesson", "rehearsal", "undo"):  # what made it, not what went back to it
                row |= {"time": record["time"], "made_by": record["kind"], "lesson": record.get("id") or record.get("lesson"),
                        "loss_before": record.get("loss_before"), "loss_after": record.get("loss_after"), "drift": record.get("drift"),
                        "digest": record.get("digest")}
        return sorted(found.values(), key=lambda row: row["version"], reverse=True)

    def diff(self, before: int, after: int) -> Generator[None, None, dict]:
        """The lessons that only one of two versions contains, the probe's loss under each, and the norm of the change by layer, relative
        to that of the first. Yields between steps; the weights that answer are not touched."""
        ends = [self._end(version) for version in (before, after)]
        lefts, rights = apart(*ends)
        weights_a, loss_a = yield from self._measured(ends[0])
        weights_b, loss_b = yield from self._measured(ends[1])
        ids = [{link.item["id"] for link in links if link.item["kind"] == "lesson"} for links in (lefts, rights)]
        only = [[r["id"] for r in lessons_of(end) if r["id"] in mine - others]
                for end, mine, others in ((ends[0], ids[0], ids[1]), (ends[1], ids[1], ids[0]))]
        return {"from": before, "to": after, "lessons": {"only_from": only[0], "only_to": only[1]},
                "probe_loss": [loss_a, loss_b], "layers": _change(weights_a, weights_b)}

    def _end(self, version: int) -> Link:
        seq = self._past.history.moment(version)
        if seq is None:
            raise NotFound(f"version: the weights never had version {version}", "version")
        return self._past.history.end(seq)

    def _measured(self, end: Link) -> Generator[None, None, tuple[dict[str, Tensor], float]]:
        if end is self._past.history.end():
            model, probe, stamp = self._past.learner.model, self._probe, self._versions.stamp
        else:
            model = (yield from self._past.spare.become(end, self._past)).model
            probe, stamp = self._probe.of(model.network), 0
        host = {name: t.detach().to("cpu", torch.float32, copy=True) for name, t in model.trainer.parameters().items()}
        yield
        return host, probe.loss(stamp)


def _change(before: dict[str, Tensor], after: dict[str, Tensor]) -> list[dict]:
    """Of each layer, and of what is outside of the layers: ‖after - before‖ and its share of ‖before‖."""
    moved, size = defaultdict(float), defaultdict(float)
    for name in before.keys() | after.keys():
        match = LAYER.search(name)
        layer = f"blocks.{match[1]}" if match else name.split(".")[0]
        old, new = before.get(name), after.get(name)
        like = new if old is None else old
        old, new = (torch.zeros_like(like) if t is None or t.shape != like.shape else t for t in (old, new))
        moved[layer] += float((new - old).double().square().sum())
        size[layer] += float(old.double().square().sum())
    return [{"layer": layer, "norm": math.sqrt(moved[layer]), "relative": math.sqrt(moved[layer] / size[layer]) if size[layer] else None}
            for layer in sorted(moved, key=_place)]


def _place(layer: str) -> tuple[bool, int, str]:
    """The layers in their order, then what is outside of them."""
    inside, _, number = layer.partition(".")
    return inside != "blocks", int(number or 0), layer
