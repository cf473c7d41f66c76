"""Answers as they grow: order, time, errors on the way, and callers who leave."""

import threading

import pytest
import requests

from engine.errors import BadRequest, Busy
from engine.ticket import Ticket
from server import sse
from tests.server.fake_engine import PIECES
from tests.server.running import WAIT, answer, check_error, check_error_object, events, read_until


def open_stream(server, path="/infer", text="hold"):
    """A stream under way: the connection, its file, and the ticket behind it."""
    sock = server.connect()
    server.post_on(sock, path, {"text": text, "stream": True})
    return sock, sock.makefile("rb"), server.engine.opened.get(timeout=WAIT)


def hang_up(sock, *files):
    for file in files:
        file.close()
    sock.close()


def test_every_event_in_order_then_the_whole_then_done(server):
    response = server.post("/infer", {"text": "x", "stream": True})
    *pieces, final, done = events(response)
    assert [event["text"] for event in pieces] == PIECES and done == "[DONE]"
    assert final["text"] == "".join(PIECES) and final["id"] == response.headers["X-Ticket-Id"]
    assert response.headers["Content-Type"] == "text/event-stream; charset=utf-8"
    assert response.headers["Cache-Control"] == "no-store" and response.headers["X-Accel-Buffering"] == "no"
    assert final == server.post("/infer", {"text": "x"}).json() | {"id": final["id"]}


@pytest.mark.parametrize("path, more", [
    ("/train", {"text": "x"}),
    ("/load_data", {"content": "x", "name": "n"}),
    ("/sessions/one/correct", {"turn": 0, "text": "x"}),
    ("/sessions/one/regenerate", {"turn": 0}),
    ("/sessions/one/edit", {"turn": 0, "messages": [{"role": "user", "text": "x"}]}),
])
def test_the_other_routes_stream_too(server, path, more):
    found = events(server.post(path, {**more, "stream": True}))
    assert len(found) == len(PIECES) + 2 and found[-1] == "[DONE]"


def test_a_piece_is_sent_when_it_comes(server):
    sock, file, ticket = open_stream(server)
    for piece in PIECES:
        ticket.progress({"text": piece})
        assert piece.strip().encode() in read_until(file, b"data: ")
    ticket.finish({"text": "all"})
    assert b"all" in read_until(file, b"data: ")
    read_until(file, b"data: [DONE]")
    hang_up(sock, file)


def test_a_connection_goes_on_after_a_stream(server):
    session = requests.Session()
    session.headers.update(server.http.headers)
    for _ in range(3):
        assert events(session.post(server.url + "/infer", json={"text": "x", "stream": True}, timeout=WAIT))[-1] == "[DONE]"
    pools = session.get_adapter(server.url).poolmanager.pools
    assert [pools[key].num_connections for key in pools.keys()] == [1]


@pytest.mark.parametrize("text, status", [("busy", 503), ("bad", 400), ("late busy", 503), ("late bad", 400), ("late boom", 500)])
def test_an_error_before_the_first_event_has_its_own_status(server, text, status):
    check_error(server.post("/infer", {"text": text, "stream": True}), status)


@pytest.mark.parametrize("text, word", [("midway boom", "internal error"), ("midway bad", "vocabulary")])
def test_an_error_later_is_told_in_the_stream(server, text, word):
    response = server.post("/infer", {"text": text, "stream": True})
    assert response.status_code == 200
    piece, error, done = events(response)
    assert piece == {"text": PIECES[0]} and done == "[DONE]" and "secret" not in response.text
    check_error_object(error, word=word)


def test_a_quiet_stream_says_that_it_lives(server, monkeypatch):
    monkeypatch.setattr(sse, "KEEP_ALIVE", 0.05)
    monkeypatch.setattr(sse, "POLL", 0.01)
    sock, file, ticket = open_stream(server)
    read_until(file, b"HTTP/1.1 200")  # the headers come without an event
    for _ in range(3):
        read_until(file, b": keep-alive")
    ticket.progress({"text": "at last"})
    read_until(file, b"at last")
    read_until(file, b": keep-alive")
    ticket.fail(BadRequest("too late for a status"))
    read_until(file, b'data: {"error"')
    read_until(file, b"data: [DONE]")
    hang_up(sock, file)


class Pausing(Ticket):
    """A ticket that is quiet for a while before each event, and takes no time over it."""

    def events(self, heartbeat=None):
        for event in super().events(heartbeat):
            yield from [("idle", {})] * 3
            yield event


def test_short_pauses_go_without_a_sign_of_life(server, monkeypatch):
    ticket = Pausing("infer")
    monkeypatch.setattr(server.engine, "infer", lambda *arguments: ticket)
    ticket.progress({"text": "a"})
    ticket.finish({"text": "b"})
    assert events(server.post("/infer", {"text": "x", "stream": True})) == [{"text": "a"}, {"text": "b"}, "[DONE]"]


class PausingThenBusy(Ticket):
    """A ticket that is refused after it has been quiet for a while."""

    def events(self, heartbeat=None):
        yield from [("idle", {})] * 3
        raise Busy("the queue is full")


def test_an_error_after_a_pause_still_has_its_own_status(server, monkeypatch):
    monkeypatch.setattr(server.engine, "infer", lambda *arguments: PausingThenBusy("infer"))
    check_error(server.post("/infer", {"text": "x", "stream": True}), 503)


@pytest.mark.parametrize("path", ["/infer", "/train"])
def test_who_leaves_a_stream_cancels_it(server, path):
    sock, file, ticket = open_stream(server, path)
    ticket.progress({"text": "a"})
    read_until(file, b"data: ")
    assert not ticket.cancelled.is_set()
    hang_up(sock, file)
    assert ticket.cancelled.wait(WAIT)  # though the engine says nothing more


def test_who_leaves_a_busy_stream_cancels_it_within_one_write(server, monkeypatch):
    monkeypatch.setattr(sse, "POLL", WAIT)  # nothing is looked at but what is written
    sock, file, ticket = open_stream(server)
    ticket.progress({"text": "a"})
    read_until(file, b"data: ")
    hang_up(sock, file)
    ticket.progress({"text": "b"})
    assert ticket.cancelled.wait(WAIT / 2)


@pytest.mark.parametrize("path", ["/infer", "/train"])
def test_who_leaves_before_the_first_event_cancels_it(server, path):
    sock, file, ticket = open_stream(server, path)
    hang_up(sock, file)
    assert ticket.cancelled.wait(WAIT)


@pytest.mark.parametrize("path", ["/infer", "/train"])
def test_who_does_not_wait_for_the_answer_cancels_it(server, path):
    sock = server.connect()
    server.post_on(sock, path, {"text": "hold"})
    ticket = server.engine.opened.get(timeout=WAIT)
    hang_up(sock)
    assert ticket.cancelled.wait(WAIT)


def test_who_leaves_after_asking_for_more_cancels_it(server):
    sock = server.connect()
    server.post_on(sock, "/infer", {"text": "hold"})
    ticket = server.engine.opened.get(timeout=WAIT)
    sock.sendall(server.head("GET", "/health"))  # lies unread before the end of the connection
    hang_up(sock)
    assert ticket.cancelled.wait(WAIT)


def test_who_stays_is_not_cancelled(server):
    sock = server.connect()
    server.post_on(sock, "/infer", {"text": "hold"})
    ticket = server.engine.opened.get(timeout=WAIT)
    assert not ticket.cancelled.wait(3 * sse.POLL)
    ticket.progress({"text": "a"})
    ticket.finish({"text": "whole"})
    assert answer(sock)[2] == {"text": "whole"}
    hang_up(sock)
    assert server.post("/infer", {"text": "x"}).status_code == 200
    assert not ticket.cancelled.is_set()  # it was over before the caller left


class CountedTicket(Ticket):
    """A ticket that tells when its reader has taken more than the buffers on the way can hold."""

    def __init__(self, pieces):
        super().__init__("infer")
        self.taken, self.pieces, self.too_far = 0, pieces, threading.Event()

    def events(self, heartbeat=None):
        for event in super().events(heartbeat):
            self.taken += event[0] == "progress"
            if self.taken > self.pieces * 3 // 4:
                self.too_far.set()
            yield event


def test_a_slow_reader_holds_the_stream_back_and_loses_nothing(server, monkeypatch):
    size, count = 64 * 1024, 1000  # 64 MB: more than the kernel keeps for one connection
    ticket = CountedTicket(count)
    monkeypatch.setattr(server.engine, "infer", lambda *arguments: ticket)
    for number in range(count):
        ticket.progress({"text": f"<{number}>" + "a" * size})
    ticket.finish({"text": "the end"})
    sock = server.connect()
    server.post_on(sock, "/infer", {"text": "x", "stream": True})
    file = sock.makefile("rb")
    read_until(file, b'"<0>')
    assert not ticket.too_far.wait(0.5) and ticket.taken > 1
    for number in range(1, count):
        read_until(file, f'"<{number}>'.encode())
    read_until(file, b"the end")
    read_until(file, b"data: [DONE]")
    hang_up(sock, file)


@pytest.mark.parametrize("stream", [False, True])
def test_one_more_than_may_wait_is_told_so_and_the_rest_still_answers(make_server, stream):
    server = make_server(threads=2)
    held = []
    for _ in range(2):
        sock = server.connect()
        server.post_on(sock, "/infer", {"text": "hold", "stream": stream})
        held.append((sock, server.engine.opened.get(timeout=WAIT)))
    refused = server.post("/train", {"text": "x"})
    check_error(refused, 503, word="too many")
    assert refused.headers["Retry-After"] == "1" and not any(name == "train" for name, _ in server.engine.calls)
    assert server.get("/health").status_code == 200 and server.post("/cancel", {"id": held[0][1].id}).status_code == 200
    (gone, first), (sock, second) = held
    gone.close()  # one place is free when its caller has left, the other when it is answered
    assert first.cancelled.wait(WAIT)
    second.finish({"text": "x"})
    assert sock.recv(1)
    sock.close()
    assert all(server.app.places.acquire(timeout=WAIT) for _ in range(2))
    server.app.places.release(2)
    assert server.post("/infer", {"text": "x"}).status_code == 200
