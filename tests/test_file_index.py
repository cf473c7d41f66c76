"""The README has a line for every file, and it is the file's own."""

from pathlib import Path

from scripts import file_index


def test_the_list_is_up_to_date():
    text = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
    listed = text.partition(file_index.BEGIN)[2].partition(file_index.END)[0]
    assert listed == file_index.index(), "run: python -m scripts.file_index"


def test_every_file_says_what_it_is():
    assert [file for file in file_index.files() if not file_index.line(file)] == []
