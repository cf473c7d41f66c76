"""What can go wrong, as one exception: the server's own sentence, or one about the way to it."""

from __future__ import annotations

import json
from email.utils import parsedate_to_datetime
from time import time

import httpx2


class OuroborosError(Exception):
    """A request that came to nothing. As text it is one sentence, the server's own where it sent one.

    `status` is the HTTP status, None where no answer came. `code` and `type` are the server's words for the kind of error, or
    "unreachable" (nobody answers there), "lost" (the answer broke off), "not_ours" (something else answered), "bad_url" (an address
    that is none), "no_token" (its file cannot be read). `param` is the field that it is about; `retry_after` the seconds after which
    the server wants to be asked again.
    """

    def __init__(self, message: str, *, status: int | None = None, code: str | None = None, type: str | None = None,
                 param: str | None = None, retry_after: float | None = None):
        super().__init__(message)
        self.message = message
        self.status = status
        self.code = code
        self.type = type
        self.param = param
        self.retry_after = retry_after

    @property
    def not_begun(self) -> bool:
        """The server is sure to have done nothing: it could not be reached, or said itself that it is too busy."""
        return self.code == "unreachable" or (self.type == "overloaded_error" and self.retry_after is not None)

    @property
    def passing(self) -> bool:
        """It may go well the next time, and nobody knows whether it went well this time."""
        return self.status in (None, 408, 429, 500, 502, 503, 504) and self.code not in ("not_ours", "bad_url", "no_token")


def refused(response: httpx2.Response, body: bytes) -> OuroborosError:
    """The error that an answer with a status of 400 and up tells."""
    after = retry_after(response.headers.get("Retry-After"))
    try:
        told = json.loads(body)["error"]
        return OuroborosError(str(told["message"]), status=response.status_code, code=told.get("code"), type=told.get("type"),
                              param=told.get("param"), retry_after=after)
    except (ValueError, KeyError, TypeError, AttributeError):  # a proxy's page
        return OuroborosError(f"{response.url.host} answered {response.status_code} {response.reason_phrase}".strip(),
                              status=response.status_code, retry_after=after)


def in_stream(told: dict[str, str | None]) -> OuroborosError:
    """The error that came as an event of a stream whose status was sent long before."""
    return OuroborosError(str(told["message"]), status=200, code=told.get("code"), type=told.get("type"), param=told.get("param"))


def not_reached(error: httpx2.TransportError, url: str) -> OuroborosError:
    """The error of a connection."""
    if isinstance(error, (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout)):
        return OuroborosError(f"no server answers at {url}", code="unreachable")
    if isinstance(error, (httpx2.SSEError, httpx2.UnsupportedProtocol, httpx2.LocalProtocolError)):
        return OuroborosError(f"what answers at {url} is no RWKV-Ouroboros: {error}", code="not_ours")
    how = "did not come in time" if isinstance(error, httpx2.TimeoutException) else "broke off"
    return OuroborosError(f"the answer of {url} {how}", code="lost")


def retry_after(value: str | None) -> float | None:
    """The seconds that a Retry-After header asks for, which may be written as a date."""
    if value is None:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time())
    except ValueError:
        return None
