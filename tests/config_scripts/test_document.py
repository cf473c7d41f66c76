"""docs/config.md is what the schema says today, and every word in it is there for a key."""

from config_scripts import document
from config_scripts.schema import fields


def test_the_page_is_up_to_date():
    assert document.PAGE.read_text(encoding="utf-8") == document.render(), "stale: run python -m config_scripts.document"


def test_every_key_has_a_row_with_its_meaning():
    rows = [line for line in document.render().splitlines() if line.startswith("| `")]
    assert len(rows) == len(fields())
    for row, (key, field) in zip(rows, fields().items(), strict=True):
        assert row.startswith(f"| `{key.rpartition('.')[2]}` |") and field.description in row


def test_a_bar_in_a_text_does_not_end_a_cell():
    assert document.cell("a | b") == "a \\| b"


def test_main_writes_the_page(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(document, "PAGE", tmp_path / "config.md")
    document.main()
    assert (tmp_path / "config.md").read_text(encoding="utf-8") == document.render()
    assert capsys.readouterr().out.strip() == str(tmp_path / "config.md")
