"""The API's description says what the routes do, docs/api.md is up to date, and the metrics are what Prometheus reads."""

import html.parser
import itertools

import jsonschema_rs
import pytest
from prometheus_client.parser import text_string_to_metric_families
from pydantic import ValidationError

from server import api_page, openapi
from server.bodies import Sourced, TrainBody
from server.metrics import FIGURES
from server.routes import ROUTES


def test_the_page_is_up_to_date():
    assert api_page.PAGE.read_text(encoding="utf-8") == api_page.render(), "stale: run python -m server.api_page"


def test_every_route_and_every_field_is_on_the_page(server):
    page = api_page.PAGE.read_text(encoding="utf-8")
    described = server.get("/openapi.json").json()
    assert described == openapi.describe(ROUTES)
    for route in ROUTES:
        path = route.path.replace("<name>", "{name}")
        said = described["paths"][path][route.method.lower()]
        assert f"## {route.method} {path}\n" in page and route.answer and said["responses"]["200"]["description"] == route.answer
        section = page.split(f"## {route.method} {path}\n")[1].split("\n## ")[0]
        for name, field in (route.body.model_fields if route.body else {}).items():
            assert f"| `{field.alias or name}` |" in section, (path, name)
        assert (said.get("security") == []) == route.everyone


def test_what_the_description_allows_is_what_is_checked(server):
    """The schema of each body in the description is the one of the model that checks it."""
    schemas = server.get("/openapi.json").json()["components"]["schemas"]
    for route in ROUTES:
        if route.body:
            alone = route.body.model_json_schema(by_alias=True, ref_template=openapi.REF)
            assert schemas[route.body.__name__] == {name: part for name, part in alone.items() if name != "$defs"}


class Titles(html.parser.HTMLParser):
    """Headings, and what a page would load from elsewhere."""

    def __init__(self):
        super().__init__()
        self.open, self.titles, self.loads = False, [], []

    def handle_starttag(self, tag, attrs):
        self.open = tag == "h2"
        self.loads += [value for name, value in attrs if name in ("src", "href")]

    def handle_data(self, data):
        if self.open:
            self.titles.append(data)
            self.open = False


def test_the_page_in_a_browser_shows_it_and_needs_nothing_else(server):
    page = Titles()
    page.feed(server.get("/docs").text)
    assert {f"{r.method} {r.path.replace('<name>', '{name}')}" for r in ROUTES} <= set(page.titles) and page.loads == []


def scrape(server):
    return {family.name: family for family in text_string_to_metric_families(server.get("/metrics").text)}


def test_metrics_are_counted_and_documented(make_server):
    server = make_server()
    server.get("/health")
    server.http.request("BREW", server.url + "/nowhere/at/all")
    assert server.post("/infer", {"text": "x"}).status_code == 200
    assert server.post("/infer", {"temperature": 99}).status_code == 400
    server.get("/weights")  # on the same connection: what was before it is counted
    found = scrape(server)
    page = api_page.PAGE.read_text(encoding="utf-8")
    for family in found.values():
        if not family.name.endswith("_created"):
            assert f"| `{family.name}` | {family.type} | {family.documentation} |" in page
    requests = {tuple(s.labels.values()): s.value for s in found["ouroboros_requests"].samples if s.name.endswith("_total")}
    assert requests[("GET", "/health", "200")] == 1 and requests[("-", "-", "404")] == 1
    assert requests[("POST", "/infer", "200")] == requests[("POST", "/infer", "400")] == 1
    figures = server.engine.figures()
    for name in FIGURES:
        assert found[f"ouroboros_{name}"].samples[0].value == figures[name]
    counts = [s.value for s in found["ouroboros_request_seconds"].samples if s.name.endswith("_count") and s.labels["route"] == "/infer"]
    assert counts == [2]


def test_a_loss_that_is_not_there_yet_is_no_number(make_server, monkeypatch):
    server = make_server()
    figures = server.engine.figures()
    monkeypatch.setattr(server.engine, "figures", lambda: figures | {"last_loss": None})
    assert scrape(server)["ouroboros_last_loss"].samples[0].value != scrape(server)["ouroboros_last_loss"].samples[0].value


@pytest.mark.parametrize("body", [route.body for route in ROUTES if route.body and issubclass(route.body, Sourced)])
def test_exactly_one_way_is_asked_for_in_the_description_as_in_the_sentence(body):
    """Of every choice of ways that are given, null or absent, the schema takes what the model takes."""
    schema = body.model_json_schema(by_alias=True)
    named = {"messages": [{"role": "user", "text": "x"}], "lessons": [{"messages": [{"role": "user", "text": "x"}]}], "text": "x",
             "tokens": [[1]] if body is TrainBody else [1], "path": "a.org", "content": "x", "resume": "run-1"}
    validator = jsonschema_rs.validator_for(schema)
    for given in itertools.product([..., None, True], repeat=len(body.ways)):
        value = {way: named[way] if what else None for way, what in zip(body.ways, given, strict=True) if what is not ...}
        if value.get("content"):
            value["name"] = "set"
        try:
            taken = bool(body.model_validate(value))
        except ValidationError:
            taken = False
        assert taken == validator.is_valid(value) == (given.count(True) == 1), value
