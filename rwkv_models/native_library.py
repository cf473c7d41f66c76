"""The native code of the CPU, compiled once by the machine's g++ for its very processor, and kept in the user's cache directory.

All of native/*.cpp becomes one library (a few seconds, the first time). It runs in the OpenMP threads that torch uses.
Where that cannot be, NativeUnavailable says why in one sentence, and the caller stays with the network itself.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
import re
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

SOURCES = Path(__file__).parent / "native"
# No -ffast-math: NaN must stay NaN, and the order of sums is part of the result.
FLAGS = ("-std=c++20", "-O3", "-fno-math-errno", "-fPIC", "-march=native" if platform.machine() in ("x86_64", "AMD64") else "-mcpu=native")


class NativeUnavailable(RuntimeError):
    """Native code cannot be had here or for this network; the text is one sentence."""


def _openmp_runtime() -> str:
    """The OpenMP library that torch runs on: with a second one beside it, two pools of threads would fight for the cores."""
    try:
        maps = Path("/proc/self/maps").read_text()
    except OSError:
        raise NativeUnavailable("native code is for Linux") from None
    found = re.search(r"/.*/lib(?:gomp|iomp5|omp)[^/\n]*\.so[^/\n]*$", maps, re.MULTILINE)
    if not found:
        raise NativeUnavailable("torch runs without an OpenMP library here, native code would need one")
    return found[0]


def _run(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, stdin=subprocess.DEVNULL)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NativeUnavailable(f"the compiler {command[0]} could not be run ({type(error).__name__})") from None
    if done.returncode:
        first = next((line for line in done.stderr.splitlines() if "error" in line.lower()), f"status {done.returncode}")
        raise NativeUnavailable(f"the compiler {command[0]} did not take native/{Path(command[-1]).name}: {first.strip()[:200]}")
    return done.stdout


def _processor() -> str:
    """What -march=native depends on."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    return "\n".join(sorted({line for line in lines if line.startswith(("flags", "Features", "model name", "CPU part"))}))


def build() -> Path:
    """The compiled library's file: from the cache ($XDG_CACHE_HOME or ~/.cache, rwkv-ouroboros), compiled if it is not there."""
    compiler = shlex.split(os.environ.get("CXX", "")) or ["g++"]
    if not shutil.which(compiler[0]):
        raise NativeUnavailable(f"there is no C++ compiler {compiler[0]} here")
    runtime = _openmp_runtime()
    files = sorted(path for path in SOURCES.glob("*") if path.suffix in (".cpp", ".h"))
    facts = (*compiler, _run([*compiler, "--version"]), _processor(), runtime, *FLAGS)
    key = hashlib.sha256(b"".join(path.read_bytes() for path in files) + "\0".join(facts).encode()).hexdigest()[:24]
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "rwkv-ouroboros"
    library = folder / f"native-{key}.so"
    if library.is_file():
        return library
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.TemporaryDirectory(dir=folder) as work, ThreadPoolExecutor() as pool:
            sources = [path for path in files if path.suffix == ".cpp"]
            objects = [f"{work}/{path.stem}.o" for path in sources]
            commands = [[*compiler, *FLAGS, "-fopenmp", "-o", made, "-c", str(path)] for path, made in zip(sources, objects, strict=True)]
            for _ in pool.map(_run, commands):
                pass
            # Linked in a call of its own: with -fopenmp that one would add the compiler's own OpenMP library.
            _run([*compiler, "-shared", *objects, runtime, "-o", f"{work}/native.so"])
            os.replace(f"{work}/native.so", library)
    except OSError as error:
        raise NativeUnavailable(f"{folder}: the compiled library cannot be kept there ({error.strerror})") from None
    return library


@cache
def _library() -> ctypes.CDLL:
    path = build()
    try:
        return ctypes.CDLL(str(path))
    except OSError as error:
        raise NativeUnavailable(f"{path}: not a usable library ({str(error)[:160]})") from None


def function(name: str, arguments: str) -> Callable[..., int]:
    """One of the library's functions. `arguments`: a letter each, p a pointer, i an int. Raises NativeUnavailable."""
    found = getattr(_library(), name)
    found.argtypes = [{"p": ctypes.c_void_p, "i": ctypes.c_int}[letter] for letter in arguments]
    found.restype = ctypes.c_int
    return found
