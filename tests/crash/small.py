"""A model so small that a start takes two seconds and a lesson some hundredths of one: 2 layers of 32, a token is a byte."""

from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from rwkv_models.weights_file import save_weights
from tests.rwkv_models.networks import random_network

SCRIPT = """
[model]
file = "{file}"
threads = 1
[server]
queue = 64
threads = 24
[infer]
max_tokens = 12
[train]
lr = 3e-3
max_epochs = 4
ctx_len = 16
window = 4
replay = 2
general = 0
kl = 0.0
carry_moments = {moments}
[save]
every_lessons = {every}
keep = {keep}
shard_mb = {shard_mb}
"""


def make(folder: Path) -> Path:
    """Write the model and its tokenizer into a folder; the weights file."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={"<|endoftext|>": 0} | {c: i for i, c in enumerate(alphabet, 1)}, merges=[]))
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    tokenizer.add_special_tokens(["<|endoftext|>"])
    tokenizer.save(str(folder / "tokenizer.json"))
    file = folder / "model.safetensors"
    save_weights(random_network(dtype=torch.float32, layers=2, channels=32, head_size=16, vocabulary=264).state_dict(), file)
    return file


def script(folder: Path, every: int = 0, moments: bool = False, keep: int = 2, shard_mb: float = 4096) -> Path:
    """A config script for the model in a folder."""
    path = folder / f"every-{every}-{moments}-{keep}-{shard_mb}.toml"
    if not path.exists():  # written once: another process may be reading it, and an empty script is a good one, of another model
        path.write_text(SCRIPT.format(file=folder / "model.safetensors", every=every, moments=str(moments).lower(), keep=keep, shard_mb=shard_mb))
    return path


def lesson(text: str, question: str = "Who?") -> list[dict]:
    return [{"role": "user", "text": question}, {"role": "assistant", "text": text}]
