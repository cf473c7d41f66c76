"""What requests about checkpoints do: load, rename, delete, export. On the owner thread, while none is being written."""

from __future__ import annotations

import logging
import os
import time
from pathlib import Path

from engine.atomic import remove, remove_unfinished, sync
from engine.checkpoints import Checkpoint, sha256_of
from engine.disk import disk_error
from engine.errors import BadRequest, Conflict, EngineError
from engine.recovery import Past
from engine.saver import Saver
from engine.ticket import Ticket
from rwkv_models.weights_file import WeightsError, save_weights

log = logging.getLogger("ouroboros.checkpoints")


class CheckpointActs:
    """The checkpoints that there are, by name; of several of one name, the newest, or that of a version."""

    def __init__(self, past: Past, saver: Saver, exports: Path):
        """`exports`: the folder of exported weights, made when it is needed."""
        self._past = past
        self._store = past.store
        self._saver = saver
        self._exports = exports
        remove_unfinished(exports)

    def list(self) -> list[dict]:
        """All of them, newest first."""
        current = self._past.standing_on()[0]
        return [c.describe() | {"in_use": current is not None and c.folder == current.folder} for c in self._store.list()]

    def load(self, ticket: Ticket, name: str, version: int | None) -> None:
        """Put its weights in place of the present ones."""
        try:
            checkpoint = self._past.load(name, version)
        except (WeightsError, ValueError) as error:
            raise BadRequest(f"name: {error}; the running model was not touched", "name") from None
        ticket.finish({"name": name, "version": checkpoint.version})

    def rename(self, ticket: Ticket, name: str, new: str, version: int | None) -> None:
        """Call it otherwise."""
        folder = self._store.folder_of(name, version)
        try:
            self._store.rename(folder, new)
        except OSError as error:
            raise disk_error(f"the name of the checkpoint {name}", error, self._store.folder, len(folder.name)) from None
        log.info("checkpoint=%s renamed=%s", folder.name, new)
        ticket.finish({"name": new, "from": name})

    def delete(self, ticket: Ticket, name: str, version: int | None) -> None:
        """Remove it, unless the next start would begin with it: lessons stay in the journal, and can be learned again from there."""
        folder = self._store.folder_of(name, version)
        current = self._past.standing_on()[0]
        if current is not None and current.folder == folder:
            said = f"name: the present weights stand on the checkpoint {name}; save another one first, then this one can be deleted"
            raise Conflict(said, "name", code="in_use")
        try:
            hidden = self._store.hide(folder)
        except OSError as error:
            raise disk_error(f"`latest` without the checkpoint {name}", error, self._store.folder, len(folder.name)) from None
        log.info("checkpoint=%s removed", folder.name)
        self._saver.beside(lambda: remove(hidden))
        ticket.finish({"name": name, "deleted": True})

    def export(self, ticket: Ticket, name: str, version: int | None) -> None:
        """Write its weights as one safetensors file under their own names, for other programs; beside the answers."""
        began, size = time.perf_counter(), 0
        self._store.folder_of(name, version)

        def write() -> None:
            nonlocal size
            try:
                checkpoint = self._store.find(name, version)
                size = checkpoint.describe()["bytes"]
                ticket.finish(self._write(checkpoint) | {"seconds": time.perf_counter() - began})
            except EngineError as error:
                ticket.fail(error)
            except ValueError as error:
                ticket.fail(BadRequest(f"name: {error}", "name"))
            except Exception as error:  # the writer of safetensors has errors of its own for a full disk
                log.error("export=%s failed: %s", name, error)
                ticket.fail(disk_error(f"the checkpoint {name}", error, self._store.folder, size))

        self._saver.beside(write)

    def _write(self, checkpoint: Checkpoint) -> dict:
        """Its file, wholly there or not at all."""
        target = self._exports / f"{checkpoint.name}-{checkpoint.version}.safetensors"
        unfinished = self._exports / f".{checkpoint.name}.new"
        try:
            unfinished.mkdir(parents=True, exist_ok=True)
            file = unfinished / target.name
            save_weights(checkpoint.part("model"), file, {"format": "pt"})
            sync(file)
            sha256 = sha256_of(file)
            os.replace(file, target)
            sync(self._exports)
        finally:
            remove(unfinished)
        log.info("export=%s", target.name)
        return {"name": checkpoint.name, "version": checkpoint.version, "path": f"{self._exports.name}/{target.name}",
                "bytes": target.stat().st_size, "sha256": sha256}
