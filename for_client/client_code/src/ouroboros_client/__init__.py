"""A client of RWKV-Ouroboros: ask a model, correct it, teach it.

    from ouroboros_client import Client

    with Client() as client:
        for piece in client.infer_stream("What is my cat called?", session="cats"):
            print(piece, end="", flush=True)
        print(client.correct("cats", 1, "Your cat is called Wanda.")["words"]["en"])
"""

from ouroboros_client.async_client import AsyncClient, AsyncStream
from ouroboros_client.client import Client, Stream
from ouroboros_client.errors import OuroborosError

__all__ = ["AsyncClient", "AsyncStream", "Client", "OuroborosError", "Stream"]
