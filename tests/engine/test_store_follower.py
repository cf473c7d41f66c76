"""The lesson store beside a server: it has what the journal has, whatever ends, breaks or is put in its place."""

import logging
import random
import shutil
import signal
import subprocess
import sys
import time

import pytest

from engine import store_follower
from engine.data_lock import DataLock
from engine.errors import BadRequest, Busy, NotFound
from engine.journal import Journal, JournalDamaged, read_records
from engine.rebuild_store import rebuild_store
from engine.store_follower import StoreFollower
from models.store import LessonStore
from models.store_history import history
from models.store_lessons import lessons
from tests.models.course import course, entries, write

LONG = 20


@pytest.fixture
def journal(tmp_path):
    """A journal of 60 records, as lines, and its records."""
    records = course(5, 60)
    write(tmp_path / "journal", records)
    return records


@pytest.fixture
def follow(tmp_path):
    made = []

    def start(seq, folder=tmp_path / "store"):
        made.append(StoreFollower(tmp_path / "journal", folder, seq))
        return made[-1]

    yield start
    for follower in made:
        follower.close()


def everything(store):
    return {str(q) for q in store._store}


def whole(tmp_path, records):
    LessonStore.build(tmp_path / "whole", entries(records))
    return everything(LessonStore(tmp_path / "whole"))


def had(follower, seq):
    assert follower.caught_up(seq, LONG)
    return follower.read(everything)


def test_it_has_what_the_journal_has_and_no_more_than_it_was_told_of(tmp_path, journal, follow):
    follower = follow(10)
    assert follower.caught_up(10, LONG) and follower.read(lambda s: s.seq) == 10 and not follower.caught_up(11, 0)
    for seq in (11, 40, 40, 12, 60):
        follower.appended(seq)
        assert follower.caught_up(seq, LONG)
    assert follower.read(everything) == whole(tmp_path, journal)


def test_it_follows_a_journal_that_is_being_written(tmp_path, follow):
    journal = Journal(tmp_path / "journal")
    journal.append({"kind": "base", "time": 1.0})
    follower = follow(1)
    for record in course(8, 30)[1:]:
        kept = journal.append({k: v for k, v in record.items() if k != "seq"})
        follower.appended(kept["seq"])
        if kept.get("kind") == "lesson" and "source" in kept:
            assert follower.caught_up(kept["seq"], LONG) and follower.read(lessons)[0]["lesson"] == kept["id"]
    journal.close()
    assert had(follower, 30) == whole(tmp_path, [record for record, *_ in read_records(tmp_path / "journal")])


def test_it_goes_on_where_it_was_and_writes_nothing_twice(tmp_path, journal, follow, caplog):
    follow(25).close()
    first = follow(40)
    assert first.caught_up(40, LONG)
    first.close()
    caplog.set_level(logging.INFO)
    second = follow(60)
    assert had(second, 60) == whole(tmp_path, journal) and "made from the journal" not in caplog.text


PROGRAM = """if 1:
    import sys
    from pathlib import Path
    from engine.store_follower import StoreFollower
    data, seq, last, step = Path(sys.argv[1]), *map(int, sys.argv[2:])
    follower = StoreFollower(data / "journal", data / "store", seq)
    while seq < last:
        follower.caught_up(seq, 60)
        print(seq, flush=True)
        seq = min(seq + step, last)
        follower.appended(seq)
    follower.caught_up(seq, 60)
    print(seq, flush=True)
    sys.stdin.read()"""


def test_killed_again_and_again_it_loses_and_doubles_nothing(tmp_path, follow):
    records, chance, seen = course(6, 400), random.Random(4), 1
    write(tmp_path / "journal", records)
    while seen < 330:
        arguments = [sys.executable, "-c", PROGRAM, str(tmp_path), str(seen), "400", str(chance.randint(1, 3))]
        process = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(chance.randint(20, 60)):
            line = process.stdout.readline()
            seen = int(line)
            if seen == 400:
                break
        process.send_signal(signal.SIGKILL)
        process.communicate()
        store = LessonStore(tmp_path / "store")
        assert store.seq >= seen, "what could be asked for before is there after"
        assert everything(store) == whole(tmp_path, records[: store.seq])
        shutil.rmtree(tmp_path / "whole")
        del store
    assert had(follow(400), 400) == whole(tmp_path, records)


def spoil_current(folder):
    (folder / "CURRENT").write_bytes(b"nonsense")


def spoil_tables(folder):
    for table in [*folder.glob("*.sst"), *folder.glob("*.log")]:
        data = bytearray(table.read_bytes())
        data[: len(data) // 2] = bytes(len(data) // 2)
        table.write_bytes(data)


def spoil_all(folder):
    shutil.rmtree(folder)
    folder.write_text("a file")


@pytest.mark.parametrize("spoil", [spoil_current, spoil_tables, spoil_all, lambda f: [x.unlink() for x in f.iterdir()]])
def test_a_store_that_cannot_be_opened_is_made_again(tmp_path, journal, follow, caplog, spoil):
    first = follow(60)
    assert first.caught_up(60, LONG)
    first.close()
    spoil(tmp_path / "store")
    caplog.set_level(logging.INFO)
    assert had(follow(60), 60) == whole(tmp_path, journal)
    told = [r for r in caplog.records if r.name == "ouroboros.store"]
    assert len(told) == 1 and "is made from the journal" in told[0].getMessage() and "\n" not in told[0].getMessage()
    assert sorted(p.name for p in tmp_path.iterdir() if "store" in p.name) == [".store.read", "store"]


def test_a_store_of_another_journal_or_of_more_than_there_is_is_made_again(tmp_path, journal, follow):
    for records in (course(6, 60), course(5, 30)):
        first = follow(60)
        assert first.caught_up(60, LONG)
        first.close()
        write(tmp_path / "journal", records)
        other = follow(len(records))
        assert had(other, len(records)) == whole(tmp_path, records)
        other.close()
        shutil.rmtree(tmp_path / "whole")
        write(tmp_path / "journal", journal)


def test_damage_that_a_question_meets_is_told_and_mended(tmp_path, journal, follow, caplog):
    follower = follow(60)
    before = had(follower, 60)

    def broken(store):
        raise OSError("Corruption: block checksum mismatch")

    with pytest.raises(Busy, match="being made from the journal"):
        follower.read(broken)
    assert had(follower, 60) == before and caplog.text.count("cannot be read (Corruption") == 1
    assert follower.query("ASK {}")[1] and "stands still" not in caplog.text


def test_a_disk_that_refuses_for_a_while_loses_nothing(tmp_path, journal, follow, monkeypatch, caplog):
    monkeypatch.setattr(store_follower, "PATIENCE", (0.01, 0.02))
    refusals, add = [28, 28, 28], LessonStore.add

    def refusing(store, batch):
        if refusals:
            raise OSError(refusals.pop(), "No space left on device")
        add(store, batch)

    follower = follow(20)
    assert follower.caught_up(20, LONG)
    monkeypatch.setattr(LessonStore, "add", refusing)
    follower.appended(60)
    assert had(follower, 60) == whole(tmp_path, journal) and "No space left" in caplog.text


def test_where_there_is_no_place_for_a_store_the_server_goes_on(tmp_path, journal, monkeypatch, caplog):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(LessonStore, "build", full)
    follower = StoreFollower(tmp_path / "journal", tmp_path / "store", 60)
    assert not follower.caught_up(60, 0.05)
    with pytest.raises(Busy):
        follower.read(lessons)
    began = time.monotonic()
    follower.close()
    assert time.monotonic() - began < 10 and "No space left" in caplog.text


def test_what_was_asked_wrongly_is_a_refusal_of_the_engine(tmp_path, journal, follow):
    follower = follow(60)
    assert follower.caught_up(60, LONG)
    with pytest.raises(BadRequest) as wrong:
        follower.read(lambda s: lessons(s, state="new"))
    assert wrong.value.param == "state"
    with pytest.raises(BadRequest) as wrong:
        follower.query("SELECT")
    assert (wrong.value.param, wrong.value.code) == ("query", "query_query")
    with pytest.raises(NotFound, match="no lesson none"):
        follower.read(lambda s: history(s, lesson="none"))
    with pytest.raises(KeyError):
        follower.read(lambda s: {}["a fault of ours"])


def test_reading_along_passes_over_a_line_that_is_being_written(tmp_path, journal):
    path = tmp_path / "journal"
    lines = path.read_bytes().splitlines(keepends=True)
    for cut in (1, 9, len(lines[5]) - 1):
        path.write_bytes(b"".join(lines[:5]) + lines[5][:cut])
        found = list(read_records(path))
        assert [r for r, *_ in found] == journal[:5]
        path.write_bytes(b"".join(lines))
        assert [r for r, *_ in read_records(path, 5, found[-1][2])] == journal[5:]
    path.write_bytes(b"".join([*lines[:5], lines[5].replace(b"e", b"f"), *lines[6:]]))
    with pytest.raises(JournalDamaged, match="line 6 does not match"):
        list(read_records(path))


def rebuild_command(data):
    return subprocess.run([sys.executable, "-m", "engine.rebuild_store", "--data", str(data)], capture_output=True, text=True)


def test_the_command_makes_the_store_from_the_journal(tmp_path, journal):
    done = rebuild_command(tmp_path)
    assert done.returncode == 0 and "store: 60 transactions in " in done.stdout
    assert everything(LessonStore(tmp_path / "store")) == whole(tmp_path, journal)
    assert rebuild_store(tmp_path)[0] == 60


def test_the_command_refuses_in_a_sentence(tmp_path, journal):
    lock = DataLock(tmp_path)
    assert "in use by another server" in (refused := rebuild_command(tmp_path)).stderr and refused.returncode == 2 and refused.stderr.count("\n") == 1
    lock.release()
    data = bytearray((tmp_path / "journal").read_bytes())
    data[1000] ^= 4
    (tmp_path / "journal").write_bytes(data)
    assert "does not match its checksum" in (refused := rebuild_command(tmp_path)).stderr and refused.returncode == 2 and refused.stderr.count("\n") == 1
    assert "there is no journal here" in (refused := rebuild_command(tmp_path / "none")).stderr and refused.returncode == 2
    assert not (tmp_path / "store").exists()
