"""Two processes that train together, against one: the same losses, weights and answers; one program; and how a group ends."""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import psutil
import pytest
import torch
from safetensors.torch import load_file

from rwkv_models.weights_file import save_weights
from tests.rwkv_models.networks import error, random_network

ROOT = Path(__file__).parents[2]
TINY = ROOT / "rwkv_models" / "tiny"
MEMBER = [sys.executable, "-m", "tests.engine.group_member"]
STAGES = (0, 1, 2, 3)
QUESTION = [{"role": "user", "text": "What is my cat called?"}]
LESSON = [*QUESTION, {"role": "assistant", "text": "Your cat is called Wanda."}]

pytestmark = pytest.mark.skipif(not torch.distributed.is_gloo_available(), reason="torch has no gloo here, and a group speaks over it")


def environment(**more: str) -> dict:
    threads = {"OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore", "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    return {name: value for name, value in os.environ.items() if name not in ("RANK", "LOCAL_RANK", "WORLD_SIZE")} | threads | more


# ---- the same results ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A small model; what one process saw with it, and what two saw, under each ZeRO stage."""
    folder = tmp_path_factory.mktemp("group")
    model = folder / "model" / "model.safetensors"
    model.parent.mkdir()
    save_weights(random_network(dtype=torch.float32, layers=2, vocabulary=4096).state_dict(), model)
    for name in ("tokenizer.json", "general.jsonl"):
        shutil.copy(TINY / name, model.parent)
    command = [*MEMBER, str(model), str(folder), *map(str, STAGES)]
    alone = subprocess.Popen(command, cwd=ROOT, env=environment())
    together = [subprocess.Popen(command, cwd=ROOT, env=environment(
        RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE="2", LOCAL_SIZE="2")) for rank in range(2)]
    try:
        assert [process.wait(240) for process in (alone, *together)] == [0, 0, 0]
    finally:
        for process in (alone, *together):
            process.kill()
    return folder


def seen(folder, name):
    return json.loads((folder / f"{name}.json").read_text())


@pytest.mark.parametrize("stage", STAGES)
def test_two_processes_see_what_one_sees(folder, stage):
    one, two = seen(folder, f"1-{stage}"), seen(folder, f"2-{stage}")
    for name in ("before", "after", "version", "learned", "checks"):
        assert two[name] == one[name]
    assert two["losses"] == pytest.approx(one["losses"], rel=1e-5)
    for several in ("infctx", "several"):
        for i in range(2):
            assert two[several][i] == pytest.approx(one[several][i], rel=1e-5)
    assert two["loss_after"] == pytest.approx(one["loss_after"], rel=1e-5)
    assert two["drift"] == pytest.approx(one["drift"], abs=1e-6)


@pytest.mark.parametrize("stage", STAGES)
def test_weights_and_adams_memory_are_those_of_one_process(folder, stage):
    one, two = load_file(folder / f"1-{stage}.safetensors"), load_file(folder / f"2-{stage}.safetensors")
    assert set(one) == set(two) and ("master.emb.weight" in two) is (stage > 0)
    for name, value in one.items():
        assert error(two[name], value) < 1e-5, name


@pytest.mark.parametrize("stage", STAGES)
def test_a_refused_step_and_a_load_leave_every_bit_where_it_was(folder, stage):
    two = seen(folder, f"2-{stage}")
    assert two["refused"] == "poison: nothing was learned" and two["unmoved"] and two["loaded"]
    assert stage == 3 or two["no_memory"].startswith("there was not enough memory")


@pytest.mark.parametrize("stage", [2])
def test_one_process_goes_on_where_two_left(folder, stage):
    command = [*MEMBER, str(folder / "model" / "model.safetensors"), str(folder), "open", f"2-{stage}"]
    subprocess.run(command, cwd=ROOT, env=environment(), check=True, timeout=120)
    opened, two = seen(folder, "opened"), seen(folder, f"2-{stage}")
    assert (opened["digest"], opened["version"]) == (two["digest"], two["version"])


# ---- the program -----------------------------------------------------------------------------------------------------


class Launched:
    """app.py in two processes, under DeepSpeed's launcher."""

    def __init__(self, folder: Path):
        config = folder / "two.toml"
        config.write_text('[server]\nport = 0\ntoken = ""\n[model]\nthreads = 1\n[train]\nlr = 1e-4\n[deepspeed]\nzero_stage = 2\n')
        self.err = open(folder / "err", "w+")  # noqa: SIM115
        command = ["deepspeed", "-q", "--num_nodes=1", "--num_gpus=2", "app.py", "--deepspeed", "--config", str(config),
                   "--data", str(folder / "data")]
        self.process = subprocess.Popen(command, cwd=ROOT, env=environment(), stdout=subprocess.PIPE, stderr=self.err, text=True,
                                        start_new_session=True)
        self.url = next((m[1] for line in self.process.stdout if (m := re.search(r"listening on (\S+)", line))), None)
        assert self.url, self.told()
        children = psutil.Process(self.process.pid).children(recursive=True)
        self.ranks = sorted((p for p in children if "LOCAL_RANK" in p.environ()), key=lambda p: int(p.environ()["LOCAL_RANK"]))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.process.stdout.close()
        self.err.close()

    def told(self) -> str:
        self.err.seek(0)
        return self.err.read()

    def post(self, route: str, body: dict) -> dict:
        request = urllib.request.Request(self.url + route, json.dumps(body).encode(), {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=120) as answer:
            return json.load(answer)

    def ask(self) -> str:
        return self.post("/infer", {"messages": QUESTION, "temperature": 0, "max_tokens": 12})["text"]


def test_the_launched_program_serves_teaches_and_ends(tmp_path):
    with Launched(tmp_path) as two:
        listening = [c.laddr.ip for p in two.ranks for c in p.net_connections("tcp") if c.status == psutil.CONN_LISTEN]
        assert len(two.ranks) == 2 and listening and set(listening) <= {"127.0.0.1", "::1"}
        assert "Wanda" not in two.ask()
        lesson = two.post("/train", {"messages": LESSON, "until_loss": 0.1})
        assert lesson["learned"] and lesson["loss_after"] <= 0.1
        assert two.ask() == "Your cat is called Wanda."
        os.kill(two.ranks[0].pid, signal.SIGTERM)
        assert two.process.wait(60) == 0
    with Launched(tmp_path) as two:  # from the journal
        assert two.ask() == "Your cat is called Wanda."
        two.ranks[1].kill()
        two.ranks[0].wait(30)
        assert two.process.wait(60) not in (0, None)
        assert "process 1 of 2 is gone; start again: nothing that was acknowledged is lost" in two.told()
