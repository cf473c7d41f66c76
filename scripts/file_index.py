"""Write the README's list of files from the first line of each file's own description: python -m scripts.file_index"""

from __future__ import annotations

import ast
import subprocess
from pathlib import Path

ROOT = Path(__file__).parent.parent
BEGIN, END = "<!-- files -->\n", "<!-- end of files -->"
OTHERS = {
    "Makefile": "`make run`, `make test`, `make bench`", "requirements.txt": "what the program needs, pinned as tested",
    "requirements-test.txt": "what the tests need on top", "pyproject.toml": "settings of pytest and ruff", ".ci/run": "sets up and tests a clean clone",
    "rwkv_models/tiny/model.safetensors": "the embedded default model, bf16", "rwkv_models/tiny/tokenizer.json": "its vocabulary of 4,096 tokens",
    "rwkv_models/tiny/general.jsonl": "chats it made up itself: the probe, and what is rehearsed beside lessons",
    "rwkv_models/tiny/CARD.md": "what it was trained on, its losses, unselected samples", "data/sft.org": "lessons to begin with, English and Chinese",
    "engine/common_questions.txt": "questions that anybody may ask",
    "scripts/default_model/heldout.txt": "names that no training text may hold",
    "docs/pictures/emacs.svg": "a terminal Emacs with a conversation that was taught",
    "docs/pictures/command.svg": "the command in a terminal", "docs/pictures/app.png": "the page under /app: an answer corrected",
    "docs/pictures/correct.png": "the page: an answer corrected", "docs/pictures/learned.png": "the page: what came of a lesson",
    "docs/pictures/timeline.png": "the page: two versions compared", "web_ui/icon.svg": "the page's icon", "web_ui/catalogues/zh.toml": "the same in Chinese",
    "for_client/for_vscode/icon.png": "the extension's icon", "for_client/for_vscode/icons/view.svg": "the icon of its view",
    "for_client/for_vscode/package.json": "the extension: its commands, settings and tools",
    "for_client/for_vscode/package-lock.json": "its tools, pinned", "for_client/for_vscode/tsconfig.json": "how it is compiled",
    "for_client/for_vscode/.npmrc": "how npm writes the lock file", "for_client/for_vscode/.vscodeignore": "what the package leaves out",
    "for_client/for_vscode/eslint.config.mjs": "what the linter looks for", "for_client/for_vscode/package.nls.json": "the manifest's words",
    "for_client/for_vscode/package.nls.zh-cn.json": "the same in Chinese", "for_client/for_vscode/l10n/bundle.l10n.zh-cn.json": "what it says, in Chinese",
    "for_client/for_web/package.json": "the libraries of the page under /app", "for_client/for_web/package-lock.json": "they, pinned",
    "for_client/for_web/.npmrc": "how npm writes the lock file", "for_client/for_web/app/icon.svg": "the icon of the page",
    "for_client/for_web/app/index.html": "The page under /app: its libraries, then its own ClojureScript in the order in which it is read.",
    "bench/facts/facts.jsonl": "224 facts of 14 kinds, with other wordings, other uses and near questions",
    "bench/facts/texts.jsonl": "fixed texts by source, on which drift is measured",
}


def files() -> list[str]:
    """The files that belong in the list: everything kept, but the tests' own and empty markers."""
    kept = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\n")
    return sorted(f for f in kept if f and (ROOT / f).is_file() and (ROOT / f).stat().st_size and not f.startswith("tests/") and "/test/" not in f and not Path(f).name.startswith(".git") and f != "README.md")


def line(file: str) -> str:
    """What a file says of itself first."""
    if file in OTHERS:
        return OTHERS[file]
    text = (ROOT / file).read_text(encoding="utf-8")
    if file.endswith(".py"):
        return (ast.get_docstring(ast.parse(text)) or "").split("\n")[0].strip()
    first = next((row for row in text.splitlines() if row.strip()), "")
    if file.endswith(".el"):
        return first.partition(" --- ")[2].partition("  -*-")[0]
    return first.strip("#;/* ")


def index() -> str:
    """The list in Markdown."""
    return "".join(f"- `{file}`: {line(file)}\n" for file in files())


def main() -> None:
    """Replace the list between the markers."""
    readme = ROOT / "README.md"
    before, _, rest = readme.read_text(encoding="utf-8").partition(BEGIN)
    readme.write_text(f"{before}{BEGIN}{index()}{END}{rest.partition(END)[2]}", encoding="utf-8")


if __name__ == "__main__":
    main()
