"""The states of conversations: those used last in memory, older ones in files, both within a bound of bytes; any can be made again.

A state is found by the weights, the start and the tokens that made it: a digest of these is its key, so that a state of other weights
cannot be found, and a thousand long conversations cost no second copy of their tokens.
"""

from __future__ import annotations

import hashlib
import logging
import shutil
import struct
from array import array
from collections import Counter, OrderedDict, deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import save

from rwkv_models.state import State
from rwkv_models.weights_file import WeightsError, read_tensors

log = logging.getLogger("ouroboros.states")


@dataclass(eq=False)
class Kept:
    """One state. `state` is None when it is in its file alone, or, where the disk refused, nowhere."""

    stamp: int
    length: int
    bytes: int
    device: torch.device
    state: State | None


class StateCache:
    """At most `limit` bytes of states in memory and `disk_limit` in files, the least recently used going first.

    Belongs to the owner thread. A thread of its own writes files and removes them, in the order in which it was told to; an eighth of
    the memory is for states that wait for it, and one that finds no room there is dropped: the disk is never waited for. A file is
    read by whoever needs the state, which is faster than to read its tokens again.
    """

    def __init__(self, limit: int, folder: Path, disk_limit: int):
        self.folder = folder
        self._most_waiting = limit // 8
        self._most_held = limit - self._most_waiting
        self._most_spilled = disk_limit
        self._held: OrderedDict[bytes, Kept] = OrderedDict()
        self._spilled: OrderedDict[bytes, Kept] = OrderedDict()
        self._held_bytes = self.spilled_bytes = 0
        self._waiting: deque[Kept] = deque()  # of the spilled ones, for the thread that writes
        self._lengths: Counter[int] = Counter()  # how many tokens the states have read, and how many states have read so many
        self._writer = ThreadPoolExecutor(1, "states")
        self._refused = False
        shutil.rmtree(folder, ignore_errors=True)  # the stamps of an earlier start mean nothing now
        if disk_limit:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    @property
    def bytes(self) -> int:
        """Memory that the states take, those that wait to be written among them. May be asked from any thread."""
        return self._held_bytes + self._waiting_bytes()

    def longest(self, start: int, tokens: Sequence[int], stamp: int) -> tuple[int, State | None]:
        """The longest beginning of `tokens`, short of the last one, whose state is here, and that state; else (0, None)."""
        lengths = sorted(length for length in self._lengths if length < len(tokens))
        for length, key in reversed(list(zip(lengths, _keys(start, tokens, stamp, lengths), strict=True))):
            state = self._get(key)
            if state is not None:
                return length, state
        return 0, None

    def put(self, start: int, tokens: Sequence[int], stamp: int, state: State) -> None:
        """Keep the state after these tokens, read from `start` under the weights of `stamp`."""
        [key] = _keys(start, tokens, stamp, [len(tokens)])
        if key in self._held:
            self._held.move_to_end(key)
            return
        if key in self._spilled:
            self._drop([key])
        self._hold(key, Kept(stamp, len(tokens), state.bytes, state.wkv[0].device, state))

    def keep_only(self, stamp: int) -> None:
        """Drop the states of all other weights, which will not come back."""
        for key in [key for key, kept in self._held.items() if kept.stamp != stamp]:
            self._release(self._held.pop(key))
        self._drop([key for key, kept in self._spilled.items() if kept.stamp != stamp])

    def close(self) -> None:
        """Write no more."""
        self._writer.shutdown(cancel_futures=True)

    def _get(self, key: bytes) -> State | None:
        if key in self._held:
            self._held.move_to_end(key)
            return self._held[key].state
        kept = self._spilled.get(key)
        if kept is None:
            return None
        state = kept.state or self._read(key, kept)
        self._drop([key])
        if state is not None:
            self._hold(key, Kept(kept.stamp, kept.length, kept.bytes, kept.device, state))
        return state

    def _hold(self, key: bytes, kept: Kept) -> None:
        self._held[key] = kept
        self._held_bytes += kept.bytes
        self._lengths[kept.length] += 1
        while self._held_bytes > self._most_held:
            oldest, least = self._held.popitem(last=False)
            self._release(least)
            if least.stamp == kept.stamp and self._waiting_bytes() + least.bytes <= self._most_waiting:
                self._spill(oldest, least)

    def _release(self, kept: Kept) -> None:
        self._held_bytes -= kept.bytes
        self._uncount(kept)

    def _uncount(self, kept: Kept) -> None:
        self._lengths[kept.length] -= 1
        if not self._lengths[kept.length]:
            del self._lengths[kept.length]

    # -- files

    def _spill(self, key: bytes, kept: Kept) -> None:
        self._spilled[key] = kept
        self.spilled_bytes += kept.bytes
        self._lengths[kept.length] += 1
        while self._waiting and self._waiting[0].state is None:
            self._waiting.popleft()
        self._waiting.append(kept)
        self._writer.submit(self._write, key, kept)
        while self.spilled_bytes > self._most_spilled:
            self._drop([next(iter(self._spilled))])

    def _drop(self, keys: Iterable[bytes]) -> None:
        """Forget states that were spilled, and have their files removed."""
        paths = []
        for key in keys:
            kept = self._spilled.pop(key)
            kept.state = None  # where it waits to be written, it need not be
            self.spilled_bytes -= kept.bytes
            self._uncount(kept)
            paths.append(self._path(key))
        if paths:
            self._writer.submit(_remove, paths)

    def _waiting_bytes(self) -> int:
        return sum(kept.bytes for kept in tuple(self._waiting) if kept.state is not None)

    def _path(self, key: bytes) -> Path:
        return self.folder / f"{key.hex()}.safetensors"

    def _write(self, key: bytes, kept: Kept) -> None:
        """On the thread that writes. Not synced: nobody reads it after a crash."""
        state = kept.state
        if state is None:
            return
        try:
            tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in state.named().items()}
            self._path(key).write_bytes(save(tensors))
            self._refused = False
        except Exception as error:  # whatever it was: the tokens will be read again
            if not self._refused:
                log.warning("a state cannot be written, conversations will be read again: %s", error)
            self._refused = True
            _remove([self._path(key)])
        finally:
            kept.state = None

    def _read(self, key: bytes, kept: Kept) -> State | None:
        try:
            mapped = State.from_named(read_tensors(self._path(key)))  # of the file, which is removed next
            return mapped.map(lambda tensor: tensor.to(kept.device, copy=True))
        except (OSError, ValueError, WeightsError, SafetensorError) as error:
            log.warning("a state cannot be read, its conversation will be: %s", error)
            return None


def _keys(start: int, tokens: Sequence[int], stamp: int, lengths: Iterable[int]) -> Iterator[bytes]:
    """The keys of the beginnings of so many tokens, the lengths in rising order."""
    digest, done = hashlib.blake2b(struct.pack("qq", stamp, start), digest_size=32), 0
    read = memoryview(array("q", tokens)).cast("B")
    for length in lengths:
        digest.update(read[8 * done : 8 * length])
        done = length
        yield digest.copy().digest()


def _remove(paths: Iterable[Path]) -> None:
    for path in paths:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            log.warning("the file of a state stays: %s", error)
