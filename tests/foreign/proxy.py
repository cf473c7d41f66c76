"""A proxy that loses answers: the server has done the work, and the caller is not told."""

import contextlib
import threading
from collections import Counter
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import requests


@dataclass
class Reply:
    """What the caller is sent: `length` bytes are announced, which may be more than there are."""

    status: int
    body: bytes = b"{}"
    length: int | None = None
    media: str = "application/json"


class Proxy(ThreadingHTTPServer):
    """Hands POSTs on to the URL that `target()` returns. `spoilers`: for each Idempotency-Key, what comes of its first answers, in turn; later ones are handed on.

    A spoiler is given the function that asks the server, and returns a Reply, or None to close the connection.
    """

    daemon_threads = True

    def __init__(self, target, spoilers):
        super().__init__(("127.0.0.1", 0), Handler)
        self.target, self.spoilers = target, spoilers
        self.asked = Counter()
        self.url = f"http://127.0.0.1:{self.server_port}"
        self._counting = threading.Lock()
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    def next_spoiler(self, key):
        """What is to be done with this request of a key."""
        with self._counting:
            turn = self.asked[key]
            self.asked[key] += 1
        return self.spoilers[key][turn] if turn < len(self.spoilers[key]) else lambda ask: ask()


class Handler(BaseHTTPRequestHandler):
    """One request."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        names = ("Authorization", "Content-Type", "Idempotency-Key")
        headers = {name: self.headers[name] for name in names if name in self.headers}

        def ask():
            answer = requests.post(self.server.target() + self.path, data=body, headers=headers, timeout=120)
            return Reply(answer.status_code, answer.content, media=answer.headers["Content-Type"])

        reply = self.server.next_spoiler(headers.get("Idempotency-Key"))(ask)
        if reply is not None:
            self.send_response(reply.status)
            self.send_header("Content-Type", reply.media)
            self.send_header("Content-Length", str(reply.length or len(reply.body)))
            self.send_header("retry-after-ms", "1")
            self.end_headers()
            self.wfile.write(reply.body)
        self.close_connection = reply is None or reply.length is not None

    def log_message(self, *_):
        """Nothing is written."""


def dropped(ask):
    """The answer came, and is lost with the connection."""
    ask()


def halved(ask):
    """The answer breaks off in its middle."""
    reply = ask()
    return Reply(reply.status, reply.body[: len(reply.body) // 2], len(reply.body), reply.media)


def impatient(ask):
    """The caller is cut off while the server works on it."""

    def ask_in_vain():
        with contextlib.suppress(requests.RequestException):
            ask()

    threading.Thread(target=ask_in_vain, daemon=True).start()


def replaced(status):
    """The answer came, and an error takes its place."""

    def spoil(ask):
        ask()
        return Reply(status)

    return spoil
