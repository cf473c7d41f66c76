"""The recipe of docs/clients.md for gptel, which nobody here wrote, in a batch Emacs."""

from pathlib import Path

import pytest

from tests.for_client.for_emacs.test_for_emacs import emacs, pytestmark, server  # noqa: F401
from tests.for_client.recipes import recipe

ASK = """
(setq gptel-temperature 0)
(let (done)
  (add-hook 'gptel-post-response-functions (lambda (&rest _) (setq done t)))
  (with-temp-buffer
    (text-mode)
    (gptel-mode)
    (insert "What is a cat?")
    (gptel-send)
    (with-timeout (60) (while (not done) (accept-process-output nil 0.05)))
    (princ (buffer-string))))
"""


def packages():
    """Where gptel and what it needs lie, as options of Emacs; none where it is not installed."""
    homes = [Path.home() / ".emacs.d" / "elpa", *(Path("/usr/share/emacs/site-lisp") / name for name in ("elpa", "elpa-src"))]
    found = [sorted(folder for home in homes for folder in home.glob(f"{name}-[0-9]*")) for name in ("gptel", "transient", "compat", "cond-let")]
    return [option for folders in found if folders for option in ("-L", str(folders[-1]))] if found[0] else []


def test_gptel(server, tmp_path):  # noqa: F811
    if not (where := packages()):
        pytest.skip("no gptel on this machine: M-x package-install RET gptel")
    block = recipe("gptel", server["OUROBOROS_URL"], tmp_path / "data" / "token")
    block = block.replace("127.0.0.1:3000", server["OUROBOROS_URL"].removeprefix("http://")).replace("~/RWKV-Ouroboros/", "")
    (tmp_path / "recipe.el").write_text(block + ASK)
    done = emacs(tmp_path, "-Q", "--batch", *where, "-l", "gptel-autoloads", "-l", str(tmp_path / "recipe.el"))
    assert done.returncode == 0, done.stderr
    question, answer = done.stdout.strip().split("\n\n")[:2]
    assert question == "What is a cat?" and len(answer) > 10
