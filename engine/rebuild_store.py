"""python -m engine.rebuild_store [--data DIR]: make the lesson store again from the journal, while no server runs there."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from engine.data_lock import DataLock
from engine.store_follower import Reading, rebuild

STORE = "store"


def rebuild_store(data: Path) -> tuple[int, float]:
    """Make the store under a data folder; returns how many transactions it has, and the seconds it took.

    ValueError in one sentence where there is no journal, it is damaged, or a server holds the folder."""
    journal = data / "journal"
    if not journal.is_file():
        raise ValueError(f"{journal}: there is no journal here; name the folder with --data")
    lock = DataLock(data)
    try:
        began, reading = time.perf_counter(), Reading(journal)
        rebuild(data / STORE, reading.entries())
        return reading.seq, time.perf_counter() - began
    finally:
        lock.release()


def main() -> int:
    """Exit status 2 with one sentence where it cannot be done."""
    parser = argparse.ArgumentParser(prog="python -m engine.rebuild_store", description="make the lesson store again from the journal")
    parser.add_argument("--data", type=Path, default=Path("data"), help="the server's data folder (default: data)")
    try:
        data = parser.parse_args().data
        transactions, seconds = rebuild_store(data)
    except (ValueError, OSError) as error:
        print(f"rebuild_store: {error}", file=sys.stderr)
        return 2
    print(f"{data / STORE}: {transactions} transactions in {seconds:.1f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
