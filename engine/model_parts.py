"""What a checkpoint takes of the model, as named tensors, and how it is put back.

model       the network's own parameters
adapters    every adapter and tuned state that is kept, in use or not: `NAME/parameter`
optimizer   what a step would miss in those: fp32 copies, and Adam's moments where they outlive lessons
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from torch import Tensor

from engine.group import check_alone
from engine.live_model import LiveModel
from rwkv_models.adapters import FactorAdapter, TimeState
from rwkv_models.network import Network
from rwkv_models.optimizer import Trainer
from rwkv_models.trained import Trains, apply
from rwkv_models.weights_file import WeightsError, fit
from rwkv_models.whole import MOMENTS

Parts = dict[str, dict[str, Tensor]]


def take(model: LiveModel, moments: bool) -> Parts:
    """A copy of every part, in host memory."""
    now, network = model.trainer.parameters(), model.network
    adapters = {f"{name}/{key}": now.get(key, p) if name == network.adapters.active else p
                for name in network.adapters.names() for key, p in network.adapters[name].tensors().items()}
    host = lambda tensors: {name: t.detach().to("cpu", copy=True) for name, t in tensors}  # noqa: E731
    return {"model": host(model.own().items()), "adapters": host(adapters.items()), "optimizer": host(model.trainer.fp32(moments))}


def describe(model: LiveModel) -> dict:
    """What the manifest must say of the parts, so that they can be put back."""
    kept = [model.network.adapters[name] for name in model.network.adapters.names()]
    return {"trains": asdict(model.trains), "adapters": [describe_adapter(adapter) for adapter in kept]}


def describe_adapter(adapter: FactorAdapter | TimeState) -> dict:
    """Name, kind and numbers of an adapter, from which an empty one like it is made."""
    about = {"name": adapter.name, "kind": adapter.kind}
    if isinstance(adapter, FactorAdapter):
        about |= {"rank": adapter.rank, "alpha": adapter.alpha, "dropout": adapter.dropout, "paths": list(adapter.layers)}
    return about


def trains_of(described: dict) -> Trains:
    """What is trained, from plain lists and words; ValueError in one sentence where it means nothing."""
    return Trains(**{name: tuple(value) if isinstance(value, list) else value for name, value in described.items()})


def putting(model: LiveModel, parts: Parts, described: dict, origin: Path) -> Callable[[], None]:
    """Find out whether the parts fit (WeightsError names the first that does not); the returned function makes them the model."""
    fitted = fit(model.network, parts["model"], origin)
    trains = trains_of(described["trains"])
    adapters = [rebuilt(model.network, about, parts["adapters"], origin) for about in described["adapters"]]
    _check_optimizer(model, adapters, parts["optimizer"], origin)
    alike = trains == model.trains and described["adapters"] == describe(model)["adapters"]
    if not alike:
        check_alone(model.trainer)

    def put() -> None:
        if not alike:
            _lay(model, adapters, trains)
        model.trainer.put(fitted | _values(model, adapters), parts["optimizer"])

    return put


def _check_optimizer(model: LiveModel, adapters: list[FactorAdapter | TimeState], tensors: dict[str, Tensor], origin: Path) -> None:
    """WeightsError where a kept copy or moment is of nothing here, or of another shape."""
    shapes = [(name, getattr(p, "ds_shape", p.shape)) for name, p in model.network.named_parameters()]
    shapes += [(name, p.shape) for adapter in adapters for name, p in adapter.tensors().items()]
    for key, tensor in tensors.items():
        kind, _, name = key.partition(".")
        fits = tensor.numel() == 1 if key == "step" else kind in ("master", *MOMENTS) and (name, tensor.shape) in shapes
        if not fits:
            raise WeightsError(f"{origin}: {key} of shape {list(tensor.shape)} is no part of this model's optimizer")


def _values(model: LiveModel, adapters: list[FactorAdapter | TimeState]) -> dict[str, Tensor]:
    """The values of the adapter in use, by the names in the network; those of the others are put in place."""
    kept, values = model.network.adapters, {}
    for adapter in adapters:
        if adapter.name == kept.active:
            values = {name: p.data for name, p in adapter.tensors().items()}
        else:
            for name, p in kept[adapter.name].tensors().items():
                p.data.copy_(adapter.tensors()[name])
    return values


def _lay(model: LiveModel, adapters: list[FactorAdapter | TimeState], trains: Trains) -> None:
    """Lay other adapters over the network, and begin another trainer on it."""
    network, recipe = model.network, model.trainer.recipe
    model.trainer.release()
    network.adapters.use(None)
    for name in network.adapters.names():
        network.adapters.remove(name)
    for adapter in adapters:
        network.adapters.add(adapter)
    apply(network, trains)
    model.trainer, model.trains = Trainer(network, recipe), trains


def rebuilt(network: Network, about: dict, tensors: dict[str, Tensor], origin: Path) -> FactorAdapter | TimeState:
    """An adapter as `describe_adapter` told of it, with the values that `take` took."""
    name = about["name"]
    if about["kind"] == "state":
        adapter = TimeState(network, name)
    else:
        adapter = FactorAdapter(network, name, about["kind"], about["rank"], about["alpha"], about["dropout"], about["paths"])
    for key, p in adapter.tensors().items():
        kept = tensors.get(f"{name}/{key}")
        if kept is None or kept.shape != p.shape:
            raise WeightsError(f"{origin}: the adapter {name} has no tensor {key} of shape {list(p.shape)}")
        p.data.copy_(kept)
    return adapter
