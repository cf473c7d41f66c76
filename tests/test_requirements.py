"""What is imported is installed, what is installed is pinned, and what is pinned is what runs."""

import ast
import re
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
# Folders that may use what only tests need; everything else runs on requirements.txt alone.
FOR_DEVELOPERS = {"tests", "bench", "scripts"}
# Comes with torch's CUDA builds and is used where it is there; without it the same results are made by plain torch.
WITH_TORCH = {"triton"}


def requirements(name):
    """The lines of a requirements file as {normalised distribution: version}."""
    lines = [line.split("#")[0].strip() for line in (ROOT / name).read_text(encoding="utf-8").splitlines()]
    return dict(re.fullmatch(r"([A-Za-z0-9._-]+)==([A-Za-z0-9.]+)", line).groups() for line in lines if line)


def normalised(name):
    """A distribution's name as PyPI compares names."""
    return re.sub(r"[-_.]+", "-", name).lower()


RUNTIME = {normalised(name): version for name, version in requirements("requirements.txt").items()}
TESTING = {normalised(name): version for name, version in requirements("requirements-test.txt").items()}
CLIENT_CODE = ROOT / "for_client" / "client_code"  # a package of its own, which says itself what it needs
CLIENT = {normalised(re.split("[<>=]", need)[0]) for need in tomllib.loads((CLIENT_CODE / "pyproject.toml").read_text())["project"]["dependencies"]}
FOREIGN = {normalised(name): version for name, version in requirements("requirements-foreign.txt").items()}


def third_party_imports(path):
    """Top-level modules that a file imports, anywhere in it, that are neither Python's nor ours."""
    tree = ast.parse(path.read_text(encoding="utf-8"), str(path))
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names.add(node.module.partition(".")[0])
    ours = {"ouroboros_client"} | {p.stem for p in ROOT.iterdir() if p.is_dir() or p.suffix == ".py"} | {p.stem for p in path.parent.glob("*.py")}
    return names - ours - set(sys.stdlib_module_names)


def sources():
    """Every Python file of the tree, as paths relative to its root."""
    files = (path.relative_to(ROOT) for path in ROOT.rglob("*.py"))
    return sorted(path for path in files if not any(part.startswith(".") or part == "node_modules" for part in path.parts))


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-test.txt", "requirements-foreign.txt"])
def test_every_requirement_is_pinned(name):
    lines = [line.split("#")[0].strip() for line in (ROOT / name).read_text(encoding="utf-8").splitlines()]
    assert [line for line in lines if line and not re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.]+", line)] == []


def test_no_requirement_is_listed_twice():
    assert not RUNTIME.keys() & TESTING.keys()


@pytest.mark.parametrize("name, version", [*RUNTIME.items(), *TESTING.items()])
def test_what_is_pinned_is_what_runs(name, version):
    """A build's own label (2.13.0+cpu) is the same version."""
    assert metadata.version(name).partition("+")[0] == version


def test_nothing_here_names_a_build_of_torch():
    """The Makefile chooses between the CPU and the CUDA build; a label or an index here would decide for everyone."""
    text = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    assert "torch==2." in text and "+" not in text and "--" not in text and "nvidia" not in text


@pytest.mark.parametrize("path", sources(), ids=str)
def test_every_import_is_a_requirement(path):
    listed = RUNTIME | TESTING if path.parts[0] in FOR_DEVELOPERS else RUNTIME
    if path.parts[:3] == ("tests", "foreign", "clients"):  # these run in an environment of their own
        listed = FOREIGN
    if path.parts[:2] == ("for_client", "client_code"):
        listed = CLIENT
    providers = metadata.packages_distributions()
    missing = {
        module for module in third_party_imports(ROOT / path) - WITH_TORCH
        if not any(normalised(distribution) in listed for distribution in providers.get(module, [module]))
    }
    assert not missing, f"{path} imports {missing}, which requirements.txt does not list"


def test_what_the_client_needs_is_installed_for_its_tests():
    assert (RUNTIME | TESTING).keys() >= CLIENT


def test_the_scan_sees_imports_inside_functions_and_conditions(tmp_path):
    source = tmp_path / "sample.py"
    source.write_text("import os, alien.deep\nif 1:\n    from martian import x\ndef f():\n    import venusian as v\nfrom . import near\n")
    assert third_party_imports(source) == {"alien", "martian", "venusian"}


def test_the_tree_is_scanned_whole():
    found = {path.parts[0] for path in sources()}
    assert {"config_scripts", "engine", "tests"} <= found and ".venv" not in found
