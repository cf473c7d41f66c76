"""Where the server is, and the token that opens it: from an argument, the environment, or the file that the server wrote."""

from __future__ import annotations

import os
from pathlib import Path

import httpx2

from ouroboros_client.errors import OuroborosError

URL = "http://127.0.0.1:3000"
TOKEN_FILE = "data/token"


def find_url(url: str | None) -> str:
    """`url`, else OUROBOROS_URL, else http://127.0.0.1:3000, without a slash at its end. Raises OuroborosError for what is no address."""
    found = url or os.environ.get("OUROBOROS_URL") or URL
    try:
        address = httpx2.URL(found)
    except httpx2.InvalidURL:
        address = httpx2.URL()
    if address.scheme not in ("http", "https") or not address.host:
        raise OuroborosError(f"{found!r} is no address of a server, one looks like {URL}", code="bad_url")
    return found.rstrip("/")


def find_token(token: str | None, file: str | Path | None) -> str | None:
    """`token`, else what stands in `file`, else OUROBOROS_TOKEN, else what stands in OUROBOROS_TOKEN_FILE, else in data/token.

    None: there is none, and a server may need none. Raises OuroborosError where a file that was named cannot be read.
    """
    if token is not None:
        return token or None
    if file is None and (found := os.environ.get("OUROBOROS_TOKEN")):
        return found
    named = file or os.environ.get("OUROBOROS_TOKEN_FILE")
    try:
        return Path(named or TOKEN_FILE).read_text(encoding="ascii").strip() or None
    except (OSError, UnicodeDecodeError) as error:
        if named is None:
            return None
        reason = getattr(error, "strerror", None) or "it is no text"
        raise OuroborosError(f"{named}: the token cannot be read: {reason}", code="no_token") from None
