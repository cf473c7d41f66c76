"""The other end of a connection: has it hung up?"""

from __future__ import annotations

import select
import socket

# Where the platform can tell "no more will come" from "something came", ask for it: a pipelined request hides the end.
HANG_UP = getattr(select, "POLLRDHUP", 0)


class Peer:
    """Watches one connected socket without reading from it."""

    def __init__(self, sock: socket.socket):
        self._socket = sock
        self._poll = select.poll()
        self._poll.register(sock.fileno(), select.POLLIN | HANG_UP)

    def gone(self) -> bool:
        """True once the caller has closed the connection, or its sending side. Never waits; costs one system call."""
        for _, events in self._poll.poll(0):
            if events & (select.POLLERR | select.POLLHUP | select.POLLNVAL | HANG_UP):
                return True
            try:
                return self._socket.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
            except BlockingIOError:
                return False
            except OSError:
                return True
        return False
