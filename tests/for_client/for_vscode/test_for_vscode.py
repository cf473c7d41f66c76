"""The extension for VS Code: it compiles, has nothing for the linter, does what it says against a real server, and makes a package."""

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.for_client.recipes import recipe

ROOT = Path(__file__).parents[3]
HERE = ROOT / "for_client" / "for_vscode"
INSTALLED = HERE / "node_modules" / ".package-lock.json"
OLDEST = (20, 19)
"""The oldest Node that the linter runs on."""


def node_is_missing():
    """Why the extension cannot be built here; None if it can."""
    if not (shutil.which("node") and shutil.which("npm")):
        return "node and npm are not installed: the extension for VS Code is not built"
    found = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    if tuple(map(int, re.findall(r"\d+", found)[:2])) < OLDEST:
        return f"node {found} is too old for the extension's tools: they need {'.'.join(map(str, OLDEST))}"
    return None


MISSING = node_is_missing()
pytestmark = pytest.mark.skipif(MISSING is not None, reason=str(MISSING))


def npm(*arguments, **environment):
    """Run npm in the extension's folder; returns what it printed."""
    environment = {**os.environ, "npm_config_update_notifier": "false", "NO_COLOR": "1", **environment}
    done = subprocess.run(["npm", *arguments], cwd=HERE, env=environment, capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-3000:]
    return done.stdout


@pytest.fixture(scope="module")
def installed():
    """The tools of the lock file, installed once."""
    if not INSTALLED.exists() or INSTALLED.stat().st_mtime < (HERE / "package-lock.json").stat().st_mtime:
        try:
            npm("ci")
        except (AssertionError, subprocess.TimeoutExpired) as error:
            pytest.skip(f"the extension's tools cannot be installed here: npm ci: {str(error).strip().splitlines()[-1]}")


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """The real program with the embedded model: its address and token."""
    data = tmp_path_factory.mktemp("served")
    command = [sys.executable, str(ROOT / "app.py"), "--port", "0", "--data", str(data)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=data, env=environment) as process:
        url = process.stdout.readline().removeprefix("listening on ").strip()
        try:
            yield {"OUROBOROS_URL": url, "OUROBOROS_TOKEN": (data / "token").read_text().strip()}
        finally:
            process.terminate()
            process.wait(30)


def test_it_compiles_and_has_nothing_for_the_linter(installed):
    npm("run", "check")


def test_it_does_what_it_says_against_the_real_server(installed, served):
    printed = npm("test", **served)
    counts = {name: int(count) for name, count in re.findall(r"^\S (tests|pass|fail|skipped|todo) (\d+)$", printed, re.MULTILINE)}
    assert counts["tests"] >= 80
    assert counts == {"tests": counts["tests"], "pass": counts["tests"], "fail": 0, "skipped": 0, "todo": 0}


def test_the_package_has_what_the_editor_loads_and_nothing_else(installed):
    npm("run", "package")
    with zipfile.ZipFile(HERE / "rwkv-ouroboros.vsix") as package:
        names = {name.removeprefix("extension/") for name in package.namelist() if name.startswith("extension/")}
        manifest = json.loads(package.read("extension/package.json"))
    assert {"package.json", "package.nls.json", "package.nls.zh-cn.json", "l10n/bundle.l10n.zh-cn.json", "icon.png", "icons/view.svg"} <= names
    assert manifest["main"].removeprefix("./") in names
    assert not [name for name in names if "test" in name or "node_modules" in name or name.endswith(".ts")]
    sources = {str(path.relative_to(HERE).with_suffix(".js")) for path in (HERE / "src").rglob("*.ts")}
    assert {f"out/{name}" for name in sources} == {name for name in names if name.startswith("out/")}


def test_the_recipe_of_the_docs_installs_it(installed, served, tmp_path):
    told = tmp_path / "told"
    code = tmp_path / "bin" / "code"
    code.parent.mkdir()
    code.write_text(f'#!/bin/sh\necho "$* $OUROBOROS_URL $OUROBOROS_TOKEN_FILE" >> {told}\n')
    code.chmod(0o755)
    block = recipe("VS Code", served["OUROBOROS_URL"], tmp_path / "token").removeprefix("npm ci --prefix for_client/for_vscode\n")  # as `installed` did
    subprocess.run(["bash", "-ec", block], cwd=ROOT, check=True, capture_output=True, timeout=200, env=os.environ | {"PATH": f"{code.parent}:{os.environ['PATH']}"})
    first, second = told.read_text().splitlines()
    assert first.split()[:2] == ["--install-extension", "for_client/for_vscode/rwkv-ouroboros.vsix"]
    assert second.split() == [".", served["OUROBOROS_URL"], str(tmp_path / "token")]


def test_the_lock_file_names_no_host():
    lock = json.loads((HERE / "package-lock.json").read_text(encoding="utf-8"))
    assert len(lock["packages"]) > 100
    assert [name for name, package in lock["packages"].items() if "resolved" in package] == []
    assert [name for name, package in lock["packages"].items() if name and "integrity" not in package] == []
