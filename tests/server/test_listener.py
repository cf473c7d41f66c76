"""The listener under bad manners: silent, slow, half-sent, repeated, refused; and its start and stop."""

import http.client
import json
import socket
import threading
import time

import pytest

from server import sse
from server.connection import Patience
from server.listener import CannotListen, Listener, PortTaken
from tests.server.running import TOKEN, WAIT, Running, answer, check_error_object

PROMPT = 3.0


def ask_health(server):
    """Seconds that /health takes on a connection of its own."""
    before = time.monotonic()
    status, _, value = server.say(server.head("GET", "/health", "Connection: close", token=None))
    assert status == 200 and value["status"] == "ok"
    return time.monotonic() - before


def many(server, count, data=b""):
    found = [server.connect() for _ in range(count)]
    for sock in found:
        sock.sendall(data)
    return found


@pytest.fixture
def closing():
    """A list whose sockets are closed at the end."""
    sockets = []
    yield sockets
    for sock in sockets:
        sock.close()


@pytest.mark.parametrize("half", [b"", b"GET", b"GET /health HTTP/1.1\r\nHost:", b"POST /infer HTTP/1.1\r\nContent-Length: 9\r\n"])
def test_fifty_half_open_connections_do_not_hold_health(make_server, closing, half):
    server = make_server(threads=64)
    closing += many(server, 50, half)
    assert ask_health(server) < PROMPT


def test_fifty_half_sent_bodies_do_not_hold_health(make_server, closing):
    server = make_server(threads=64)
    closing += many(server, 50, server.head("POST", "/infer", "Content-Type: application/json", "Content-Length: 100") + b"{")
    assert ask_health(server) < PROMPT


def test_a_silent_connection_holds_no_thread(make_server, closing):
    server = make_server(threads=1)
    closing += many(server, 50)
    assert ask_health(server) < PROMPT


def test_half_sent_requests_past_the_pool_are_let_go(make_server, closing):
    server = make_server(threads=2, patience=Patience(header=0.2, linger=0.05))
    closing += many(server, 20, b"GET /health HTTP/1.1\r\nHost:")
    ask_health(server)  # answered at all: the pool of four has turned over
    for sock in closing:
        status, headers, value = answer(sock)
        assert status == 408 and headers["Connection"] == "close"
        check_error_object(value)


def trickle(sock, byte):
    """Send a byte whenever nothing has come for a moment, until something has."""
    sock.settimeout(0.02)
    end = time.monotonic() + WAIT
    while True:
        assert time.monotonic() < end, "nothing came"
        try:
            sock.recv(1, socket.MSG_PEEK)
        except TimeoutError:
            sock.sendall(byte)
        else:
            break
    sock.settimeout(WAIT)


def test_a_header_in_drops_runs_out_of_time(make_server, closing):
    server = make_server(patience=Patience(silence=5, header=0.3, body=1000, linger=0.05))
    closing.append(server.connect())
    closing[0].sendall(b"GET /health HTTP/1.1\r\nX: ")
    trickle(closing[0], b"a")
    assert answer(closing[0])[0] == 408


def test_a_body_in_drops_runs_out_of_time(make_server, closing):
    server = make_server(patience=Patience(silence=5, header=1000, body=0.3, linger=0.05))
    closing.append(server.connect())
    closing[0].sendall(server.head("POST", "/infer", "Content-Type: application/json", "Content-Length: 100000") + b"{")
    trickle(closing[0], b" ")
    status, _, value = answer(closing[0])
    assert status == 408
    check_error_object(value, word="body")


def test_a_body_that_breaks_off(make_server, closing):
    server = make_server()
    closing.append(server.connect())
    closing[0].sendall(server.head("POST", "/infer", "Content-Type: application/json", "Content-Length: 100") + b"{}")
    closing[0].shutdown(socket.SHUT_WR)
    status, _, value = answer(closing[0])
    assert status == 400
    check_error_object(value, word="98 bytes")


def test_a_reader_who_takes_nothing_is_given_up(make_server, closing):
    server = make_server(patience=Patience(write=0.3))
    closing.append(server.connect())
    server.post_on(closing[0], "/infer", {"text": "hold", "stream": True})
    ticket = server.engine.opened.get(timeout=WAIT)
    for _ in range(1000):
        ticket.progress({"text": "a" * 64 * 1024})
    assert ticket.cancelled.wait(WAIT)


def test_one_connection_serves_many_requests(server):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=WAIT)
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
    wanted = [("GET", "/health", None, 200), ("POST", "/infer", '{"text": "x"}', 200), ("POST", "/infer", '{"text": 1}', 400),
              ("POST", "/infer", '{"text": NaN}', 400), ("GET", "/nowhere", None, 404), ("POST", "/infer", '{"text": "x"}', 200)]
    connection.connect()
    first = connection.sock
    for method, path, body, status in wanted:
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        assert response.status == status and json.loads(response.read())
        assert connection.sock is first
    connection.close()


def test_requests_sent_in_one_go_are_answered_in_order(server):
    with server.connect() as sock:
        sock.sendall(server.head("GET", "/health") + server.head("GET", "/weights") + server.head("GET", "/nowhere", "Connection: close"))
        file = sock.makefile("rb").read()
    assert file.count(b"HTTP/1.1 200") == 2 and file.index(b'"status":"ok"') < file.index(b'"digest"') < file.index(b"no such path")


def test_more_kept_connections_than_threads(make_server, closing):
    server = make_server(threads=1)
    closing += many(server, 30)
    for _ in range(2):
        for sock in closing:
            sock.sendall(server.head("GET", "/health"))
            status, headers, _ = answer(sock)
            assert status == 200 and headers.get("Connection") != "close"


def test_a_refused_body_is_not_read_as_a_request(server):
    smuggled = server.head("GET", "/weights")
    with server.connect() as sock:
        sock.sendall(server.head("POST", "/infer", "Content-Type: text/plain", f"Content-Length: {len(smuggled)}") + smuggled)
        file = sock.makefile("rb").read()
    assert file.startswith(b"HTTP/1.1 415") and file.count(b"HTTP/1.1") == 1


def test_a_taken_port(server):
    with pytest.raises(PortTaken, match=f"port {server.port} of 127.0.0.1 is taken"):
        Listener(server.app, "127.0.0.1", server.port)


@pytest.mark.parametrize("host", ["203.0.113.7", "no-such-host.invalid"])
def test_an_address_that_is_not_ours(server, host):
    with pytest.raises(CannotListen, match="cannot listen on port 0 of ") as caught:
        Listener(server.app, host, 0)
    assert not isinstance(caught.value, PortTaken) and "\n" not in str(caught.value)


def test_port_zero_takes_a_free_one(server):
    other = Listener(server.app, "127.0.0.1", 0, threads=1)
    assert other.port not in (0, server.port) and other.url == f"http://127.0.0.1:{other.port}"
    other.stop()


def test_serve_blocks_until_stop(server):
    listener = Listener(server.app, "127.0.0.1", 0, threads=1)
    thread = threading.Thread(target=listener.serve)
    thread.start()
    with socket.create_connection(("127.0.0.1", listener.port), timeout=WAIT) as sock:
        sock.sendall(f"GET /health HTTP/1.1\r\nHost: localhost:{listener.port}\r\n\r\n".encode())
        assert answer(sock)[0] == 200
    assert thread.is_alive()
    listener.stop()
    thread.join(WAIT)
    assert not thread.is_alive()


def test_stop_waits_for_an_answer_in_hand(monkeypatch):
    monkeypatch.setattr(sse, "POLL", 0.01)
    with Running(threads=2) as server, server.connect() as sock:
        server.post_on(sock, "/infer", {"text": "hold"})
        ticket = server.engine.opened.get(timeout=WAIT)
        stopping = threading.Thread(target=server.listener.stop, args=(WAIT,))
        stopping.start()
        assert not ticket.cancelled.wait(1.0)
        ticket.finish({"text": "just in time"})
        assert answer(sock)[2] == {"text": "just in time"}
        stopping.join(WAIT)
        assert not stopping.is_alive() and not ticket.cancelled.is_set()


def test_stop_cuts_off_what_does_not_end():
    with Running(threads=2) as server, server.connect() as sock:
        server.post_on(sock, "/infer", {"text": "hold", "stream": True})
        ticket = server.engine.opened.get(timeout=WAIT)
        server.listener.stop(grace=0.1)
        assert ticket.cancelled.is_set()
        with pytest.raises(OSError, match="."):
            server.connect()
