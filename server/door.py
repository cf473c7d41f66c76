"""The door: every request passes here first, and what is not allowed by name is refused."""

from __future__ import annotations

import ipaddress
import re
import socket

from server.errors import Refusal
from server.token import same

AUTHORITY = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::([0-9]{1,5}))?")
WILDCARDS = {"0.0.0.0", "::"}
PIECE = 65536
"""Bytes of a body read at once: cheroot's reader allocates what it is asked for before a byte has come."""


class Door:
    """Who may enter: the right Host, no foreign Origin, the token; and what may be carried in.

    `host` is the address that the server listens on, `token` "" lets everyone in, `max_body` is in bytes.
    """

    def __init__(self, host: str, token: str, max_body: int):
        host = host.lower().strip("[]")
        self.names = {"localhost", "127.0.0.1", "[::1]", f"[{host}]" if ":" in host else host}
        self.everywhere = host in WILDCARDS
        if self.everywhere:
            self.names.add(socket.gethostname().lower())
        self.token = token
        self.max_body = max_body

    def admit(self, environ: dict, everyone: bool, known: bool = True) -> None:
        """Let the request pass or raise Refusal, before a byte of its body is read. `everyone`: no token is needed. Not `known`: there is
        no such route, and nobody will read the body."""
        self.check_host(environ)
        self.check_origin(environ)
        if not everyone:
            self.check_token(environ)
        try:
            environ["bottle.raw_path"].encode("latin-1").decode()
        except UnicodeDecodeError:  # bottle would drop the odd bytes and find another path
            raise Refusal(400, "bad_path", "the path is not UTF-8") from None
        if known:
            self.check_body(environ)

    def check_host(self, environ: dict) -> None:
        """The Host header names us: a page of another name that resolves here (DNS rebinding) is refused."""
        name, port = authority(environ.get("HTTP_HOST", ""))
        # Behind 0.0.0.0 any address may be ours and a port may be mapped; a rebound page comes under a name, never an address.
        ours = name in self.names or (self.everywhere and is_address(name))
        if not ours or (port not in (None, environ["SERVER_PORT"]) and not self.everywhere):
            raise Refusal(403, "bad_host", "the Host header does not name this server")

    def check_origin(self, environ: dict) -> None:
        """A browser's page may call only where it came from; programs send no Origin."""
        origin = environ.get("HTTP_ORIGIN")
        if origin is None:
            return
        name, port = authority(origin[7:]) if origin[:7].lower() == "http://" else (None, None)
        ours = name in self.names or (self.everywhere and name is not None and is_address(name))
        if not ours or (port or "80") != (authority(environ["HTTP_HOST"])[1] or "80"):
            raise Refusal(403, "bad_origin", "requests from pages of another origin are refused")

    def check_token(self, environ: dict) -> None:
        """The bearer token, compared in constant time."""
        scheme, _, given = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
        if not self.token or (scheme.lower() == "bearer" and same(given.strip(), self.token)):
            return
        said = "the token is wrong" if scheme else "a token is needed, send the header Authorization: Bearer TOKEN"
        raise Refusal(401, "bad_token", said, headers={"WWW-Authenticate": "Bearer"})

    def check_body(self, environ: dict) -> None:
        """A POST brings JSON of a known, small enough length; nothing else brings anything."""
        if "HTTP_TRANSFER_ENCODING" in environ:
            raise Refusal(411, "length_required", "a chunked body is refused, send Content-Length")
        length = environ.get("CONTENT_LENGTH") or ""
        if environ["REQUEST_METHOD"] != "POST":
            if length not in ("", "0"):
                raise Refusal(400, "body_refused", f"{environ['REQUEST_METHOD']} takes no body")
            return
        kind, _, parameters = environ.get("CONTENT_TYPE", "").lower().partition(";")
        charset = parameters.strip().removeprefix("charset=").strip('"')
        if kind.strip() != "application/json" or charset not in ("", "utf-8", "utf8"):
            raise Refusal(415, "unsupported_media_type", "the body must be JSON in UTF-8, send Content-Type: application/json")
        if environ.get("HTTP_CONTENT_ENCODING", "identity") != "identity":
            raise Refusal(415, "unsupported_media_type", "a compressed body is refused")
        if not re.fullmatch("[0-9]{1,18}", length):
            raise Refusal(411, "length_required", "the length of the body must be known, send Content-Length")
        if int(length) > self.max_body:
            raise Refusal(413, "body_too_large", f"the body has {int(length)} bytes, at most {self.max_body} are taken")

    def read(self, environ: dict) -> bytes:
        """The whole body of an admitted request. Raises Refusal when it stalls or breaks off."""
        left, pieces = int(environ["CONTENT_LENGTH"]), []
        try:
            while left:
                piece = environ["wsgi.input"].read(min(left, PIECE))
                if not piece:
                    raise Refusal(400, "body_cut_short", f"the body broke off {left} bytes before its Content-Length")
                pieces.append(piece)
                left -= len(piece)
        except TimeoutError:
            raise Refusal(408, "body_too_slow", "the body did not come in time") from None
        return b"".join(pieces)


def authority(text: str) -> tuple[str | None, str | None]:
    """The name and the port of a Host header; (None, None) for what is none, the port None where it is left out."""
    match = AUTHORITY.fullmatch(text.strip().lower())
    return (match[1], match[2]) if match else (None, None)


def is_address(name: str | None) -> bool:
    """True for an IP address as it stands in a Host header."""
    try:
        return bool(ipaddress.ip_address((name or "").strip("[]")))
    except ValueError:
        return False
