"""A process of its own that answers SPARQL queries over a snapshot of the lesson store; models/store_query.py starts it.

A query cannot be stopped from within, so the process ends with it: the kernel's timer kills it at the limit, whatever it does by
then and whether or not the one who asked still lives. One JSON object a line in: {"store": folder, "query", "format", "union",
"prefixes", "seconds", "bytes"}; out: {"type", "bytes"} or {"error", "code"} on a line, then so many bytes.
"""

from __future__ import annotations

import io
import json
import os
import resource
import signal
import sys

from pyoxigraph import QueryBoolean, QueryResultsFormat, QueryTriples, RdfFormat, Store

MEMORY = 2**30  # bytes
GRAPHS = {"text/turtle": RdfFormat.TURTLE, "application/n-triples": RdfFormat.N_TRIPLES}


class Bounded(io.BytesIO):
    """Bytes up to a limit."""

    def __init__(self, limit: int):
        super().__init__()
        self.limit = limit
        self.full = False

    def write(self, data: bytes) -> int:
        """Take more, or refuse."""
        if self.tell() + len(data) > self.limit:
            self.full = True
            raise OSError("full")
        return super().write(data)


def answer(store: Store, request: dict) -> tuple[dict, bytes]:
    """The head and the body of one answer."""
    out = Bounded(request["bytes"])
    try:
        found = store.query(request["query"], prefixes=request["prefixes"], use_default_graph_as_union=True)
        if isinstance(found, QueryTriples):
            type_ = request["format"] if request["format"] in GRAPHS else "application/n-triples"
            found.serialize(out, GRAPHS[type_])
        else:
            type_ = "application/sparql-results+json"
            if isinstance(found, QueryBoolean):
                out.write(found.serialize(format=QueryResultsFormat.JSON))
            else:
                found.serialize(out, QueryResultsFormat.JSON)
    except (SyntaxError, ValueError) as error:
        return {"error": str(error), "code": "query"}, b""
    except (OSError, RuntimeError) as error:
        return {"error": str(error), "code": "long" if out.full else "store"}, b""
    return {"type": type_, "bytes": out.tell()}, out.getvalue()


def main() -> None:
    """Answer until the input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the server
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGALRM])
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.nice(5)
    store, path = None, None
    for line in sys.stdin.buffer:
        request = json.loads(line)
        signal.setitimer(signal.ITIMER_REAL, request["seconds"])
        if request["store"] != path:
            store, path = Store.read_only(request["store"]), request["store"]
        head, body = answer(store, request)
        signal.setitimer(signal.ITIMER_REAL, 0)
        sys.stdout.buffer.write(json.dumps(head).encode() + b"\n" + body)
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
