"""From a correction to the next answer, over HTTP: what a person waits who corrects an answer and goes on.

    python -m bench.correction [1.5B | 2.9B | 7.2B]

The real program with the default config, or with the config of 2.9B and random weights of that size, made in a folder that is removed
at the end. Each round is a session of its own: a question is answered, the answer is corrected by a text of 120 tokens that is learned in
two steps, and something else is asked. Told are medians: of the lesson; until the correction is acknowledged (in the journal, on the disk);
and until the first token of the next answer has come; both from sending the correction. First without rehearsal, then as configured.
"""

from __future__ import annotations

import http.client
import json
import re
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from bench.facts.server import ROOT, Started

ROUNDS, UNTIMED = 6, 3
WORDS = ("house", "lake", "garden", "boat", "summer", "guest", "friend", "morning", "island", "pier", "bread", "honey")
WAYS = {"without rehearsal": {"replay": 0, "general": 0}, "as configured": {}}


def correction(length: int) -> str:
    """So many words, none of which was in a round before."""
    return " ".join(WORDS[(i * 7 + length) % len(WORDS)] for i in range(100 + length % 5))


def first_token(server: Started, body: dict) -> None:
    """Ask, and wait for the first piece of the answer."""
    host = re.sub("^http://", "", server.url)
    connection = http.client.HTTPConnection(host, timeout=600)
    headers = {"Authorization": f"Bearer {server.token}", "Content-Type": "application/json"}
    connection.request("POST", "/infer", json.dumps(body | {"stream": True}), headers)
    response = connection.getresponse()
    for line in response:
        if line.startswith(b"data:") and b'"text"' in line:
            break
    else:
        raise RuntimeError(f"no token came: {response.status}")
    response.read()
    connection.close()


def ask(text: str, session: str) -> dict:
    """A question of a session, to be answered in few tokens."""
    return {"messages": [{"role": "user", "text": text}], "session": session, "max_tokens": 8, "temperature": 0}


def one(server: Started, name: str, length: int, options: dict) -> tuple[dict, float, float]:
    """(What the correction came to, ms until it was acknowledged, ms until the first token of the next answer.)"""
    turn = server.post("/infer", ask("Where did we stay last summer?", name))["turn"]
    began = time.perf_counter()
    told = server.post(f"/sessions/{name}/correct", {"turn": turn, "text": correction(length), "checks": False, "epochs": 2, **options})
    learned = time.perf_counter()
    first_token(server, ask("And what did we do there?", name))
    return told, 1e3 * (learned - began), 1e3 * (time.perf_counter() - began)


def random_weights(size: str, folder: Path) -> Path:
    """A config script in `folder` for random weights of a size."""
    from bench.decode_gpu import SHAPES, random_network
    from rwkv_models.weights_file import save_weights

    weights = folder / "random.safetensors"
    save_weights(dict(random_network(SHAPES[size]).named_parameters()), weights)
    text = (ROOT / "config_scripts" / "rwkv7-2.9b.toml").read_text(encoding="utf-8")
    config = folder / "config.toml"
    config.write_text(re.sub(r'^file = "[^"]*"', f'file = "{weights}"', text, flags=re.M), encoding="utf-8")
    return config


def main() -> None:
    """Print a line for each way."""
    with tempfile.TemporaryDirectory() as folder:
        config = str(random_weights(sys.argv[1], Path(folder))) if len(sys.argv) > 1 else None
        began = time.perf_counter()
        with Started(Path(folder) / "data", config) as server:
            print(f"{server._ask('GET', '/health')['model']}: ready after {time.perf_counter() - began:.0f} s", flush=True)
            for way, options in WAYS.items():
                rounds = [one(server, f"{way.split()[0]}{i}", i, options) for i in range(UNTIMED + ROUNDS)]
                told, waits, firsts = zip(*rounds[UNTIMED:], strict=True)
                lesson = 1e3 * median(t["seconds"] for t in told)
                print(f"{way}: {told[0]['tokens']} tokens, {told[0]['steps']} steps, lesson {lesson:.0f} ms, "
                      f"acknowledged {median(waits):.0f} ms, first token of the next answer {median(firsts):.0f} ms "
                      f"({', '.join(f'{ms:.0f}' for ms in firsts)}); the first round {rounds[0][2]:.0f} ms", flush=True)


if __name__ == "__main__":
    main()
