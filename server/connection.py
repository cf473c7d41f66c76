"""Cheroot's connection, made strict: deadlines for what is read, no header twice, and errors of its own in our shape."""

from __future__ import annotations

import _pyio
import socket
import time
from dataclasses import dataclass

import orjson
from cheroot.makefile import StreamReader, StreamWriter
from cheroot.server import CRLF, HeaderReader, HTTPConnection, HTTPRequest
from cheroot.wsgi import Gateway_10

from server.errors import error_object
from server.peer import Peer

ONCE = {b"Host", b"Origin", b"Authorization", b"Content-Type", b"Content-Length", b"Transfer-Encoding", b"Idempotency-Key"}


@dataclass(frozen=True)
class Patience:
    """How long a connection may take, in seconds."""

    silence: float = 10.0
    """Between two pieces of a request."""
    header: float = 10.0
    """From the first byte of a request to the end of its header."""
    body: float = 60.0
    """From there to the end of its body."""
    write: float = 60.0
    """For a reader who takes nothing of an answer, and for a connection that is kept open unused."""
    linger: float = 2.0
    """For swallowing a body that was refused unread, so that the refusal is not lost to a reset."""


class TimedSocket(socket.SocketIO):
    """Reads of a socket under one deadline for all of them: a byte now and then does not hold a thread."""

    def __init__(self, sock: socket.socket, patience: Patience):
        super().__init__(sock, "rb")
        self.sock = sock
        self.patience = patience
        self.arm(patience.header)

    def arm(self, seconds: float) -> None:
        """Begin a new span: `seconds` from now every read fails."""
        self.deadline = time.monotonic() + seconds

    def readinto(self, buffer) -> int | None:
        """Read what is there, waiting no longer than the deadline. Raises TimeoutError."""
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        self.sock.settimeout(min(left, self.patience.silence))
        try:
            return super().readinto(buffer)
        finally:
            self.sock.settimeout(self.patience.write)


class TimedReader(StreamReader):
    """Cheroot's buffered reader over a TimedSocket."""

    def __init__(self, sock: socket.socket, patience: Patience, size: int):
        self.timed = TimedSocket(sock, patience)
        _pyio.BufferedReader.__init__(self, self.timed, size)
        self.bytes_read = 0


class OnceDict(dict):
    """Headers, where one that decides about the request stands once: two readers could each believe another."""

    def __setitem__(self, key, value):
        if key in ONCE and key in self:
            raise ValueError(f"the header {key.decode('latin-1')} stands twice")
        super().__setitem__(key, value)


class StrictHeaders(HeaderReader):
    """Reads headers; refuses repeated ones and lengths that are no plain number, drops names with an underscore.

    In WSGI's environ such a name cannot be told from the one with a hyphen. (Cheroot's own reader of that kind fails
    on every header.)
    """

    def __call__(self, rfile, hdict=None):
        headers = OnceDict()
        super().__call__(rfile, headers)
        if not headers.get(b"Content-Length", b"0").isdigit():
            raise ValueError("Content-Length is not a number")
        hdict.update(headers)
        return hdict

    def _allow_header(self, key_name):
        return b"_" not in key_name


class Request(HTTPRequest):
    """A request whose every refusal is JSON, and whose unread body ends the connection."""

    header_reader = StrictHeaders()

    def respond(self):
        """Answer, with the time that a body may take counted from here."""
        self.conn.rfile.timed.arm(self.conn.patience.body)
        super().respond()

    def send_headers(self):
        """Send the headers. Cheroot would first read a body that we refused, all of it, into memory."""
        if self.chunked_read or getattr(self.rfile, "remaining", 0) > 0:
            self.close_connection = True
            self.conn.unread = True
        super().send_headers()

    def simple_response(self, status, msg=""):
        """Cheroot's own refusals (a request that is none, one that is late) in the shape of ours."""
        self.close_connection = True
        self.conn.unread = True
        status = str(status)
        sentence = (msg or status[4:] or "refused").rstrip(".")
        code = {"408": "too_slow", "405": "method_not_allowed"}.get(status[:3], "bad_http")
        data = orjson.dumps(error_object(sentence, int(status[:3]), code))
        head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(data)}\r\nConnection: close\r\n"
        self.server.error_log(f"refused={code} status={status[:3]}")
        try:
            self.conn.wfile.write(head.encode("latin-1") + CRLF + data)
        except OSError:
            return  # nobody is there to be told


class Connection(HTTPConnection):
    """A connection under deadlines, which takes its leave so that the last answer arrives."""

    RequestHandlerClass = Request

    def __init__(self, server, sock, makefile=None):
        self.patience: Patience = server.patience
        self.unread = False
        super().__init__(server, sock, self.file)

    def file(self, sock, mode, size):
        """The reader or the writer of the socket."""
        return TimedReader(sock, self.patience, size) if "r" in mode else StreamWriter(sock, mode, size)

    def communicate(self):
        """Serve the next request; its header must be here in time."""
        self.rfile.timed.arm(self.patience.header)
        return super().communicate()

    def close(self):
        """Close. Unread bytes would make the kernel reset the connection and drop an answer on its way: swallow some."""
        if self.unread:
            self.unread = False
            self.swallow()
        super().close()

    def swallow(self):
        """Say that no more will be written, then read and forget until the other side closes or patience ends."""
        end = time.monotonic() + self.patience.linger
        try:
            self.socket.shutdown(socket.SHUT_WR)
            while (left := end - time.monotonic()) > 0:
                self.socket.settimeout(left)
                if not self.socket.recv(65536):
                    return
        except OSError:
            return


class Gateway(Gateway_10):
    """Hands the application a view of the connection, beside WSGI's own."""

    def get_environ(self):
        """WSGI's environ, with `server.peer`."""
        return {**super().get_environ(), "server.peer": Peer(self.req.conn.socket)}
