"""The journal: what was acknowledged is there; a torn tail is cut, damage is refused."""

import pytest

from engine.data_lock import DataLock
from engine.errors import DiskFull
from engine.journal import Journal, JournalDamaged


def filled(path, count=5):
    journal = Journal(path)
    for i in range(count):
        journal.append({"kind": "lesson", "text": f"lesson {i} 猫"})
    journal.close()
    return path.read_bytes()


def texts(path):
    journal = Journal(path)
    journal.close()
    return [record["text"] for record in journal.records]


def test_records_come_back_in_order(tmp_path):
    filled(tmp_path / "journal")
    journal = Journal(tmp_path / "journal")
    assert [r["seq"] for r in journal.records] == [1, 2, 3, 4, 5]
    assert journal.append({"kind": "x", "text": "more"})["seq"] == 6
    journal.close()
    assert texts(tmp_path / "journal")[-1] == "more"


def test_a_tail_torn_at_any_byte_loses_only_the_unfinished_record(tmp_path, caplog):
    path = tmp_path / "journal"
    data = filled(path, 3)
    last = data.rindex(b"\n", 0, -1) + 1
    for cut in range(last, len(data)):
        path.write_bytes(data[:cut])
        assert len(texts(path)) == 2
        assert path.read_bytes() == data[:last]
    assert "never finished" in caplog.text


@pytest.mark.parametrize("where", [0.05, 0.3, 0.5, 0.7])
def test_a_flipped_bit_in_the_middle_is_refused_and_named(tmp_path, where):
    path = tmp_path / "journal"
    data = bytearray(filled(path))
    data[int(len(data) * where)] ^= 4
    path.write_bytes(data)
    with pytest.raises(JournalDamaged, match=r"line \d does not match its checksum"):
        Journal(path)
    assert path.read_bytes() == data


def test_a_write_that_the_disk_refuses_leaves_no_half_record(tmp_path, monkeypatch):
    path = tmp_path / "journal"
    filled(path, 2)
    journal = Journal(path)
    with monkeypatch.context() as m:
        m.setattr("engine.journal.os.fsync", lambda fd: (_ for _ in ()).throw(OSError(28, "No space left on device")))
        with pytest.raises(DiskFull, match="bytes are free and 49 bytes are needed"):
            journal.append({"kind": "lesson", "text": "lost"})
    journal.append({"kind": "lesson", "text": "kept"})
    journal.close()
    assert texts(path)[2:] == ["kept"]


def test_a_flipped_bit_in_the_last_line_takes_no_lesson_away(tmp_path):
    path = tmp_path / "journal"
    data = filled(path, 3)
    last = data.rindex(b"\n", 0, -1) + 1
    for place in (last, last + 9, len(data) - 3, len(data) - 1):
        spoilt = bytearray(data)
        spoilt[place] ^= 4
        path.write_bytes(spoilt)
        with pytest.raises(JournalDamaged, match="line 3 does not match its checksum"):
            Journal(path)
        assert path.read_bytes() == spoilt and not list(tmp_path.glob("*.torn"))


def test_a_tail_that_the_file_system_left_empty_is_torn(tmp_path):
    path = tmp_path / "journal"
    data = filled(path, 3)
    last = data.rindex(b"\n", 0, -1) + 1
    for tail in (data[last : last + 20] + bytes(20), bytes(12) + data[last + 12 :], bytes(4096), bytes(40) + b"\n" + bytes(40)):
        path.write_bytes(data[:last] + tail)
        assert len(texts(path)) == 2 and path.with_name("journal.torn").read_bytes() == tail


def test_a_torn_tail_that_cannot_be_kept_is_not_cut(tmp_path, monkeypatch):
    path = tmp_path / "journal"
    data = filled(path, 3)[:-9]
    path.write_bytes(data)
    with monkeypatch.context() as m:
        m.setattr("engine.atomic.os.fsync", lambda fd: (_ for _ in ()).throw(OSError(28, "No space left on device")))
        with pytest.raises(DiskFull, match=r"journal\.torn, for what is cut off the end of the journal, cannot be written: .* bytes are needed"):
            Journal(path)
    assert path.read_bytes() == data and len(texts(path)) == 2


def test_a_folder_that_cannot_be_written_in_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr("engine.data_lock.os.open", lambda *_: (_ for _ in ()).throw(OSError(30, "Read-only file system")))
    with pytest.raises(ValueError, match=f"{tmp_path} cannot be written in: Read-only file system; choose another folder with --data"):
        DataLock(tmp_path)
