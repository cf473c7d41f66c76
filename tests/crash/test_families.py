"""The life of a model of each older family in the real program: chat, teach, ask, undo, save, a kill, and the same weights at the next start."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from models.json_tokenizer import BYTE_SYMBOLS
from rwkv_models.weights_file import save_weights
from tests.crash import small
from tests.crash.program import Program
from tests.rwkv_models.family_networks import OLD, random_of

QUESTION = [{"role": "user", "text": "Who?"}]


def prepared(kind, folder):
    """The small model's folder, with a network of another family in it."""
    file = small.make(folder)
    network = random_of(kind, torch.float32, layers=2, channels=32, head_size=32 if kind == "4" else 16, ffn=64, vocabulary=264)
    save_weights(network.state_dict(), file)
    return small.script(folder)


@pytest.mark.parametrize("kind", [OLD[0], *(pytest.param(kind, marks=pytest.mark.long) for kind in OLD[1:])])
def test_taught_undone_saved_killed_and_started_again(kind, tmp_path):
    script = prepared(kind, tmp_path)
    with Program(script, tmp_path / "data") as program:
        assert program.get("/health")["family"] == f"rwkv{kind[0]}"
        start = program.get("/weights")["digest"]
        first = program.post("/infer", messages=QUESTION, session="chat", temperature=0)
        taught = program.post("/train", messages=small.lesson(" Wanda."), until_loss=0.05, max_epochs=200, lr=1e-2)
        assert taught["learned"] and taught["loss_after"] <= 0.05 and first["text"].strip() != "Wanda."
        answer = program.post("/infer", messages=QUESTION, session="after", temperature=0)
        assert answer["text"].strip().startswith("Wanda.")
        after = program.get("/weights")["digest"]
        for mode in ("wani-bot", "pico"):
            assert program.post("/train", text="One and two and three and four.", mode=mode, ctx_len=8, keep_state=True, epochs=1)["learned"]
        program.post("/state", kind="infer", action="save", name="chat", session="after")
        program.post("/state", kind="train", action="save", name="memory")
        program.post("/state", kind="infer", action="load", name="chat", blend="memory", share=0.5, decay=0.5)
        program.post("/infer", messages=QUESTION, max_tokens=3)
        tuned = program.ask("/trains", what="state")
        assert tuned.status_code == (400 if kind == "4" else 200), tuned.text
        assert kind != "4" or "RWKV-4 has no initial state to tune" in tuned.json()["error"]["message"]
        program.post("/trains", what="lora", rank=4)
        assert program.post("/train", messages=small.lesson(" Ann."), epochs=3)["learned"]
        program.post("/trains", what="all")
        program.post("/rollback", version=1)
        assert program.get("/weights")["digest"] == after
        program.post(f"/lessons/{taught['lesson']}/undo")
        assert program.get("/weights")["digest"] == start
        program.post("/train", messages=small.lesson(" Zoe."), epochs=5)
        program.post("/save", name="default")
        program.post("/train", messages=small.lesson(" Bea."), epochs=5)
        end = program.get("/weights")["digest"]
        program.end()
    with Program(script, tmp_path / "data") as program:
        assert program.get("/weights")["digest"] == end != start
        assert program.post("/infer", messages=QUESTION, session="after", max_tokens=3)["turn"]


ORACLES = Path(__file__).parents[3] / "shared" / "oracles"


def alone(name, folder):
    """A tiny trained file and a tokenizer whose ids are bytes, beside each other; the path of the first."""
    vocabulary = {"<|endoftext|>": 0} | {BYTE_SYMBOLS[byte]: byte for byte in range(1, 256)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    tokenizer.add_special_tokens(["<|endoftext|>"])
    tokenizer.save(str(folder / "tokenizer.json"))
    return Path(shutil.copy(ORACLES / f"tiny-rwkv-{name}.safetensors", folder))


@pytest.mark.parametrize("name", ["5v2-730K", *(pytest.param(name, marks=pytest.mark.long) for name in ("4v0-660K", "5v1-730K", "7v0-834K"))])
def test_a_tiny_trained_file_alone_answers_as_published_and_learns(name, tmp_path):
    if not ORACLES.is_dir():
        pytest.skip(f"the tiny real checkpoints are not here ({ORACLES.name} folder beside the project)")
    file = alone(name, tmp_path)
    expected = np.load(ORACLES / f"tiny-rwkv-{name}.expected-logits.npy")
    with Program(file, tmp_path / "data") as program:
        assert f"chosen: {file.name} is RWKV-{name[0]}" in program.log.read_text()
        answer = program.post("/infer", tokens=[34, 105, 110], max_tokens=1, temperature=0, logprobs=5)
        assert answer["text"] == bytes([expected.argmax()]).decode()
        taught = program.post("/train", messages=small.lesson(" Wanda."))
        assert taught["learned"] and taught["loss_after"] < taught["loss_before"]
        end = program.get("/weights")["digest"]
        program.end()
    with Program(file, tmp_path / "data") as program:
        assert program.get("/weights")["digest"] == end
