"""Without a GPU, Triton's kernels run in its interpreter; it has to be asked for before anything imports triton."""

import os

os.environ.setdefault("GOMP_SPINCOUNT", "2000")  # as app.py does: tests share their cores with the servers that they start

import torch

if not torch.cuda.is_available():
    os.environ["TRITON_INTERPRET"] = "1"
