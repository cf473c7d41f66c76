"""SPARQL for anyone: it reads, it reaches nothing else, it ends in time, and nothing of it stays."""

import os
import socket
import subprocess
import sys
import threading
import time

import orjson
import psutil
import pytest

from models.store import LessonStore
from models.store_query import AT_ONCE, QueriesBusy, QueryRefused, StoreQueries
from models.store_reader import MEMORY
from tests.models.course import course, entries

ENDLESS = "ASK { ?a ?b ?c . ?d ?e ?f . ?g ?h ?i . ?j ?k ?l FILTER(CONCAT(STR(?a), STR(?d), STR(?g), STR(?j)) = 'none') }"
UNTIMED = 600
"""Seconds that no query here takes, however busy the machine is: what ends one is what its test is about."""


@pytest.fixture
def store(tmp_path):
    store = LessonStore(tmp_path / "store")
    store.add(entries(course(3, 60)))
    return store


@pytest.fixture
def queries(tmp_path):
    queries = StoreQueries(tmp_path / "read", seconds=UNTIMED, bytes=100_000)
    yield queries
    queries.close()
    assert not (tmp_path / "read").exists()


def children():
    """The processes that answer queries; other tests may have left others."""
    alive = [c for c in psutil.Process().children(recursive=True) if c.status() != psutil.STATUS_ZOMBIE]
    return [c for c in alive if any(word.endswith("store_reader.py") for word in c.cmdline())]


def test_the_answers_are_those_of_the_standard(store, queries):
    kind, body = queries.run(store, 'SELECT ?n WHERE { tx:1 o:seq ?n ; o:kind "base" }')
    assert kind == "application/sparql-results+json"
    assert orjson.loads(body) == {"head": {"vars": ["n"]}, "results": {"bindings": [{"n": {"type": "literal", "value": "1", "datatype": "http://www.w3.org/2001/XMLSchema#integer"}}]}}
    assert orjson.loads(queries.run(store, "ASK { tx:1 o:seq 1 }")[1]) == {"head": {}, "boolean": True}
    kind, body = queries.run(store, "CONSTRUCT { ?t o:seq ?n } WHERE { GRAPH tx:2 { ?t o:seq ?n } }")
    assert (kind, body) == ("application/n-triples", b'<urn:ouroboros:tx:2> <urn:ouroboros:seq> "2"^^<http://www.w3.org/2001/XMLSchema#integer> .\n')
    assert queries.run(store, "DESCRIBE tx:2", "text/turtle")[0] == "text/turtle" and b"urn:ouroboros:tx:2" in queries.run(store, "DESCRIBE tx:2", "text/turtle")[1]
    assert len(children()) == 1, "one process is kept and used again"


def test_what_was_added_is_there_in_the_next_answer(store, queries):
    more = entries(course(3, 70))[60:]
    for added in (more[:1], more[1:]):
        store.add(added)
        assert orjson.loads(queries.run(store, f"ASK {{ tx:{store.seq} o:kind ?k }}")[1])["boolean"]


@pytest.mark.parametrize("query", [
    "INSERT DATA { tx:1 o:seq 2 }", "DELETE WHERE { ?a ?b ?c }", "LOAD <http://127.0.0.1/>", "CLEAR ALL", "DROP GRAPH tx:1",
    "SELECT * {", "", "SELECT * { ?a none:b ?c }", "ASK {}; DELETE WHERE { ?a ?b ?c }"])
def test_what_is_no_query_is_refused_in_one_line_and_changes_nothing(store, queries, query):
    before = set(store._store)
    with pytest.raises(QueryRefused, match="^query: ") as refused:
        queries.run(store, query)
    assert refused.value.code == "query" and "\n" not in str(refused.value) and set(store._store) == before


@pytest.mark.parametrize("query", [
    "SELECT * { SERVICE <URL> { ?a ?b ?c } }", "select*{service<URL>{?a ?b ?c}}", "SELECT * { SERVICE\n SILENT #x\n <URL> { ?a ?b ?c } }",
    "SELECT * { BIND(<URL> AS ?s) SERVICE ?s { ?a ?b ?c } }", "SELECT * { SERVICE$s { ?a ?b ?c } VALUES $s { <URL> } }",
    "PREFIX x: <URL> SELECT * { SERVICE x: { ?a ?b ?c } }", "PREFIX : <URL> SELECT * { SERVICE SILENT : { ?a ?b ?c } }",
    "SELECT * { { SELECT * { ?a o:seq 1SERVICE <URL> { ?a ?b ?c } } } }", "SELECT * { ?a o:seq 1 .SERVICE#\n#<\n<URL> { ?a ?b ?c } }",
    'SELECT * { ?a o:kind ?b FILTER(?a<?b#c>"""\n) ?s <http://e#x> ?o . SERVICE <URL> { ?a ?b ?c } #"""\n}', "SELECT * { ?a o:x\\#b ?c SERVICE <URL> {} }"])
def test_no_other_server_is_ever_asked(store, queries, query):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        other.setblocking(False)
        with pytest.raises(QueryRefused, match="SERVICE is not allowed"):
            queries.run(store, query.replace("URL", f"http://127.0.0.1:{other.getsockname()[1]}/"))
        with pytest.raises(BlockingIOError):
            other.accept()


@pytest.mark.parametrize("query", ['ASK { ?m o:text ?t FILTER(CONTAINS(?t, "service")) }', "SELECT ?service { ?service o:seq ?n }", "SELECT ?s { ?s o:service ?n }", "ASK {} # service"])
def test_the_word_alone_is_no_offence(store, queries, query):
    assert queries.run(store, query)


def test_a_query_without_end_is_ended_while_others_go_on(store, queries):
    queries.seconds = 1.0
    asked, ended = time.monotonic(), []

    def endless():
        with pytest.raises(QueryRefused, match=r"^query: it took longer than 1 s and was stopped$") as refused:
            queries.run(store, ENDLESS)
        ended.append((time.monotonic() - asked, refused.value.code))

    waiting = threading.Thread(target=endless)
    waiting.start()
    assert queries.run(store, "ASK { tx:1 o:seq 1 }"), "another query beside it"
    seen = len(list(store.select("SELECT * { ?t a o:Transaction }")))
    assert not ended and seen == 60
    waiting.join()
    assert ended[0][1] == "time" and ended[0][0] > 0.9
    assert len(children()) == 1 and queries.run(store, "ASK {}")


def test_a_query_ends_even_if_the_one_who_asked_is_gone(store, tmp_path):
    store.snapshot(tmp_path / "copy")
    asker = f"""if 1:
        import sys; from pathlib import Path; from models.store import LessonStore; from models.store_query import StoreQueries
        queries = StoreQueries(Path({str(tmp_path / "read")!r}), seconds=2)
        store = LessonStore(Path({str(tmp_path / "copy")!r}))
        queries.run(store, "ASK {{}}")
        print(queries._idle[0]._process.pid, flush=True)
        queries.run(store, {ENDLESS!r})"""
    process = subprocess.Popen([sys.executable, "-c", asker], stdout=subprocess.PIPE, text=True)
    reader = psutil.Process(int(process.stdout.readline()))
    process.kill()
    process.wait()
    process.stdout.close()
    psutil.wait_procs([reader], timeout=20)
    assert not reader.is_running() or reader.status() == psutil.STATUS_ZOMBIE


def test_an_answer_without_end_is_refused(store, queries):
    with pytest.raises(QueryRefused, match="longer than 100000 bytes; add a LIMIT") as refused:
        queries.run(store, "SELECT * { ?a ?b ?c . ?d ?e ?f }")
    assert refused.value.code == "long"
    with pytest.raises(QueryRefused, match="longer than 100000 bytes; add a LIMIT"):
        queries.run(store, "CONSTRUCT { ?a ?e ?c } { ?a ?b ?c . ?d ?e ?f . ?g ?h ?i }")
    with pytest.raises(QueryRefused, match="nested too deep|^query: "):
        queries.run(store, "ASK " + "{" * 200_000 + "}" * 200_000)
    assert queries.run(store, "ASK {}")


def test_a_query_that_eats_memory_is_ended_when_it_has_had_its_share(store, tmp_path):
    store.snapshot(tmp_path / "copy")
    asker = f"""if 1:
        import resource; from pathlib import Path; from models.store import LessonStore; from models.store_query import QueryRefused, StoreQueries
        queries = StoreQueries(Path({str(tmp_path / "read")!r}), seconds={UNTIMED})
        try:
            queries.run(LessonStore(Path({str(tmp_path / "copy")!r})), "SELECT * {{ ?a ?b ?c . ?d ?e ?f . ?g ?h ?i }} ORDER BY ?g ?a")
        except QueryRefused as refused:
            print(refused.code, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024)
        queries.close()"""
    told = subprocess.run([sys.executable, "-c", asker], stdout=subprocess.PIPE, text=True, check=True).stdout.split()
    assert told[0] == "memory" and 0.5 * MEMORY < int(told[1]) < 1.2 * MEMORY, told


def test_more_at_once_than_allowed_wait_and_are_told(store, queries):
    queries.seconds = 0.5
    told = []

    def ask():
        with pytest.raises((QueryRefused, QueriesBusy)) as refused:
            queries.run(store, ENDLESS)
        told.append(type(refused.value))

    threads = [threading.Thread(target=ask) for _ in range(AT_ONCE + 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(told) == AT_ONCE + 2 and QueryRefused in told
    queries.seconds = UNTIMED
    assert queries.run(store, "ASK {}")


def test_a_process_that_died_between_two_queries_is_replaced(store, queries):
    queries.run(store, "ASK {}")
    process = children()[0]
    os.kill(process.pid, 9)
    psutil.wait_procs([process], timeout=20)
    assert queries.run(store, "ASK {}") and os.listdir(queries._folder)
