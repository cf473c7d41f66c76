"""SIGTERM: nothing new is taken, what is open ends within its time, half a lesson is taken back, and the exit is 0 within ten seconds."""

import json
import signal
import sys
import time

import psutil
import pytest
import requests
import torch

from tests.engine.test_hard_times import LONG, until
from tests.engine.test_live_loop import LESSON, QUESTION
from tests.test_readme import ROOT, Server

PYTHON = (sys.executable, str(ROOT / "app.py"))
LAUNCHER = ("deepspeed", "-q", "--num_nodes=1", "--num_gpus=1", str(ROOT / "app.py"))


def pieces(response):
    """The events of an open stream, as they come."""
    return (json.loads(line[6:]) for line in response.iter_lines() if line.startswith(b"data: {"))


@pytest.mark.parametrize("command", [PYTHON, LAUNCHER], ids=["python", "deepspeed"])
def test_a_server_that_is_told_to_end_while_it_writes_and_learns(tmp_path, command):
    environment = {"DS_ACCELERATOR": "cuda" if torch.cuda.is_available() else "cpu"}
    server = Server(tmp_path, command, **environment)
    http = requests.Session()
    http.headers["Authorization"] = f"Bearer {(tmp_path / 'token').read_text().strip()}"
    post = lambda path, **body: http.post(server.url + path, json=body, stream=bool(body.get("stream")), timeout=60)  # noqa: E731
    assert post("/train", messages=LESSON, epochs=1).json()["learned"]
    digest = http.get(server.url + "/weights").json()["digest"]
    listening = pieces(http.get(server.url + "/events", stream=True, timeout=60))
    writing = pieces(post("/infer", messages=QUESTION, stream=True, max_tokens=100_000, ban_tokens=LONG.ban_tokens, temperature=0))
    learning = pieces(post("/train", messages=LESSON, epochs=5000, stream=True))
    assert next(listening)["event"] == "open" and "text" in next(writing) and next(learning)["step"] == 1
    above = psutil.Process(server.process.pid)
    began = time.monotonic()
    [above, *above.children(recursive=True)][-1].terminate()
    until(lambda: post("/infer", text="x", max_tokens=1).status_code == 503)
    refused = post("/train", text="Too late.")
    assert refused.status_code == 503 and "stopping" in refused.json()["error"]["message"] and refused.headers["Retry-After"]
    assert http.get(server.url + "/health").status_code == 200
    assert list(writing)[-1]["finish_reason"] == "cancelled"
    told = list(learning)[-1]
    assert not told["learned"] and "cancelled" in told["reason"] and told["version"] == 1
    assert [event["event"] for event in listening][-3:] == ["refused", "save", "end"]
    code = server.process.wait(30)
    assert code == 0 and (time.monotonic() - began < 10 or command is LAUNCHER), "the launcher looks at its processes when it likes"
    server.process.stdout.close()
    again = Server(tmp_path)
    assert http.get(again.url + "/weights").json()["digest"] == digest
    assert again.kill(15) == 0


@pytest.mark.parametrize("config, replayed", [("", 0), ("[save]\nat_end_mb = 1\n", 1)], ids=["small", "large"])
def test_a_checkpoint_at_the_end_spares_the_next_start_its_lessons(tmp_path, config, replayed):
    script, data = tmp_path / "script.toml", tmp_path / "data"
    script.write_text(config)
    data.mkdir()
    command = (*PYTHON, "--config", str(script))
    server = Server(data, command)
    http = requests.Session()
    http.headers["Authorization"] = f"Bearer {(data / 'token').read_text().strip()}"
    assert http.post(server.url + "/train", json={"messages": LESSON, "epochs": 1}, timeout=60).json()["learned"]
    digest = http.get(server.url + "/weights").json()["digest"]
    began = time.monotonic()
    assert server.kill(signal.SIGTERM) == 0 and time.monotonic() - began < 10
    again = Server(data, command)
    weights = http.get(again.url + "/weights").json()
    assert weights["lessons_since_checkpoint"] == replayed and weights["digest"] == digest
    assert len(http.get(again.url + "/save").json()["checkpoints"]) == 1 - replayed
    assert again.kill(signal.SIGTERM) == 0
    assert len(list((data / "checkpoints").glob("*@*"))) == 1 - replayed, "nothing is written twice, and nothing half"
