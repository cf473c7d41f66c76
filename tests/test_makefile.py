"""What `make` would install and start, with stand-ins for Python and for nvidia-smi that only write down what they were asked."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
[TORCH] = re.findall(r"^torch==(\S+)", (ROOT / "requirements.txt").read_text(encoding="utf-8"), re.MULTILINE)


@pytest.fixture
def make(tmp_path):
    """Runs make in a copy of its files; returns what was started, a line each: the program's name and its arguments."""
    for name in ("Makefile", "requirements.txt", "requirements-test.txt"):
        shutil.copy(ROOT / name, tmp_path)
    lock = tmp_path / "for_client/for_web/package-lock.json"
    lock.parent.mkdir(parents=True)
    lock.touch()
    log = tmp_path / "log"

    def stand_in(path, fails_on="no such text", status=1):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f'#!/bin/sh\necho "$(basename "$0") $*" >> {log}\ncase "$*" in *"{fails_on}"*) exit {status};; esac\n')
        path.chmod(0o755)

    def run(*arguments, gpu=False, npm=False, pip_fails_on="no such text"):
        log.write_text("")
        stand_in(tmp_path / ".venv/bin/python", pip_fails_on)
        stand_in(tmp_path / ".venv/bin/deepspeed")
        stand_in(tmp_path / "tools/nvidia-smi", "" if not gpu else "no such text")
        stand_in(tmp_path / "tools/npm", "" if not npm else "no such text")
        (lock.parent / "node_modules").mkdir(exist_ok=True)  # as npm would
        environment = {**os.environ, "PATH": f"{tmp_path / 'tools'}{os.pathsep}{os.environ['PATH']}"}
        environment = {k: v for k, v in environment.items() if k not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}  # also when make runs this
        done = subprocess.run(["make", "--no-print-directory", *arguments], cwd=tmp_path, env=environment, capture_output=True, text=True)
        started = [line for line in log.read_text().splitlines() if not line.startswith("nvidia-smi") and (npm or not line.startswith("npm"))]
        return done, started
    return run


def test_without_a_gpu_the_cpu_build_of_torch_comes_first(make):
    done, started = make("run", "ARGS=--port 0")
    assert done.returncode == 0, done.stderr
    assert started == [
        f"python -m pip install --quiet torch=={TORCH}+cpu",
        "python -m pip install --quiet -r requirements.txt",
        "deepspeed --num_nodes=1 --num_gpus=1 app.py --deepspeed --page --port 0",
    ]


def test_an_index_without_the_cpu_build_is_followed_by_pytorchs_own(make):
    done, started = make("run", pip_fails_on=f"--quiet torch=={TORCH}+cpu")
    assert done.returncode == 0, done.stderr
    assert started[1:3] == [
        f"python -m pip install --quiet --index-url https://download.pytorch.org/whl/cpu torch=={TORCH}+cpu",
        "python -m pip install --quiet -r requirements.txt",
    ]


def test_without_any_cpu_build_nothing_else_is_installed(make):
    done, started = make("run", pip_fails_on="+cpu")
    assert done.returncode != 0
    assert all("+cpu" in line for line in started)


def test_with_a_gpu_the_plain_build_is_taken(make):
    done, started = make("run", gpu=True)
    assert done.returncode == 0, done.stderr
    assert started[0] == "python -m pip install --quiet -r requirements.txt" and "+cpu" not in "".join(started)


def test_the_second_time_only_the_program_is_started(make):
    make("test")
    _, started = make("test", "ARGS=-x")
    assert started == ["python -m pytest -n 2 --dist loadfile -x"]
    _, started = make("run")
    assert started == ["deepspeed --num_nodes=1 --num_gpus=1 app.py --deepspeed --page"]


def test_an_install_that_failed_is_tried_again(make):
    done, _ = make("test", pip_fails_on="-r requirements.txt")
    assert done.returncode != 0
    _, started = make("test")
    assert "python -m pip install --quiet -r requirements.txt" in started


def test_the_libraries_of_the_page_are_installed_once(make):
    _, started = make("run", npm=True)
    assert "npm ci --silent --prefix for_client/for_web" in started
    _, started = make("run", npm=True)
    assert not any(line.startswith("npm") for line in started)


def test_what_npm_cannot_install_holds_nothing_up(make):
    done, started = make("run")
    assert done.returncode == 0 and "the rest runs without" in done.stdout and started[-1].startswith("deepspeed ")


def test_running_needs_none_of_what_tests_need(make):
    _, started = make("run")
    assert not any("requirements-test.txt" in line for line in started)


def test_failing_tests_fail_make(make):
    make("test")
    done, _ = make("test", pip_fails_on="pytest")
    assert done.returncode != 0


def test_plain_make_says_what_there_is_and_does_nothing(make):
    done, started = make()
    assert [line.split()[1] for line in done.stdout.splitlines()] == ["run", "test", "test-gpu", "bench", "bench-teaching", "clean"] and started == []
