"""docs/store.md says what the store has, and its examples find it."""

import re
from pathlib import Path

import orjson
import pytest

from models.facts import BASE, PREFIXES, quads
from models.store import LessonStore
from models.store_query import StoreQueries
from tests.models.course import course, entries

PAGE = (Path(__file__).parent.parent / "docs" / "store.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"\n([^\n]+):\n\n```sparql\n(.*?)```", PAGE, re.DOTALL)
NOON = 1795532400.0  # 2026-11-24T15:00:00Z
TURN = {"session": "kitchen", "turn": 1}
RECORDS = [
    {"kind": "base"},
    {"kind": "turn", "id": "a1", **TURN, "messages": [{"role": "user", "text": "Cat?"}], "answer": "Tom", "versions": [0, 0], "finish_reason": "stop"},
    {"kind": "lesson", "id": "lesson-0123456789ab", "version": 1, "source": {"text": "x"}, "loss_before": 2.0, "loss_after": 0.5},
    {"kind": "lesson", "id": "lesson-b", "version": 2, **TURN, "rejected": "Tom", "source": {"messages": [{"role": "assistant", "text": "Wanda"}]}, "loss_before": 3.0, "loss_after": 0.1},
    {"kind": "correction", **TURN, "text": "Wanda", "was": "Tom", "lesson": "lesson-b"},
    {"kind": "review", "version": 2, "losses": {"lesson-0123456789ab": 0.75}},
    {"kind": "checkpoint", "name": "default", "folder": "default@00000006", "of": 6, "version": 2, "bytes": 1, "sha256": "s"},
    {"kind": "load", "checkpoint": "early@00000003", "version": 1},
    {"kind": "correction", **TURN, "text": "Rex", "was": "Wanda", "time": NOON + 9},
]
FOUND = {
    "Who corrected what": [("kitchen", "Tom", "Wanda", "lesson:lesson-b", 2, 3.0, 0.1)],
    "What the checkpoint": [("lesson:lesson-0123456789ab", 1), ("lesson:lesson-b", 2)],
    "What a turn showed": [("Wanda",)],
    "Lessons that are in": [("lesson:lesson-b", "2026-11-24T14:58:28Z")],
    "How the loss": [("2026-11-24T14:58:23Z", 0.5), ("2026-11-24T14:58:26Z", 0.75)],
}


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    store = LessonStore(tmp_path_factory.mktemp("page") / "store")
    store.add(entries([{"seq": seq, "time": NOON - 100 + seq, **r} for seq, r in enumerate(RECORDS, 1)]))
    return store


@pytest.fixture(scope="module")
def queries(tmp_path_factory):
    queries = StoreQueries(tmp_path_factory.mktemp("page") / "read")
    yield queries
    queries.close()


def plain(term):
    number = {"integer": int, "double": float}.get(term.get("datatype", "").rpartition("#")[2], str)
    return number(term["value"].removeprefix(BASE))


@pytest.mark.parametrize(("title", "query"), EXAMPLES, ids=[title[:20] for title, _ in EXAMPLES])
def test_an_example_finds_what_it_says(store, queries, title, query):
    kind, body = queries.run(store, query)
    if query.startswith("CONSTRUCT"):
        assert kind == "application/n-triples" and b"<urn:ouroboros:lesson:lesson-b> <urn:ouroboros:version>" in body and b"tx:3>" in body
        return
    answer = orjson.loads(body)
    rows = [tuple(plain(row[name]) for name in answer["head"]["vars"]) for row in answer["results"]["bindings"]]
    assert rows == next(found for start, found in FOUND.items() if title.startswith(start))


def test_every_class_and_property_is_told_with_its_class_and_no_other(tmp_path):
    store = LessonStore(tmp_path / "store")
    for seed in range(12):
        store._store.extend(q for e in entries(course(seed, 200)) for q in quads(*e))
    rows = store.select("SELECT DISTINCT ?class ?property { ?it a ?class ; ?property ?value FILTER(?property != rdf:type) }")
    used = {(row["class"].value.removeprefix(BASE), row["property"].value.removeprefix(BASE)) for row in rows}
    told = {(part.split("\n")[0], name) for part in re.split(r"\n### o:", PAGE)[1:]
            for row in re.findall(r"^\|([^|]*`o:[^|]*)\|", part.partition("\n## ")[0], re.M) for name in re.findall(r"`o:(\w+)`", row)}
    assert used == told


def test_every_prefix_is_told():
    assert set(re.findall(r"`([a-z]+):`", PAGE.partition("## Classes")[0])) >= set(PREFIXES) - {"xsd", "rdf"}
