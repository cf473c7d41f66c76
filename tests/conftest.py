"""Without a GPU, Triton's kernels run in its interpreter; it has to be asked for before anything imports triton."""

import os

import torch

if not torch.cuda.is_available():
    os.environ["TRITON_INTERPRET"] = "1"
