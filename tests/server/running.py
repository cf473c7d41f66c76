"""A real listener over the fake engine, and the ways to talk to it: `requests` for good manners, a socket for bad ones."""

from __future__ import annotations

import http.client
import json
import re
import socket
from types import SimpleNamespace

import requests

from server.application import build_app
from server.connection import Patience
from server.listener import Listener
from server.routes import ROUTES
from tests.server.fake_engine import FakeEngine

TOKEN = "a-token-for-tests-only"
WAIT = 20
"""Seconds that nothing here should ever take: the end of a wait that has failed."""


class Running:
    """A server in this process, on a free port."""

    def __init__(self, threads=16, max_body_mb=32, token=TOKEN, patience=Patience(), routes=ROUTES, engine=None):
        self.engine = engine or FakeEngine()
        settings = SimpleNamespace(host="127.0.0.1", max_body_mb=max_body_mb, threads=threads)
        self.app = build_app(self.engine, SimpleNamespace(server=settings), token, routes)
        self.listener = Listener(self.app, "127.0.0.1", 0, threads, patience)
        self.listener.start()
        self.url, self.port = self.listener.url, self.listener.port
        self.http = requests.Session()
        self.http.headers["Authorization"] = f"Bearer {TOKEN}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.http.close()
        self.listener.stop(grace=0.1)

    def get(self, path, **more):
        return self.http.get(self.url + path, timeout=WAIT, **more)

    def post(self, path, body, **more):
        return self.http.post(self.url + path, json=body, timeout=WAIT, **more)

    def post_raw(self, path, data, **headers):
        """A POST of bytes that need not be JSON."""
        return self.http.post(self.url + path, data=data, headers={"Content-Type": "application/json", **headers}, timeout=WAIT)

    def connect(self):
        """A bare connection."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=WAIT)

    def head(self, method, path, *lines, host=None, token=TOKEN):
        """The bytes of a request's header."""
        first = [f"{method} {path} HTTP/1.1", f"Host: {host or f'127.0.0.1:{self.port}'}"]
        if token:
            first.append(f"Authorization: Bearer {token}")
        return "\r\n".join([*first, *lines, "", ""]).encode("latin-1")

    def say(self, data):
        """Send bytes on a new connection, return (status, headers, JSON) of the one answer."""
        with self.connect() as sock:
            sock.sendall(data)
            return answer(sock)

    def post_on(self, sock, path, body):
        """Send a POST on a connection, and leave the answer there."""
        data = json.dumps(body).encode()
        sock.sendall(self.head("POST", path, "Content-Type: application/json", f"Content-Length: {len(data)}") + data)


def answer(sock, method="GET"):
    """Read one answer of JSON from a connection."""
    response = http.client.HTTPResponse(sock, method=method)
    response.begin()
    data = response.read()
    is_json = response.headers.get("Content-Type") == "application/json"
    return response.status, response.headers, json.loads(data) if data and is_json else data.decode() or None


def check_error(response, status=None, param=None, word=None):
    """The answer is a refusal in the one shape: returns its sentence."""
    assert 400 <= response.status_code < 600 and (status is None or response.status_code == status), response.text[:400]
    assert response.headers["Content-Type"] == "application/json"
    return check_error_object(response.json(), param, word)


def check_error_object(payload, param=None, word=None):
    """`payload` is {"error": {…}} with one sentence: returns it."""
    assert set(payload) == {"error"} and set(payload["error"]) == {"message", "type", "param", "code"}
    sentence = payload["error"]["message"]
    assert 5 < len(sentence) < 400 and "\n" not in sentence and ". " not in sentence and not sentence.endswith("."), sentence
    assert "Traceback" not in sentence
    if param is not None:
        assert payload["error"]["param"] == param, payload
    if word is not None:
        assert word in sentence, sentence
    return sentence


def events(response):
    """The events of a stream, decoded; "[DONE]" and comments as they are."""
    found = []
    for block in re.split("\n\n", response.content.decode()):
        if block.startswith("data: "):
            found.append(block[6:] if block == "data: [DONE]" else json.loads(block[6:]))
        elif block:
            found.append(block)
    return found


def read_until(file, wanted):
    """Read lines of an open stream up to the one that holds `wanted`; returns it."""
    for line in file:
        if wanted in line:
            return line
    raise AssertionError(f"the stream ended without {wanted!r}")
