"""What was taught to one model, as a set for another: from the journal alone."""

import orjson
import pytest

from engine.export_lessons import main
from engine.journal import Journal
from models.dataset import read
from models.role import G1_ROLES

BASE = {"kind": "base", "roles": G1_ROLES.describe()}


def lesson(number, text):
    messages = [{"role": "user", "text": f"Question {number}?", "no_loss": True}, {"role": "assistant", "text": text, "rejected": "No."}]
    return {"kind": "lesson", "id": f"lesson-{number}", "version": number, "source": {"messages": messages}}


@pytest.fixture
def write(tmp_path):
    """Write a journal, have its lessons exported, and read them again: the texts of the answers."""

    def write(*records):
        journal = Journal(tmp_path / "journal")
        for record in records:
            journal.append(record)
        journal.close()
        assert main([str(tmp_path), str(tmp_path / "set.jsonl")]) == 0
        found = read((tmp_path / "set.jsonl").read_bytes(), "set.jsonl")
        assert not found.problems
        return [each.text or each.messages[-1].text for each in found.lessons]

    return write


def test_what_is_in_the_weights_in_the_order_it_was_taught(write):
    undone = {"kind": "undo", "lesson": "lesson-2", "version": 4}
    text = {"kind": "lesson", "id": "lesson-5", "version": 5, "source": {"text": "A line of text."}}
    assert write(BASE, lesson(1, "one"), lesson(2, "two"), {"kind": "turn"}, lesson(3, "three"), undone, text) == ["one", "three", "A line of text."]


def test_what_was_gone_back_from_is_not_among_them_and_what_was_taught_again_stands_once(write):
    back = {"kind": "rollback", "to": 3, "version": 2}
    again = lesson(1, "one") | {"id": "lesson-9", "version": 4}
    assert write(BASE, lesson(1, "one"), lesson(2, "two"), lesson(3, "three"), back, again) == ["two", "one"]


def test_what_cannot_be_done_is_said_in_one_sentence(tmp_path, capsys):
    assert main([str(tmp_path), str(tmp_path / "set.jsonl")]) == 2
    assert capsys.readouterr().err == f"export_lessons: {tmp_path / 'journal'}: No such file or directory\n"
    (tmp_path / "journal").write_bytes(b"")
    assert main([str(tmp_path), str(tmp_path / "set.jsonl")]) == 2 and "nothing was taught" in capsys.readouterr().err
    (tmp_path / "there.jsonl").write_bytes(orjson.dumps({}))
    assert main([str(tmp_path), str(tmp_path / "there.jsonl")]) == 2 and "of this name already" in capsys.readouterr().err
