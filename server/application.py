"""The WSGI application: bottle finds the route, the door lets in, a handler asks the engine, the answer is JSON or a stream."""

from __future__ import annotations

import functools
import re
import threading
from collections.abc import Callable, Iterable

import bottle
import orjson

from engine.errors import BadRequest
from engine.ticket import Ticket
from server import json_body, sse
from server.door import Door
from server.errors import Refusal, failure, status_line
from server.exchange import Exchange
from server.metrics import Metrics
from server.route import Call, Page, Route, Told
from server.routes import ROUTES
from server.sentences import given, validated


def build_app(engine, config, token: str, routes: tuple[Route, ...] = ROUTES) -> Application:
    """The application over an engine. `config.server` has host, max_body_mb and threads; `token` "" lets everyone in."""
    door = Door(config.server.host, token, int(config.server.max_body_mb * 2**20))
    return Application(engine, door, config.server.threads, routes)


class Application:
    """Serves a table of routes. At most `threads` requests wait for the engine at once."""

    def __init__(self, engine, door: Door, threads: int, routes: tuple[Route, ...]):
        self.engine = engine
        self.routes = routes
        self.metrics = Metrics(engine)
        self.door = door
        self.places = threading.BoundedSemaphore(threads)
        self.bottle = bottle.Bottle()
        self.bottle.config["catchall"] = False  # errors come to __call__, never to bottle's pages
        self.bottle.default_error_handler = no_route
        self.bottle.add_hook("before_request", self.enter)
        for route in routes:
            self.bottle.route(route.path, route.method, functools.partial(self.serve, route), line=route)

    def __call__(self, environ: dict, start_response: Callable) -> Iterable[bytes]:
        """Answer one request. Whatever is raised becomes an error object."""
        exchange = Exchange(environ, start_response, self.metrics)
        environ["server.exchange"] = exchange
        try:
            exchange.body = self.bottle(environ, exchange.start)
        except Exception as error:
            told = failure(error, exchange.id)
            exchange.code = told.code
            data = orjson.dumps(told.payload)
            headers = {**json_headers(data), **told.headers}
            exchange.start(status_line(told.status), list(headers.items()))
            exchange.body = [] if environ["REQUEST_METHOD"] == "HEAD" else [data]
        return exchange

    def enter(self) -> None:
        """Before any routing: the door. A path that does not exist is told only to those who may enter."""
        environ = bottle.request.environ
        exchange: Exchange = environ["server.exchange"]
        try:
            exchange.route = self.bottle.router.match(environ)[0].config["line"]
        except bottle.HTTPError:
            exchange.route = None
        known = exchange.route is not None
        self.door.admit(environ, known and exchange.route.everyone, known)

    def serve(self, route: Route, **names: str) -> bottle.HTTPResponse:
        """One admitted request of a route."""
        environ = bottle.request.environ
        exchange: Exchange = environ["server.exchange"]
        for field, value in names.items():
            if not re.fullmatch(route.names, value):
                raise BadRequest(f"{field} is {given(value)}, it must be a text matching {route.names}", field)
        body = self.body(route, environ) if route.body else self.query(route) if route.query else None
        if route.waits:
            exchange.take(self.places)
        answer = route.handler(self.engine, Call(body, names, self))
        if isinstance(answer, Ticket):
            answer = Told(answer)
        if isinstance(answer, Told):
            exchange.ticket = answer.ticket.id
            events = sse.watch(answer.ticket, environ["server.peer"])
            if getattr(body, "stream", False) or route.media == sse.MEDIA:
                pieces = sse.stream(sse.opening(events), events, exchange.id, answer.shape)
                return bottle.HTTPResponse(pieces, 200, sse.HEADERS)
            answer = answer.shape.fold(events)
        if not isinstance(answer, Page):
            answer = Page(route.media, answer.encode() if isinstance(answer, str) else orjson.dumps(answer))
        return bottle.HTTPResponse(answer.data, 200, json_headers(answer.data) | {"Content-Type": answer.media, **answer.headers})

    def query(self, route: Route):
        """The checked fields after the ? of a request's address, each given once."""
        value = {}
        for field, text in bottle.request.query.decode().allitems():
            if field in value:
                raise BadRequest(f"{field} is given twice", field)
            value[field] = text
        return validated(route.query, value, of_texts=True)

    def body(self, route: Route, environ: dict):
        """The checked body of a request, its Idempotency-Key moved in from the header."""
        value = json_body.parse(self.door.read(environ))
        key = environ.get("HTTP_IDEMPOTENCY_KEY")
        takes_key = key is not None and "idempotency_key" in route.body.model_fields
        if takes_key and value.setdefault("idempotency_key", key) != key:
            raise BadRequest("idempotency_key is not what the header Idempotency-Key says, send one of them", "idempotency_key")
        return validated(route.body, value)


def json_headers(data: bytes) -> dict[str, str]:
    """The headers of a JSON answer."""
    return {"Content-Type": "application/json", "Content-Length": str(len(data)), "Cache-Control": "no-store"}


def no_route(error: bottle.HTTPError):
    """Bottle's own errors (no such path, wrong method) in our shape."""
    if error.status_code == 405:
        allow = error.get_header("Allow")
        raise Refusal(405, "method_not_allowed", f"this path takes {allow}", headers={"Allow": allow})
    raise Refusal(404, "not_found", "there is no such path")
