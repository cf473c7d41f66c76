"""Every error that a caller can see: one mapping from an exception to a status, headers and {"error": {…}}."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass, field
from http import HTTPStatus

from engine.errors import Busy, EngineError

log = logging.getLogger("server")

TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    409: "conflict_error",
    503: "overloaded_error",
}


class Refusal(EngineError):
    """A refusal that only HTTP knows: the status, its headers, and one sentence."""

    def __init__(self, status: int, code: str, message: str, param: str | None = None, headers: dict[str, str] | None = None):
        super().__init__(message, param, code)
        self.status = status
        self.headers = headers or {}


class ClientGone(Refusal):
    """The caller hung up before its answer was ready; the status is for the log alone."""

    def __init__(self):
        super().__init__(499, "client_gone", "the caller closed the connection")


@dataclass(frozen=True)
class Failure:
    """What is sent for an exception: the status, the headers that it brings, and the JSON object."""

    status: int
    code: str
    payload: dict
    headers: dict[str, str] = field(default_factory=dict)


def error_object(message: str, status: int, code: str, param: str | None = None) -> dict:
    """The one shape of an error, OpenAI's."""
    kind = TYPES.get(status) or ("invalid_request_error" if status < 500 else "server_error")
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def failure(error: BaseException, request_id: str) -> Failure:
    """Say what a caller is told of `error`. What nobody foresaw is logged with its traceback and told as 500 without one."""
    if not isinstance(error, EngineError):
        log.error("request=%s unforeseen=%s", request_id, type(error).__name__, exc_info=error)
        message = f"internal error, see the log with request id {request_id}"
        return Failure(500, "server_error", error_object(message, 500, "server_error"))
    headers = dict(getattr(error, "headers", {}))
    if isinstance(error, Busy):
        headers["Retry-After"] = str(max(1, math.ceil(error.retry_after)))
    return Failure(error.status, error.code, error_object(error.message, error.status, error.code, error.param), headers)


def status_line(status: int) -> str:
    """The status with its phrase, as WSGI wants it."""
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return f"{status} Refused"
