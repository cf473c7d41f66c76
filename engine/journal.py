"""The journal: every lesson, in order, on disk before it is acknowledged. Base checkpoint + journal = the model.

It also tells what no weight depends on (TOLD): who said what, what was measured, what was saved. Those records are for the
lesson store, and are not kept in memory.

A line is `CRC32 JSON\n`, the checksum in eight hex digits over the JSON's bytes. A line is whole or it is not there:
a torn last line (power went while it was written, so nobody was told that it counts) is cut off and named; any other
line that does not match its checksum is damage, and is refused and named.
"""

from __future__ import annotations

import contextlib
import logging
import os
import zlib
from bisect import bisect_left
from collections.abc import Callable, Iterator
from pathlib import Path

import orjson

from engine.atomic import sync, write_file
from engine.disk import disk_error

log = logging.getLogger("ouroboros.journal")
TOLD = frozenset({"turn", "correction", "branch", "rename", "forget", "checkpoint", "review"})


class JournalDamaged(ValueError):
    """The journal cannot be trusted; the text names file, line and what to do."""


class Journal:
    """An append-only file of records. Each has a `seq`, counted from 1 without gaps.

    `records` are those that are not only TOLD. `followers` are told each record that is on the disk; they neither wait nor raise.
    """

    def __init__(self, path: Path):
        self.path = path
        self.followers: list[Callable[[dict], None]] = []
        self._marks: list[int] = []
        self._torn = path.with_name(f"{path.name}.torn")
        self._torn.with_name(f".{self._torn.name}.new").unlink(missing_ok=True)
        self.records: list[dict] = [record for record in self._read() if record["kind"] not in TOLD]
        # Unbuffered: what could not be written must not come back by itself later.
        self._file = open(path, "ab", buffering=0)  # noqa: SIM115 - open for the life of the process
        self._size = path.stat().st_size
        self._whole = True
        sync(path.parent)

    @property
    def seq(self) -> int:
        """The number of the last record; 0 while there is none."""
        return len(self._marks)

    def find(self, seq: int) -> dict:
        """Record `seq`, which must be one of `records`."""
        return self.records[bisect_left(self.records, seq, key=lambda record: record["seq"])]

    def mark(self, seq: int) -> int:
        """The checksum of record `seq`: whoever kept it can tell whether this is still the journal that he knew."""
        return self._marks[seq - 1]

    def append(self, record: dict) -> dict:
        """Write one record and return it with its `seq`. When this returns, the record is on the disk.

        EngineError where the disk refuses; nothing of the record is then in the file, or the next `append` takes it out first.
        """
        record = {"seq": self.seq + 1, **record}
        body = orjson.dumps(record)
        mark = zlib.crc32(body)
        line = memoryview(b"%08x %s\n" % (mark, body))
        try:
            self._cut()
            self._whole = False
            written = 0
            while written < len(line):
                written += self._file.write(line[written:])
            os.fsync(self._file.fileno())
        except OSError as error:
            with contextlib.suppress(OSError):
                self._cut()
            raise disk_error("the journal", error, self.path.parent, len(line)) from error
        self._whole = True
        self._size += len(line)
        self._marks.append(mark)
        if record["kind"] not in TOLD:
            self.records.append(record)
        for follower in self.followers:
            follower(record)
        return record

    def close(self) -> None:
        """Release the file."""
        self._file.close()

    def _cut(self) -> None:
        """Take back a record that was not written to its end, so that the next one begins on a line of its own."""
        if not self._whole:
            os.ftruncate(self._file.fileno(), self._size)
            os.fsync(self._file.fileno())
            self._whole = True

    def _read(self) -> Iterator[dict]:
        if not self.path.exists():
            self.path.touch(mode=0o600)
            return
        data = self.path.read_bytes()
        start = number = 0
        while start < len(data):
            number += 1
            end = data.find(b"\n", start)
            record = None if end < 0 else _parse(data[start:end])
            if record is not None and record.get("seq") == number:
                self._marks.append(int(data[start : start + 8], 16))
                yield record
                start = end + 1
                continue
            if _torn(data[start:]):
                try:
                    write_file(self._torn, data[start:])  # kept, in case it was damaged and not torn
                except OSError as error:
                    raise disk_error(f"{self._torn}, for what is cut off the end of the journal,", error, self.path.parent,
                                     len(data) - start) from error
                log.warning("journal=%s line=%d cut=%d bytes, kept in %s: the last record was never finished, nobody was told it counts",
                            self.path, number, len(data) - start, self._torn)
                with open(self.path, "r+b") as file:
                    file.truncate(start)
                    os.fsync(file.fileno())
                return
            raise JournalDamaged(f"{self.path}: line {number} does not match its checksum; restore the file from a copy, "
                                 f"or cut it before that line to keep the {number - 1} lessons and events ahead of it")


def read_records(path: Path, after: int = 0, offset: int = 0) -> Iterator[tuple[dict, int, int]]:
    """The records after record `after`, whose line ends at byte `offset`: each with its checksum and the byte at which its line ends.

    For those who read along while another writes. Ends before a line that is not whole (yet); JournalDamaged where more follows it.
    """
    with open(path, "rb") as file:
        file.seek(offset)
        for number, line in enumerate(file, after + 1):
            record = _parse(line[:-1]) if line.endswith(b"\n") else None
            if record is None or record.get("seq") != number:
                if file.read(1):
                    raise JournalDamaged(f"{path}: line {number} does not match its checksum")
                return
            offset += len(line)
            yield record, int(line[:8], 16), offset


def _torn(tail: bytes) -> bool:
    """Whether the end of a journal was never finished: the end of its line is not there, or zeros are, which a file system puts where
    it had no time to put bytes. A line that is there to its end was acknowledged; so was one whose last byte alone is another."""
    return b"\0" in tail or (b"\n" not in tail and _parse(tail[:-1]) is None)


def _parse(line: bytes) -> dict | None:
    """The record of a line, or None where the line is not what was written."""
    checksum, _, body = line.partition(b" ")
    try:
        if int(checksum, 16) != zlib.crc32(body) or len(checksum) != 8:
            return None
        return orjson.loads(body)
    except ValueError:
        return None
