"""Every route of the table against every way to come in wrongly: a new route is covered by being in the table."""

import json
import re
import socket
from urllib.parse import urlencode

import pytest

from server.door import Door
from server.errors import Refusal
from server.routes import ROUTES
from tests.server.bad_values import example
from tests.server.running import TOKEN, answer, check_error, check_error_object

EACH = pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")


def parts(route):
    """The method, a path and a body that the route accepts."""
    path = route.path.replace("<name>", "one" if re.fullmatch(route.names, "one") else "app.css")
    asked = example(route.query) if route.query else {}
    return route.method, f"{path}?{urlencode(asked)}" if asked else path, example(route.body) if route.body else None


def send(server, route, headers=(), drop=(), body=True):
    """A good request of the route, with some headers replaced or left out."""
    method, path, value = parts(route)
    data = json.dumps(value).encode() if value is not None and body else None
    named = {"Authorization": f"Bearer {TOKEN}", **({"Content-Type": "application/json"} if data else {}), **dict(headers)}
    for name in drop:
        del named[name]
    lines = [f"{name}: {text}" for name, text in named.items() if name != "Host"]
    if data is not None:
        lines.append(f"Content-Length: {len(data)}")
    return server.say(server.head(method, path, *lines, host=named.get("Host"), token=None) + (data or b""))


@EACH
def test_a_good_request_passes(server, route):
    status, headers, value = send(server, route)
    assert status == 200 and isinstance(value, dict if route.media == "application/json" else str)
    assert headers["Content-Type"].startswith((route.media, *route.medias)) and headers["X-Request-Id"].startswith("req-")
    assert int(headers.get("Content-Length") or len(value)) > 0  # a stream has none


@EACH
def test_without_a_token(server, route):
    status, headers, value = send(server, route, drop=["Authorization"])
    if route.everyone:
        assert status == 200
    else:
        assert status == 401 and headers["WWW-Authenticate"] == "Bearer"
        check_error_object(value, word="token")


@EACH
@pytest.mark.parametrize("given", ["Bearer wrong", f"Basic {TOKEN}", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", "Bearer", "Bearer é"])
def test_with_a_wrong_token(server, route, given):
    status, _, value = send(server, route, {"Authorization": given})
    assert status == (200 if route.everyone else 401)
    if status == 401:
        check_error_object(value, word="token")


@EACH
@pytest.mark.parametrize("origin", ["null", "http://evil.example", "https://127.0.0.1:{port}", "http://127.0.0.1", "http://localhost:1",
                                    "http://127.0.0.1:{port}.evil.example", "http://evil@127.0.0.1:{port}", "file://", ""])
def test_from_a_foreign_page(server, route, origin):
    status, _, value = send(server, route, {"Origin": origin.format(port=server.port)})
    assert status == 403
    check_error_object(value, word="origin")


@EACH
def test_from_our_own_page(server, route):
    assert send(server, route, {"Origin": f"http://localhost:{server.port}"})[0] == 200


@EACH
@pytest.mark.parametrize("host", ["evil.example", "evil.example:{port}", "127.0.0.1:1", "127.0.0.1.evil.example:{port}",
                                  "localhost.:{port}", "user@127.0.0.1:{port}", "10.0.0.1:{port}", "[::2]:{port}"])
def test_under_a_foreign_name(server, route, host):
    status, _, value = send(server, route, {"Host": host.format(port=server.port)})
    assert status == 403
    check_error_object(value, word="Host")


@EACH
@pytest.mark.parametrize("host", ["localhost:{port}", "LOCALHOST", "127.0.0.1", "[::1]:{port}"])
def test_under_our_own_names(server, route, host):
    assert send(server, route, {"Host": host.format(port=server.port)})[0] == 200


@EACH
@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin-1",
                                  "application/jsonx"])
def test_with_another_content_type(server, route, kind):
    status, _, value = send(server, route, {"Content-Type": kind})
    assert status == (415 if route.method == "POST" else 200)
    if status == 415:
        check_error_object(value, word="application/json")


@EACH
def test_without_a_body(server, route):
    status, _, value = send(server, route, {"Content-Type": "application/json"}, body=False)
    assert status == (411 if route.method == "POST" else 200)
    if route.method == "POST":
        check_error_object(value, word="Content-Length")
        status, _, value = send(server, route, {"Content-Type": "application/json", "Content-Length": "0"}, body=False)
        assert status == 400
        check_error_object(value, word="the body is empty, send")


@EACH
def test_chunked(server, route):
    method, path, _ = parts(route)
    head = server.head(method, path, "Content-Type: application/json", "Transfer-Encoding: chunked")
    smuggled = server.head("GET", "/health")
    with server.connect() as sock:
        sock.sendall(head + b"2\r\n{}\r\n0\r\n\r\n" + smuggled)
        sock.shutdown(socket.SHUT_WR)
        answers = sock.makefile("rb").read()
    assert answers.startswith(b"HTTP/1.1 411 ") and answers.count(b"HTTP/1.1") == 1  # what followed was no request
    assert b"Content-Length" in answers and b"chunked" in answers


@EACH
def test_a_compressed_body(server, route):
    assert send(server, route, {"Content-Encoding": "gzip"})[0] == (415 if route.method == "POST" else 200)


@EACH
def test_other_methods(server, route):
    _, path, _ = parts(route)
    here = {other.method for other in ROUTES if re.fullmatch(other.path.replace("<name>", "[^/]+"), path.partition("?")[0])}
    for method in {"GET", "POST", "DELETE", "PUT", "PATCH", "OPTIONS", "BREW"} - here:
        body = {"json": {}} if method == "POST" else {}
        response = server.http.request(method, server.url + path, **body)
        check_error(response, 405, word="takes")
        assert here <= set(response.headers["Allow"].split(","))


@pytest.mark.parametrize("path", ["/", "/nowhere", "/infer/", "/Infer", "/sessions/one/two/three", "/health/..", "/%68ealth/x"])
def test_unknown_paths(server, path):
    check_error(server.get(path), 404, word="path")
    check_error(server.http.get(server.url + path, headers={"Authorization": "none"}), 401)


def test_a_path_that_is_not_utf8_is_another_path(server):
    status, _, value = server.say(server.head("DELETE", "/sessions/one%ff"))
    assert status == 400
    check_error_object(value, word="UTF-8")


@pytest.mark.parametrize("name", ["A", "a b", "-a", ".a", "a" * 65, "a%2Fb", "a%0A", "%00", "é"])
def test_names_that_are_none(server, name):
    check_error(server.get(f"/sessions/{name}"), 400, "name")


def test_a_get_brings_no_body(server):
    status, _, value = server.say(server.head("GET", "/weights", "Content-Length: 2") + b"{}")
    assert status == 400
    check_error_object(value, word="GET")


def test_a_body_past_the_limit_is_refused_unread(make_server):
    server = make_server(max_body_mb=1)
    for size in (2**20 + 1, 10**15):  # not a byte of it is ever sent
        status, headers, value = server.say(server.head("POST", "/infer", "Content-Type: application/json", f"Content-Length: {size}"))
        assert status == 413 and headers["Connection"] == "close"
        check_error_object(value, word=str(2**20))
    fits = b'{"text": "' + b"a" * (2**20 - 12) + b'"}'
    assert len(fits) == 2**20 and server.post_raw("/infer", fits).status_code == 200


def test_a_refusal_reaches_a_client_that_is_still_sending(make_server):
    server = make_server(max_body_mb=1)
    check_error(server.post_raw("/infer", b"a" * 20_000_000), 413)
    size = 5_000_000
    with server.connect() as sock:
        sock.sendall(server.head("POST", "/infer", "Content-Type: application/json", f"Content-Length: {size}") + b"a" * size)
        assert answer(sock)[0] == 413


def test_no_token_at_all(make_server):
    server = make_server(token="")
    assert server.http.get(server.url + "/weights", headers={"Authorization": ""}).status_code == 200
    check_error(server.get("/weights", headers={"Origin": "http://evil.example"}), 403)


def environ(host, origin=None, port="3000"):
    return {"HTTP_HOST": host, "SERVER_PORT": port, **({"HTTP_ORIGIN": origin} if origin else {})}


def test_listening_everywhere_takes_addresses_but_no_names():
    door = Door("0.0.0.0", "", 1)
    for host in ("192.168.1.5:3000", "localhost:8080", "[fe80::1]", "127.0.0.1"):
        door.check_host(environ(host))
    for host in ("evil.example", "evil.example:3000", "", "300.1.1.1"):
        with pytest.raises(Refusal):
            door.check_host(environ(host))
    door.check_origin(environ("192.168.1.5:3000", "http://192.168.1.5:3000"))
    with pytest.raises(Refusal):
        door.check_origin(environ("192.168.1.5:3000", "http://evil.example:3000"))


def test_the_configured_host_names_us():
    door = Door("Box.local", "", 1)
    door.check_host(environ("box.local:3000"))
    with pytest.raises(Refusal):
        Door("127.0.0.1", "", 1).check_host(environ("box.local:3000"))
