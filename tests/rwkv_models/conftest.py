"""Fixtures of these tests."""

import numpy as np
import pytest
import torch


@pytest.fixture
def threads():
    """Sets torch's number of threads, and sets it back."""
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


@pytest.fixture
def interpreter(monkeypatch):
    """Triton 3.6's interpreter, without two of its faults."""
    from triton import language
    from triton.runtime import interpreter

    original = interpreter._patch_lang_tensor

    def patched(tensor, scope):  # it asks int() of an array of one element, which NumPy 2.4 refuses
        original(tensor, scope)
        scope.set_attr(tensor, "__index__", lambda self: int(self.handle.data.item()))

    def values(x):
        return (x.data.astype(np.uint32) << 16).view(np.float32) if x.dtype.scalar == language.bfloat16 else x.data

    def create_dot(self, a, b, d, *how):  # it multiplies the bits of bf16 as whole numbers
        return interpreter.TensorHandle(np.matmul(values(a), values(b), dtype=d.data.dtype) + d.data, d.dtype.scalar)

    monkeypatch.setattr(interpreter, "_patch_lang_tensor", patched)
    monkeypatch.setattr(interpreter.InterpreterBuilder, "create_dot", create_dot)
