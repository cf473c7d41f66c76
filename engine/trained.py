"""What is trained, and the adapters that are kept: changed while the server runs, by records of the journal.

Everything here belongs to the owner thread and happens between two lessons. A record is written after its act was found
possible and before it is done, so that a start does it again at the same place in the course of the lessons.
"""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from engine import model_parts
from engine.atomic import remove_unfinished, sync
from engine.checkpoints import checked_name, sha256_of
from engine.disk import disk_error
from engine.errors import BadRequest, Conflict, NotFound
from engine.group import check_alone
from engine.journal import Journal
from engine.live_model import LiveModel
from rwkv_models.adapters import FactorAdapter
from rwkv_models.optimizer import Trainer
from rwkv_models.peft_files import MODEL, load_adapter, save_adapter
from rwkv_models.trained import apply, check
from rwkv_models.weights_file import WeightsError, load_state, save_state

STATE = "state.pth"
KINDS = ("trains", "merge", "import", "remove")
"""The records of the journal that are about what is trained."""


class Trained:
    """Switches what is trained; merges, imports, exports and removes adapters."""

    def __init__(self, model: LiveModel, journal: Journal, folder: Path, changed: Callable[[], None]):
        self.model = model
        self.journal = journal
        self.folder = folder
        remove_unfinished(folder)
        self._changed = changed  # the weights answer otherwise than before

    def describe(self) -> dict:
        """What is trained now, how many parameters that are, and the adapters that are kept."""
        adapters, network = self.model.network.adapters, self.model.network
        kept = []
        for adapter in (adapters[name] for name in adapters.names()):
            about = model_parts.describe_adapter(adapter) | {"in_use": adapter.name == adapters.active}
            kept.append({name: value for name, value in about.items() if name != "paths"})
        return {"trains": asdict(self.model.trains), "quantized": network.quantized,
                "parameters": sum(p.numel() or p.ds_numel for p in network.parameters() if p.requires_grad), "adapters": kept}

    def train(self, chosen: dict, by_config: bool = False) -> dict:
        """Train something else from now on. Returns the record."""
        try:
            trains = model_parts.trains_of(chosen)
            check(self.model.network, trains)
            if trains.what == "state" and self.model.trainer.recipe.zero_stage == 3:
                raise ValueError("trains.what is state, which needs zero_stage 0 to 2; this server runs with zero_stage = 3")
        except ValueError as error:
            named = re.findall(r"trains\.(\w+)", str(error))
            field = "parts" if "parts" in named else named[0] if named else "name"
            raise BadRequest(str(error).replace("trains.", ""), field) from None
        return self._record({"kind": "trains", "trains": asdict(trains), "by_config": by_config})

    def merge(self) -> dict:
        """Make the adapter in use part of the weights, and go on with a fresh one in its place."""
        adapter = self.model.network.adapters.current
        if not isinstance(adapter, FactorAdapter):
            raise Conflict("action: no lora or miss adapter is in use, there is nothing to merge", "action")
        if self.model.network.quantized:
            raise Conflict(f"action: the weights are quantized to {self.model.network.quantized}; load the model unquantized to merge",
                           "action")
        return self._record({"kind": "merge", "name": adapter.name})

    def take_in(self, name: str) -> dict:
        """Keep the adapter in the folder adapters/NAME, in PEFT's layout, or the state in its state.pth, under that name."""
        path = self.folder / checked_name(name)
        self._free(name)
        if not path.is_dir():
            raise NotFound(f"name: there is no folder adapters/{name} under the data folder", "name")
        try:
            self._read(path, name)
        except WeightsError as error:
            raise BadRequest(f"name: {error}", "name") from None
        self.model.network.adapters.remove(name)
        return self._record({"kind": "import", "name": name, "sha256": sha256_of(_file(path))})

    def remove(self, name: str) -> dict:
        """Forget an adapter that is not in use."""
        self._find(name)
        if name == self.model.network.adapters.active:
            raise Conflict(f"name: the adapter {name} is in use: train something else first", "name")
        return self._record({"kind": "remove", "name": name})

    def export(self, name: str) -> Path:
        """Write an adapter to adapters/NAME in PEFT's layout, a tuned state to adapters/NAME/state.pth; the folder appears whole."""
        adapter = self._find(name)
        kept = model_parts.take(self.model, moments=False)["adapters"]
        copy = model_parts.rebuilt(self.model.network, model_parts.describe_adapter(adapter), kept, Path(name))
        final, temporary = self.folder / name, self.folder / f".{name}.new"
        if final.exists():
            raise Conflict(f"name: there is a folder adapters/{name} already; move it away first", "name")
        try:
            temporary.mkdir(parents=True)
            if isinstance(copy, FactorAdapter):
                save_adapter(copy, temporary, self.model.name)
            else:
                save_state(copy, temporary / STATE)
            for file in temporary.iterdir():
                sync(file)
            temporary.rename(final)
            sync(self.folder)
        except OSError as error:
            needed = sum(tensor.nbytes for tensor in copy.tensors().values())
            raise disk_error(f"the adapter {name}", error, self.folder, needed) from None
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        return final

    def apply(self, record: dict) -> None:
        """Do what a record says; also at the start, where ValueError names what cannot be done any more."""
        check_alone(self.model.trainer)
        network, kind = self.model.network, record["kind"]
        if kind == "trains":
            self.model.switch(model_parts.trains_of(record["trains"]))
        elif kind == "merge":
            recipe = self.model.trainer.recipe
            self.model.trainer.release()
            network.adapters.merge()
            apply(network, self.model.trains)
            self.model.trainer = Trainer(network, recipe)
        elif kind == "import":
            path = self.folder / record["name"]
            if not _file(path).is_file() or sha256_of(_file(path)) != record["sha256"]:
                raise ValueError(f"{path} is not the adapter any more that the journal takes in; put it back from a copy")
            self._read(path, record["name"])
        else:
            network.adapters.remove(record["name"])
        self._changed()

    def _read(self, path: Path, name: str) -> None:
        """Keep what is in a folder under a name; WeightsError in one sentence where it does not fit."""
        if _file(path).name == STATE:
            load_state(self.model.network, path / STATE, name)
        else:
            load_adapter(self.model.network, path, name)

    def _record(self, record: dict) -> dict:
        try:
            check_alone(self.model.trainer)
        except ValueError as error:
            raise Conflict(str(error), "name") from None
        return self.journal.append({**record, "time": time.time()})

    def _find(self, name: str):
        adapters = self.model.network.adapters
        if name not in adapters:
            raise NotFound(f"name: there is no adapter {name}", "name")
        return adapters[name]

    def _free(self, name: str) -> None:
        if name in self.model.network.adapters:
            raise Conflict(f"name: there is an adapter {name} already; remove it first", "name")


def _file(folder: Path) -> Path:
    """The file with the tensors in a folder of an adapter or a state."""
    return folder / (STATE if (folder / STATE).is_file() else MODEL)

