"""Checkpoints that were damaged or made to do harm: refused in one sentence, the running model untouched, and passed over at the start."""

import copy
import hashlib
import json
import os
import pickle
import random
import shutil
import struct
import zipfile
from pathlib import Path

import orjson
import pytest
import torch
from safetensors.torch import load_file, save_file

from config_scripts.schema import load_config
from engine.checkpoints import Checkpoints, digest_of
from engine.engine import Engine
from engine.errors import EngineError
from tests.crash.program import Program
from tests.crash.scenes import chat, started, teach
from tests.crash.small import script
from tests.server.running import Running, check_error

SEED = 20261124


@pytest.fixture(scope="module")
def settings(folder):
    return script(folder, moments=True)  # so that a checkpoint has more than one file of tensors


@pytest.fixture(scope="module")
def data(settings, tmp_path_factory):
    """A data folder with two lessons, a good checkpoint after the first, and one to be spoilt after the second."""
    data = tmp_path_factory.mktemp("damage") / "data"
    engine = started(settings, data)
    teach(engine, "a")
    chat(engine, "talk")
    engine.save("good").result(60)
    teach(engine, "b")
    engine.save("bad").result(60)
    engine.weights()
    engine.close(1)
    return data


@pytest.fixture(scope="module")
def server(settings, data, tmp_path_factory):
    """A server on a copy of it; what is loaded there is put into its folder by the tests."""
    own = tmp_path_factory.mktemp("running") / "data"
    shutil.copytree(data, own)
    engine = started(settings, own)
    with Running(engine=engine) as running:
        yield running
    engine.close(1)


def spoilt(server):
    """The folder of the checkpoint that is spoilt."""
    return next((server.engine.data / "checkpoints").glob("bad@*"))


def refused(server, whole):
    """/load refuses it in a sentence and the model is what it was; then the folder is put right."""
    before = server.engine.owner.run(server.engine.model.digest)
    response = server.post("/load", {"name": "bad"})
    sentence = check_error(response)
    assert response.status_code < 500, sentence
    assert server.engine.owner.run(server.engine.model.digest) == before
    for path in (server.engine.data / "checkpoints").glob("bad@*"):
        path.unlink() if path.is_symlink() else shutil.rmtree(path)
    shutil.copytree(whole, server.engine.data / "checkpoints" / whole.name)
    return sentence


@pytest.fixture(scope="module")
def whole(data):
    return next((data / "checkpoints").glob("bad@*"))


def passed_over(settings, data, tmp_path, spoil):
    """A start with the spoilt checkpoint: the model is what it was, by way of the older one and the journal."""
    own = tmp_path / "start"
    shutil.copytree(data, own, symlinks=True)
    spoil(next((own / "checkpoints").glob("bad@*")))
    engine = Engine(load_config(settings), own)
    last = [record for record in engine.journal.records if record["kind"] == "lesson"][-1]
    try:
        assert engine.versions.digest == last["digest"]
        assert engine.past.standing_on()[0].name == "good"
    finally:
        engine.store.close()
        engine.owner.stop()
        engine._lock.release()
    shutil.rmtree(own)


def cuts(folder):
    """64 truncations over all files, their ends and their beginnings among them."""
    files = sorted(path.name for path in folder.iterdir())
    return [(name, int((folder / name).stat().st_size * part / 22)) for name in files for part in range(22)]


def test_every_truncation_is_refused(server, whole, data, settings, tmp_path):
    found = cuts(whole)
    assert len(found) >= 64
    for name, size in found:
        place = spoilt(server) / name
        os.truncate(place, size)
        assert "damaged" in refused(server, whole), (name, size)
    for name, size in found[5::22]:
        passed_over(settings, data, tmp_path, lambda folder, name=name, size=size: os.truncate(folder / name, size))


def test_every_flipped_bit_is_refused(server, whole, data, settings, tmp_path):
    chance = random.Random(SEED)
    files = sorted(path.name for path in whole.iterdir())
    for number in range(210):
        name = files[number % len(files)]
        content = bytearray((whole / name).read_bytes())
        # The manifest is small and every bit of it counts: half of the others' flips go into their headers.
        at = chance.randrange(len(content) if number % 2 or name == "manifest.json" else 2000)
        bit = chance.randrange(8)
        content[at] ^= 1 << bit
        if name == "manifest.json" and json_of(content) == json_of((whole / name).read_bytes()):
            continue  # a blank that became another blank
        (spoilt(server) / name).write_bytes(content)
        assert "damaged" in refused(server, whole), f"seed={SEED}: bit {bit} of byte {at} of {name}"
        if number < len(files):
            passed_over(settings, data, tmp_path, lambda folder, name=name, content=content: (folder / name).write_bytes(content))


def json_of(content):
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError:
        return None


# -- checkpoints whose manifest is in order, made by somebody who means harm


class Payload:
    """What a pickle would do when it is read."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return Path.touch, (self.mark,)


def seal(folder, change=lambda manifest: None):
    """Have the manifest agree with the files, and with itself."""
    path = folder / "manifest.json"
    manifest = json.loads(path.read_bytes())
    for name in manifest["files"]:
        file = folder / name
        if file.is_file():
            manifest["files"][name] = {"bytes": file.stat().st_size, "sha256": hashlib.sha256(file.read_bytes()).hexdigest()}
    change(manifest)
    manifest["digest"] = digest_of(manifest)
    path.write_bytes(orjson.dumps(manifest))


def tensors(folder, change, file="model.safetensors"):
    """Change the tensors of a part."""
    held = load_file(folder / file)
    change(held)
    save_file(held, folder / file, {"format": "pt"})
    seal(folder)


def header(folder, data, size=None, rest=b"\0" * 64):
    """A safetensors file with that header."""
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(data) if size is None else size) + data + rest)
    seal(folder)


def a_pickle(folder):
    with open(folder / "model.safetensors", "wb") as file:
        pickle.dump(Payload(folder.parent / "harm"), file)
    seal(folder)


def a_torch_file(folder):
    torch.save({"emb.weight": Payload(folder.parent / "harm")}, folder / "model.safetensors")
    seal(folder)


def a_zip_bomb(folder):
    with zipfile.ZipFile(folder / "model.safetensors", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("model/data.pkl", b"\0" * 2**26)
    seal(folder)


def first(held):
    return next(name for name in held if held[name].ndim == 2)


def nan_in(file):
    def spoil(folder):
        def change(held):
            name = next(name for name in held if held[name].ndim)
            held[name].view(-1)[0] = float("nan")
        tensors(folder, change, file)
    return spoil


def entry(begin, end):
    return {"dtype": "F32", "shape": [16], "data_offsets": [begin, end]}


def a_link(folder):
    os.rename(folder / "model.safetensors", folder.parent / "elsewhere.bin")
    os.symlink(folder.parent / "elsewhere.bin", folder / "model.safetensors")


def a_linked_folder(folder):
    os.rename(folder, folder.parent / "elsewhere")
    os.symlink(folder.parent / "elsewhere", folder)


def named(path):
    return lambda folder: seal(folder, lambda manifest: manifest["files"].update({path: {"bytes": 1, "sha256": "0" * 64}}))


HOSTILE = {
    "pickle": a_pickle,
    "torch-file": a_torch_file,
    "zip-bomb": a_zip_bomb,
    "wrong-shape": lambda folder: tensors(folder, lambda held: held.update({first(held): held[first(held)][:, :3].contiguous()})),
    "wrong-type": lambda folder: tensors(folder, lambda held: held.update({first(held): held[first(held)].to(torch.int32)})),
    "missing-tensor": lambda folder: tensors(folder, lambda held: held.pop(first(held))),
    "nan-weights": nan_in("model.safetensors"),
    "nan-moments": nan_in("optimizer.safetensors"),
    "moments-of-another-shape": lambda folder: tensors(
        folder, lambda held: held.update({name: t[..., :1].contiguous() for name, t in held.items() if t.ndim}), "optimizer.safetensors"),
    "huge-header": lambda folder: header(folder, b"{}", 2**62),
    "header-that-overlaps": lambda folder: header(folder, orjson.dumps({"a": entry(0, 64), "b": entry(32, 96)}), rest=b"\0" * 96),
    "negative-offsets": lambda folder: header(folder, orjson.dumps({"a": entry(-64, 0)})),
    "deep-header": lambda folder: header(folder, b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
    "deep-manifest": lambda folder: (folder / "manifest.json").write_bytes(b"[" * 100_000 + b"]" * 100_000),
    "huge-manifest": lambda folder: os.truncate(folder / "manifest.json", 2**30),
    "path-upwards": named("../../etc/passwd"),
    "absolute-path": named("/etc/passwd"),
    "linked-file": a_link,
    "linked-folder": a_linked_folder,
    "missing-part": lambda folder: (folder / "optimizer.safetensors").unlink(),
    "no-model": lambda folder: seal(folder, lambda manifest: manifest["files"].pop("model.safetensors")),
    "wrong-seq": lambda folder: seal(folder, lambda manifest: manifest.update(seq=manifest["seq"] - 1)),
    "seq-of-words": lambda folder: seal(folder, lambda manifest: manifest.update(seq="last")),
    "another-course": lambda folder: seal(folder, lambda manifest: manifest.update(mark=1)),
    "no-roles": lambda folder: seal(folder, lambda manifest: manifest.pop("roles")),
    "roles-of-numbers": lambda folder: seal(folder, lambda manifest: manifest.update(roles=5)),
    "another-kind-of-training": lambda folder: seal(folder, lambda manifest: manifest.update(trains={"what": "everything"})),
    "an-adapter-of-nothing": lambda folder: seal(folder, lambda manifest: manifest.update(adapters=[{"name": "x", "kind": "lora"}])),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_checkpoint_that_means_harm_is_refused_and_passed_over(server, whole, data, settings, tmp_path, name):
    HOSTILE[name](spoilt(server))
    sentence = refused(server, whole)
    print(f"{name}: {sentence}")
    assert not list(server.engine.data.rglob("harm"))
    for leftover in (server.engine.data / "checkpoints").glob("elsewhere*"):
        shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()
    passed_over(settings, data, tmp_path, HOSTILE[name])


def test_the_program_itself_starts_beside_a_damaged_checkpoint_and_refuses_it(data, settings, tmp_path):
    own = tmp_path / "data"
    shutil.copytree(data, own)
    nan_in("model.safetensors")(next((own / "checkpoints").glob("bad@*")))
    with Program(settings, own) as program:
        weights = program.get("/weights")
        assert weights["version"] == 2 and weights["checkpoint"] == "good"
        answer = program.ask("/load", name="bad")
        assert answer.status_code == 400 and "not finite" in answer.json()["error"]["message"]
        assert program.get("/weights") == weights
        assert program.post("/load", name="good")["version"] == 1


def test_a_replacement_that_was_broken_off_is_undone(whole, tmp_path):
    shutil.copytree(whole, tmp_path / f".{whole.name}.old")
    assert [c.name for c in Checkpoints(tmp_path, 2**30).list()] == ["bad"]


def test_a_manifest_knows_any_change_of_itself(whole):
    manifest = json.loads((whole / "manifest.json").read_bytes())
    assert manifest["digest"] == digest_of(manifest) != digest_of(copy.deepcopy(manifest) | {"version": 7})
    with pytest.raises(EngineError):
        Checkpoints(whole.parent, 2**30).find("../etc")
