"""The one thread that owns the model: generation, learning, versions, journal, checkpoints."""

import rwkv_models  # noqa: F401 - says how torch's threads wait, before anything here imports torch
