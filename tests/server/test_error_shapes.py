"""What a caller and the log are told when something fails."""

import logging
import re

import pytest

from server.routes import ROUTES
from tests.server.running import WAIT, check_error


@pytest.mark.parametrize("text", ["busy", "late busy"])
def test_busy_says_when_to_come_back(server, text):
    response = server.post("/infer", {"text": text})
    check_error(response, 503, word="queue")
    assert response.headers["Retry-After"] == "3" and response.json()["error"]["type"] == "overloaded_error"
    assert "x-should-retry" not in response.headers


@pytest.mark.parametrize("text, status, param", [("bad", 400, "tokens"), ("late bad", 400, "tokens"), ("conflict", 409, "idempotency_key")])
def test_errors_of_the_engine(server, text, status, param):
    for path in ("/infer", "/train"):
        for stream in (False, True):
            check_error(server.post(path, {"text": text, "stream": stream}), status, param)


@pytest.mark.parametrize("text", ["boom", "late boom"])
def test_what_nobody_foresaw(server, caplog, text):
    for stream in (False, True):
        caplog.clear()
        response = server.post("/infer", {"text": text, "stream": stream})
        check_error(response, 500, word=f"internal error, see the log with request id {response.headers['X-Request-Id']}")
        assert "secret" not in response.text and "RuntimeError" not in response.text
        [record] = [record for record in caplog.records if record.exc_info]
        assert response.headers["X-Request-Id"] in record.getMessage() and "secret" in str(record.exc_info[1])


def test_an_answer_that_is_no_json(server, monkeypatch):
    monkeypatch.setattr(server.engine, "weights", lambda: {"digest": object()})
    check_error(server.get("/weights"), 500, word="internal error")
    monkeypatch.undo()
    assert server.get("/weights").status_code == 200


def test_no_library_teaches_twice_by_itself(server):
    never = [route for route in ROUTES if not route.retry]
    assert {route.path for route in never} == {"/train", "/load_data", "/lessons/<name>/retrain", "/sessions/<name>/correct"}
    for route in never:
        path = route.path.replace("<name>", "one")
        wrong = [
            server.post(path, {"no such field": 1}),
            server.post(path, {}, headers={"Authorization": "Bearer wrong"}),
            server.post_raw(path, b"x", **{"Content-Type": "text/plain"}),
        ]
        assert all(response.status_code >= 400 and response.headers["x-should-retry"] == "false" for response in wrong)
    for text in ("busy", "late busy", "boom", "conflict"):
        assert server.post("/train", {"text": text}).headers["x-should-retry"] == "false"
    assert "x-should-retry" not in server.post("/train", {"text": "good"}).headers
    assert "x-should-retry" not in server.post("/infer", {}).headers
    assert "x-should-retry" not in server.http.put(server.url + "/train").headers


LINE = re.compile(
    r"request=req-[0-9a-f]{16} method=\w+ route=\S+ status=\d{3} code=\S+ bytes_in=\d+ bytes_out=\d+ seconds=\d+\.\d{3} ticket=\S+"
)


def test_one_line_a_request_without_a_word_of_the_user(server, caplog):
    caplog.set_level(logging.INFO, logger="server")
    responses = [
        server.get("/sessions/wanda-the-cat"),
        server.post("/infer", {"text": "my cat is called wanda"}),
        server.post("/infer", {"text": "my cat is called wanda", "stream": True}),
        server.post("/train", {"wanda": "wanda"}),
        server.post("/nowhere/wanda", {"text": "wanda"}),
        server.get("/sessions/Wanda"),
    ]
    assert server.get("/health").status_code == 200  # on the same connection: the lines before it are written
    lines = [record.getMessage() for record in caplog.records if "/health" not in record.getMessage()]
    assert len(lines) == len(responses) and all(LINE.fullmatch(line) for line in lines), lines
    for line, response in zip(lines, responses, strict=True):
        assert "wanda" not in line.lower()
        assert response.headers["X-Request-Id"] in line and f"status={response.status_code}" in line
        assert f"bytes_out={len(response.content)} " in line
        assert f"ticket={response.headers.get('X-Ticket-Id', '-')}" in line
    assert "route=/sessions/<name> status=200" in lines[0] and "code=unknown_field" in lines[3] and "route=- status=404" in lines[4]


@pytest.mark.parametrize("data, status, word", [
    (b"GET / HTTP/9.9\r\n\r\n", 505, "Cannot"),
    (b"nonsense\r\n\r\n", 400, "Request-Line"),
    (b"GET //health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 400, "URI"),
    (b"get /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 400, "case"),
    (b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: evil\r\n\r\n", 400, "Host stands twice"),
    (b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\nContent-Length: 5\r\n\r\n", 400, "Content-Length stands twice"),
    (b"POST /infer HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: -5\r\n\r\n", 400, "Content-Length"),
    (b"POST /infer HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1_0\r\n\r\n", 400, "Content-Length"),
    (b"GET /health HTTP/1.1\r\nHost 127.0.0.1\r\n\r\n", 400, "header"),
    (b"GET /health HTTP/1.1\r\nX: " + b"a" * 70_000 + b"\r\n\r\n", 413, "headers"),
    (b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n\r\n", 414, "URI"),
    (b"CONNECT evil:80 HTTP/1.1\r\n\r\n", 405, "Method"),
    (b"GET /health HTTP/1.1\r\n\r\n", 403, "Host"),
])
def test_requests_that_are_none(server, data, status, word):
    got, headers, value = server.say(data)
    assert got == status and headers["Content-Type"] == "application/json"
    assert set(value["error"]) == {"message", "type", "param", "code"} and word in value["error"]["message"]
    assert server.http.get(server.url + "/health", timeout=WAIT).status_code == 200


def test_a_header_with_an_underscore_is_no_header(server):
    status, _, _ = server.say(server.head("GET", "/weights", "Content_Length: 5"))
    assert status == 200
    status, _, _ = server.say(server.head("GET", "/weights", "Authorization_: x", token=None))
    assert status == 401
