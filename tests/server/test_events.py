"""GET /events over the listener: at once, as it happens, kept alive, and given up when the caller is gone."""

import json

from server import sse
from tests.server.running import WAIT, read_until
from tests.server.test_streams import hang_up


def listen(server):
    """An open stream of events, past its first one."""
    server.engine.goes_on = True
    sock = server.connect()
    sock.sendall(server.head("GET", "/events"))
    file = sock.makefile("rb")
    assert b" 200 " in file.readline() and b"text/event-stream" in read_until(file, b"Content-Type")
    opened = json.loads(read_until(file, b"data: ")[6:])
    assert opened["event"] == "open" and opened["version"] == server.engine.version
    return sock, file


def test_events_come_as_they_happen_to_everyone(make_server):
    server = make_server()
    both = [listen(server) for _ in range(2)]
    for number in range(3):
        server.engine.events.tell("step", step=number)
        for _, file in both:
            event = json.loads(read_until(file, b"data: ")[6:])
            assert event["event"] == "step" and event["step"] == number and event["time"] > 0
    server.engine.events.close()
    for sock, file in both:
        assert json.loads(read_until(file, b"data: ")[6:])["event"] == "end"
        read_until(file, b"data: [DONE]")
        hang_up(sock, file)


def test_a_quiet_stream_is_kept_alive(make_server, monkeypatch):
    monkeypatch.setattr(sse, "KEEP_ALIVE", 0.1)
    sock, file = listen(make_server())
    read_until(file, b": keep-alive")
    hang_up(sock, file)


def test_who_hangs_up_is_forgotten_and_his_place_is_free(make_server):
    server = make_server(threads=2)
    held = [listen(server) for _ in range(2)]
    assert server.get("/events").status_code == 503 and server.get("/health").status_code == 200
    for sock, file in held:
        hang_up(sock, file)
    assert all(server.app.places.acquire(timeout=WAIT) for _ in range(2)) and len(server.engine.events) == 0


def test_head_opens_no_stream(make_server):
    server = make_server()
    assert server.http.head(server.url + "/events", timeout=WAIT).status_code == 200
    assert len(server.engine.events) == 0
