"""The Emacs package: its own tests in one batch Emacs against one real server, and package-lint."""

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PACKAGE = ROOT / "for_client" / "for_emacs"
pytestmark = pytest.mark.skipif(shutil.which("emacs") is None, reason="no emacs on this machine: apt-get install emacs-nox elpa-package-lint")


def emacs(home, *arguments, **environment):
    """Run Emacs in batch, with nothing of whoever runs the tests in it."""
    passed = {name: value for name, value in os.environ.items() if name in ("PATH", "TMPDIR")}
    return subprocess.run(["emacs", *arguments], capture_output=True, text=True, timeout=600, cwd=home,
                          env={**passed, "HOME": str(home), "LANG": "C.UTF-8", "NO_PROXY": "127.0.0.1", **environment})


@pytest.fixture
def server(tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    process = subprocess.Popen([sys.executable, str(ROOT / "app.py"), "--port", "0", "--data", str(data)], stdout=subprocess.PIPE, text=True, cwd=data)
    yield {"OUROBOROS_URL": process.stdout.readline().removeprefix("listening on ").strip(), "OUROBOROS_TOKEN": (data / "token").read_text().strip()}
    process.send_signal(signal.SIGTERM)
    code = process.wait(60)
    process.stdout.close()
    assert code == 0


@pytest.mark.slow
def test_its_own_tests_pass(server, tmp_path):
    done = emacs(tmp_path, "-Q", "--batch", "-L", str(PACKAGE), "-L", str(PACKAGE / "test"), "-l", "ouroboros-tests",
                 "-f", "ert-run-tests-batch-and-exit", **server)
    summary = re.search(r"^Ran (\d+) tests, (\d+) results as expected, (\d+) unexpected(.*)", done.stderr, re.MULTILINE)
    failed = "\n".join(re.findall(r"^Test \S+ condition:\n(?:.+\n)+? +FAILED.*", done.stderr, re.MULTILINE))
    assert summary, done.stderr[-4000:]
    ran, expected, unexpected = map(int, summary.groups()[:3])
    assert unexpected == 0 and done.returncode == 0, failed or done.stderr[-4000:]
    assert ran >= 40 and expected == ran, summary[0]
    assert "skipped" not in summary[4], summary[0]


def test_package_lint_has_nothing_to_say(tmp_path):
    has = emacs(tmp_path, "-q", "--no-site-file", "--batch", "-f", "package-initialize", "-l", "package-lint")
    if has.returncode:
        pytest.skip("no package-lint on this machine: apt-get install elpa-package-lint")
    done = emacs(tmp_path, "-q", "--no-site-file", "--batch", "-L", str(PACKAGE), "-f", "package-initialize", "-l", "package-lint",
                 "--eval", f'(setq package-lint-main-file "{PACKAGE / "ouroboros.el"}")', "-f", "package-lint-batch-and-exit", *map(str, sorted(PACKAGE.glob("*.el"))))
    assert done.returncode == 0 and not done.stdout.strip(), done.stdout + done.stderr
