"""Compiling the native code: once, whole, and where that fails in one sentence."""

from __future__ import annotations

import ctypes
import re
from pathlib import Path

import pytest

from rwkv_models import native_library
from rwkv_models.native_decode import NativeDecode
from rwkv_models.native_library import NativeUnavailable
from tests.rwkv_models.native import SMALL, needs_native, network, tokens


def test_without_a_compiler_it_says_so_in_one_sentence(monkeypatch, tmp_path):
    native_library._library.cache_clear()
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    with pytest.raises(NativeUnavailable, match=r"^there is no C\+\+ compiler g\+\+ here$"):
        NativeDecode(network(SMALL))


@needs_native
def test_the_library_is_compiled_once_and_left_whole(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    first = native_library.build()
    made = first.stat().st_mtime_ns
    assert native_library.build() == first and first.stat().st_mtime_ns == made
    assert [path.name for path in first.parent.iterdir()] == [first.name]
    assert ctypes.CDLL(str(first)).rwkv7_decode_step
    monkeypatch.setattr(native_library, "FLAGS", (*native_library.FLAGS, "-DANOTHER"))
    assert native_library.build() != first


@needs_native
@pytest.mark.parametrize("source", ["int main( {", '#error "no"'])
def test_a_compiler_that_fails_is_one_sentence(monkeypatch, tmp_path, source):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "decode.cpp").write_text(source)
    monkeypatch.setattr(native_library, "SOURCES", tmp_path)
    with pytest.raises(NativeUnavailable, match="did not take native/decode.cpp") as caught:
        native_library.build()
    assert "\n" not in str(caught.value)
    assert not list((tmp_path / "cache" / "rwkv-ouroboros").iterdir())


@needs_native
def test_a_cache_that_cannot_be_written_is_one_sentence(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(NativeUnavailable, match="cannot be kept there"):
        native_library.build()


@needs_native
def test_torch_and_the_library_share_one_openmp_runtime():
    net = network(SMALL)
    NativeDecode(net).step(tokens(net, 1), net.zero_state(1))
    assert len(set(re.findall(r"/\S*lib(?:gomp|iomp5|omp)[^/\s]*", Path("/proc/self/maps").read_text()))) == 1
