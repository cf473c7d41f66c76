"""The lesson store beside a running server: a thread of its own that reads the journal along and adds its facts.

The store is never in the way of the server. What it has, it knows itself: the facts of a record and its number go in together, so
after any end it goes on where it was. One that cannot be opened or read, or belongs to another journal, is made again from the
journal beside the old one and takes its place.
"""

from __future__ import annotations

import logging
import math
import shutil
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import TypeVar

from engine.errors import BadRequest, Busy, NotFound
from engine.journal import read_records
from models.facts import FORMAT
from models.ledger import Ledger
from models.store import Entry, LessonStore, NotKnown
from models.store_query import QueriesBusy, QueryRefused, StoreQueries

log = logging.getLogger("ouroboros.store")
Result = TypeVar("Result")
BATCH = 500
"""Records that are added at once while catching up."""
PATIENCE = (1.0, 300.0)
"""Seconds to wait after a failure: at first, doubled each time, and at most."""


class StoreFollower:
    """Follows the journal from its making to `close`. Every method may be called from any thread."""

    def __init__(self, journal: Path, folder: Path, seq: int):
        """`seq`: the last record of the journal that counts; `appended` tells of later ones."""
        self._journal, self._folder = journal, folder
        self._store: LessonStore | None = None
        self._queries = StoreQueries(folder.with_name(f".{folder.name}.read"))
        self._wish = seq
        self._damaged = self._closing = False
        self._news = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="store", daemon=True)
        self._thread.start()

    # -- telling and asking

    def appended(self, seq: int) -> None:
        """Record `seq` is in the journal, to stay."""
        with self._news:
            self._wish = max(self._wish, seq)
            self._news.notify_all()

    def caught_up(self, seq: int, timeout: float) -> bool:
        """Wait until the facts of record `seq` can be asked for, at most `timeout` seconds; whether they can."""
        with self._news:
            return self._news.wait_for(lambda: self._store is not None and self._store.seq >= seq, timeout)

    def read(self, ask: Callable[[LessonStore], Result]) -> Result:
        """What `ask` finds in the store. Busy while there is none; BadRequest and NotFound for what was asked."""
        store = self._store
        if store is None:
            raise Busy("the lesson store is being made from the journal; try again in a moment", 2)
        try:
            return ask(store)
        except QueriesBusy as error:
            raise Busy(str(error)) from None
        except QueryRefused as error:
            raise BadRequest(str(error), "query", f"query_{error.code}") from None
        except ValueError as error:
            raise BadRequest(str(error), str(error).partition(":")[0]) from None
        except NotKnown as error:
            raise NotFound(str(error)) from None
        except BaseException as error:
            if not _of_the_store(error):
                raise
            with self._news:
                if self._store is store:  # the first to notice
                    log.warning("store=%s cannot be read (%s): it is made again from the journal", self._folder, error)
                    self._damaged, self._store = True, None
                    self._news.notify_all()
            raise Busy("the lesson store was damaged and is being made from the journal; try again in a moment", 2) from None

    def query(self, text: str, format: str = "") -> tuple[str, bytes]:
        """The answer to a SPARQL query: media type and bytes (`StoreQueries.run`)."""
        return self.read(lambda store: self._queries.run(store, text, format))

    def close(self) -> None:
        """Stop after the transaction in hand, and release the folder."""
        with self._news:
            self._closing = True
            self._news.notify_all()
        self._thread.join()
        self._queries.close()

    # -- following

    def _run(self) -> None:
        pause, most = PATIENCE
        while not self._closing:
            began = time.monotonic()
            try:
                self._follow()
                return
            except BaseException as error:  # a panic of the store is no Exception
                if not self._closing:
                    log.warning("store=%s stands still for %.0f s: %s", self._folder, pause, error)
            with self._news:
                self._news.wait_for(lambda: self._closing, pause)
            pause = PATIENCE[0] if time.monotonic() - began > most else min(2 * pause, most)

    def _follow(self) -> None:
        """Catch up, then take in each record as it comes, until it is closed."""
        reading = Reading(self._journal)
        store = self._open(reading)
        try:
            while not self._closing:
                if store is None or self._damaged:
                    if store is not None:
                        store.close()  # the folder cannot be opened while it is
                    reading = Reading(self._journal)
                    rebuild(self._folder, self._until_closing(reading))
                    store = LessonStore(self._folder)
                    self._damaged = False
                while reading.seq < self._wish and not self._closing:
                    batch = list(islice(reading.entries(self._wish), BATCH))
                    if not batch:
                        raise OSError(f"{self._journal} ends at record {reading.seq}, short of {self._wish}")
                    store.add(batch)
                with self._news:
                    self._store = store
                    self._news.notify_all()
                    self._news.wait_for(lambda seq=reading.seq: self._closing or self._damaged or self._wish > seq)
        finally:
            self._store = None
            if store is not None:
                store.close()

    def _open(self, reading: Reading) -> LessonStore | None:
        """The store, with the journal read to where it is; None where it must be made."""
        why = "there is none yet"
        for word in ("new", "old"):  # of a making that was broken off
            _remove(self._folder.with_name(f".{self._folder.name}.{word}"))
        if self._folder.exists():
            try:
                store = LessonStore(self._folder)
                if self._belongs(store, reading):
                    return store
                store.close()
                why = "it is of another release or journal"
            except BaseException as error:
                if not _of_the_store(error):
                    raise
                why = str(error)
        log.info("store=%s is made from the journal: %s", self._folder, why)
        return None

    def _belongs(self, store: LessonStore, reading: Reading) -> bool:
        """Whether it has the facts of this journal; reads that to where the store is."""
        if not 0 < store.seq <= self._wish or store.format != FORMAT:
            return False
        mark = None
        for _, mark, _ in reading.entries(store.seq):  # noqa: B007 - that of the last
            pass
        return mark == store.mark(store.seq)

    def _until_closing(self, reading: Reading) -> Iterator[Entry]:
        for entry in reading.entries(self._wish):
            if self._closing:
                raise InterruptedError("the server is stopping")
            yield entry


class Reading:
    """The journal as far as it was read."""

    def __init__(self, path: Path):
        self.path = path
        self._ledger = Ledger()
        self._offset = 0

    @property
    def seq(self) -> int:
        """The last record that was read."""
        return self._ledger.seq

    def entries(self, until: float = math.inf) -> Iterator[Entry]:
        """The records after it, up to record `until`; JournalDamaged where the file is."""
        if self.seq < until:
            for record, mark, end in read_records(self.path, self.seq, self._offset):
                self._offset = end
                yield record, mark, self._ledger.take(record)
                if self.seq >= until:
                    return


def rebuild(folder: Path, entries: Iterable[Entry]) -> None:
    """Make the store from all records and put it in the place of what is there."""
    new, old = (folder.with_name(f".{folder.name}.{word}") for word in ("new", "old"))
    for leftover in (new, old):
        _remove(leftover)
    LessonStore.build(new, entries)
    if folder.exists():
        folder.rename(old)
    new.rename(folder)
    _remove(old)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _of_the_store(error: BaseException) -> bool:
    """Whether an error is the store's: of its disk, of what it found there, or a panic, which comes as an exception of its own."""
    return isinstance(error, OSError) or type(error) is RuntimeError or type(error).__name__ == "PanicException"
