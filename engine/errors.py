"""What can go wrong for a caller, each with the HTTP status class that the server gives it."""


class EngineError(Exception):
    """A refusal in one sentence. `param` names the field at fault, where one is; `code` is a short word for programs."""

    status = 500
    code = "server_error"

    def __init__(self, message: str, param: str | None = None, code: str | None = None):
        super().__init__(message)
        self.message = message
        self.param = param
        self.code = code or type(self).code


class BadRequest(EngineError):
    """The caller's request cannot be done as it stands."""

    status = 400
    code = "invalid_request"


class NotFound(EngineError):
    """A session, checkpoint or request of that name does not exist."""

    status = 404
    code = "not_found"


class Conflict(EngineError):
    """The request is sound but not now: a name is taken, a key was used for another lesson."""

    status = 409
    code = "conflict"


class DiskFull(EngineError):
    """The disk has no room for what must be kept; the sentence says how much is free and how much is needed."""

    status = 507
    code = "disk"


class Busy(EngineError):
    """The queue is full or the engine is stopping; `retry_after` is in seconds."""

    status = 503
    code = "busy"

    def __init__(self, message: str, retry_after: float = 1.0):
        super().__init__(message)
        self.retry_after = retry_after
