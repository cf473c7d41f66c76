"""Schemathesis tries out every route of the description, with bodies that fit it and bodies that do not, one by one and one after another.

No answer is a 5xx, and none has a status or a type that the description does not tell.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from server.routes import ROUTES
from tests.server.running import TOKEN

HERE = Path(__file__).parent
PROGRAM = Path(sys.executable).parent / "schemathesis"


@pytest.mark.parametrize("examples, luck", [(50, ["--generation-deterministic"]), pytest.param(500, [], marks=pytest.mark.long)])
def test_every_route_answers_as_it_is_described(make_server, tmp_path, examples, luck):
    server = make_server()
    described, report = tmp_path / "described.json", tmp_path / "report.json"
    described.write_bytes(server.get("/openapi.json").content)  # from a file: asked for by address, that address would be left out
    done = subprocess.run(
        [PROGRAM, "--config-file", HERE / "schemathesis.toml", "run", described, "--url", server.url, "-H", f"Authorization: Bearer {TOKEN}",
         "--max-examples", str(examples), *luck, "--mode", "all", "--generation-allow-x00", "true", "--phases", "examples,coverage,fuzzing,stateful",
         "--continue-on-failure", "--no-shrink", "--report", "json", "--report-json-path", report],
        capture_output=True, text=True, cwd=tmp_path,
        env={**os.environ, "SCHEMATHESIS_HOOKS": "tests.server.schemathesis_hooks", "PYTHONPATH": str(HERE.parent.parent)})
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    told = json.loads(report.read_text())
    assert told["complete"] and told["operations"]["tested"] == len(ROUTES) and not told["operations"]["errored"]
    assert {told["phases"][phase]["status"] for phase in ("coverage", "fuzzing", "stateful")} == {"success"}
    assert told["test_cases"]["generated"] > 50 * len(ROUTES)
    assert {"infer", "train", "answer", "correct", "query", "delete_session"} <= {name for name, _ in server.engine.calls}
