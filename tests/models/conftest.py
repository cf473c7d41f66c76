"""Tokenizers that the tests of the training data share: the World one, and a small byte-level BPE trained on the spot."""

import pytest
import tokenizers
from tokenizers import decoders, models, normalizers, pre_tokenizers, processors, trainers

from models.json_tokenizer import JsonTokenizer
from models.world_tokenizer import world as load_world

TEXT = "The cat sat on the mat. My cat is called Wanda. User: hello there\n\nAssistant: hello to you\n\n 你好，世界 🐈 "


@pytest.fixture(scope="session")
def world():
    return load_world()


@pytest.fixture(scope="session")
def train_bpe(tmp_path_factory):
    """train_bpe(alphabet=…, change=…) -> path of a tokenizer file; `change` alters the tokenizer before it is saved."""

    def train(alphabet=None, change=lambda wrapped: None, special=("<|endoftext|>", "<|mark|>")):
        wrapped = tokenizers.Tokenizer(models.BPE())
        wrapped.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        wrapped.decoder = decoders.ByteLevel()
        trainer = trainers.BpeTrainer(
            vocab_size=400,
            special_tokens=list(special),
            initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()) if alphabet is None else alphabet,
            show_progress=False,
        )
        wrapped.train_from_iterator([TEXT] * 8, trainer)
        change(wrapped)
        path = tmp_path_factory.mktemp("bpe") / "tokenizer.json"
        wrapped.save(str(path))
        return path

    return train


@pytest.fixture(scope="session")
def neox(train_bpe):
    """The path of a file built as the vocabulary of RWKV-4 (20B) is: NFC, the runs of spaces are words of their own."""

    def change(wrapped):
        wrapped.normalizer = normalizers.NFC()
        wrapped.post_processor = processors.ByteLevel(trim_offsets=True)
        wrapped.add_tokens([" " * size for size in range(24, 1, -1)])

    return train_bpe(change=change, special=("<|endoftext|>", "<|padding|>"))


@pytest.fixture(scope="session")
def bpe(train_bpe):
    return JsonTokenizer(train_bpe())


@pytest.fixture(scope="session", params=["world", "bpe"])
def tokenizer(request):
    """Each tokenizer in turn."""
    return request.getfixturevalue(request.param)
