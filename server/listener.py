"""The listener: an address, and the threads that serve an application on it (cheroot)."""

from __future__ import annotations

import errno
import logging
import threading

from cheroot.wsgi import Server

from server.connection import Connection, Gateway, Patience

log = logging.getLogger("server")

MAX_HEADER = 65536
MAX_KEPT = 1000


class CannotListen(OSError):
    """The address cannot be listened on; one sentence says why."""

    def __str__(self) -> str:
        return str(self.args[0])


class PortTaken(CannotListen):
    """Another program listens there."""


class StrictServer(Server):
    """Cheroot's server over our connections. A connection holds no thread before it has sent something."""

    ConnectionClass = Connection
    max_request_header_size = MAX_HEADER
    keep_alive_conn_limit = MAX_KEPT

    def __init__(self, address: tuple[str, int], app, threads: int, patience: Patience):
        super().__init__(address, app, numthreads=threads, server_name="RWKV-Ouroboros", request_queue_size=128, timeout=patience.write)
        self.gateway = Gateway
        self.patience = patience
        self.why_not: OSError | None = None

    def bind(self, family, type, proto=0):
        """Bind, and remember the error: cheroot keeps only its text."""
        try:
            return super().bind(family, type, proto)
        except OSError as error:
            self.why_not = error
            raise

    def process_conn(self, conn):
        """Give a connection to a thread; a new one first waits, with all that are kept open, for something to read."""
        if conn.last_used is None:
            self._connections.put(conn)
        else:
            super().process_conn(conn)

    def error_log(self, msg="", level=logging.INFO, traceback=False):
        """Cheroot's words into the log."""
        log.log(level, "connection %s", msg, exc_info=traceback)


class Listener:
    """Listens from the moment it is made; serves from `start` (a thread of its own) or `serve` (this one) to `stop`.

    `threads` requests may wait for the engine while as many again are free for everything else, so that /health
    and /cancel answer at the busiest time. Port 0 takes a free one: see `port`. Raises PortTaken or CannotListen.
    """

    def __init__(self, app, host: str, port: int, threads: int = 64, patience: Patience | None = None):
        self.host = host.strip("[]")
        self._server = StrictServer((self.host, port), app, 2 * threads, patience or Patience())
        self._thread: threading.Thread | None = None
        try:
            self._server.prepare()
        except OSError as error:
            why = self._server.why_not or error
            if why.errno == errno.EADDRINUSE:
                raise PortTaken(f"port {port} of {host} is taken by another program, choose one with --port") from None
            raise CannotListen(f"cannot listen on port {port} of {host}: {why.strerror or why}") from None
        self.port: int = self._server.bind_addr[1]

    @property
    def url(self) -> str:
        """Where to reach it."""
        return f"http://[{self.host}]:{self.port}" if ":" in self.host else f"http://{self.host}:{self.port}"

    def start(self) -> None:
        """Serve in a thread of its own."""
        self._thread = threading.Thread(target=self._server.serve, name="listener", daemon=True)
        self._thread.start()

    def serve(self) -> None:
        """Serve until `stop` is called elsewhere."""
        self.start()
        self._thread.join()

    def stop(self, grace: float = 5.0) -> None:
        """Take no more requests, wait up to `grace` seconds for those in hand, then cut them off."""
        self._server.shutdown_timeout = grace
        self._server.stop()
        if self._thread and self._thread is not threading.current_thread():
            self._thread.join()
