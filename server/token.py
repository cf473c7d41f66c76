"""The bearer token: made on the first start, kept in DIR/token for its owner's eyes, compared in constant time."""

from __future__ import annotations

import hmac
import logging
import os
import re
import secrets
import stat
from dataclasses import dataclass
from pathlib import Path

from config_scripts.sections import is_loopback

log = logging.getLogger("server")

GOOD = re.compile(r"[\x21-\x7e]{16,512}")


class TokenError(ValueError):
    """The token cannot be used as configured; one sentence says why."""


@dataclass(frozen=True)
class Token:
    """`value` is what callers must send ("" lets everyone in); `new` says that this start made it, so print it once."""

    value: str
    path: Path | None = None
    new: bool = False

    def __repr__(self) -> str:
        return f"Token(path={self.path}, new={self.new})"


def load_token(folder: Path, configured: str | None, host: str) -> Token:
    """The token to use: the configured one, else the one in `folder`/token, else a new one written there (mode 0600).

    Raises TokenError: an empty configured token with an address other than loopback, a token too weak to guard
    anything, or a file that cannot be read or written.
    """
    if configured == "":
        if not is_loopback(host):
            raise TokenError(f'[server] token = "" is allowed on loopback only, and host is {host}')
        return Token("")
    if configured is not None:
        return Token(checked(configured, "[server] token"))
    path = Path(folder) / "token"
    try:
        new = make(path)
        return Token(read(path), path, new)
    except OSError as error:
        raise TokenError(f"{path}: the token file cannot be used: {error.strerror or error}") from error


def make(path: Path) -> bool:
    """Write a new token where there is none. True when this call made it: of two starts at once, one wins."""
    if path.exists():
        for draft in path.parent.glob(".token-*"):  # of a start that was killed; another that is under way is too late with its own
            draft.unlink(missing_ok=True)
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".token-{os.getpid()}-{secrets.token_hex(4)}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(secrets.token_urlsafe(32) + "\n")
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, path)  # fails where the name is taken, unlike a rename
        return True
    except (FileExistsError, FileNotFoundError):
        return False
    finally:
        draft.unlink(missing_ok=True)


def read(path: Path) -> str:
    """The token in `path`. A file that others may read is closed to them first; a link is not followed."""
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    with os.fdopen(handle, "rb") as file:
        mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
        if mode & 0o077:
            os.fchmod(file.fileno(), 0o600)
            log.warning("token=%s mode=%o was open to others, now 600", path, mode)
        return checked(file.read(4096).decode("ascii", "replace").strip(), str(path))


def checked(value: str, where: str) -> str:
    """`value`, if it can be sent in a header and is long enough to guard anything."""
    if not GOOD.fullmatch(value):
        raise TokenError(f"{where}: a token has 16 to 512 characters, letters, digits and signs without spaces")
    return value


def same(given: str, wanted: str) -> bool:
    """Compare two tokens in a time that does not tell how much of them agrees."""
    return hmac.compare_digest(given.encode("utf-8", "surrogatepass"), wanted.encode("utf-8", "surrogatepass"))
