"""Checkpoints on the disk: their shards, and the name of the newest."""

import re

import pytest
import torch
from safetensors.torch import load_file

from engine.checkpoints import Checkpoints, digest_of
from engine.errors import BadRequest, Conflict, NotFound
from engine.shards import divided
from rwkv_models.weights_file import WeightsError

TENSORS = {f"{i}.weight": torch.full((25,), float(i)) for i in range(7)}
"""100 bytes each."""


def write(store, name="a", seq=1):
    return store.write(name, {"model": TENSORS, "optimizer": {}}, {"version": seq, "seq": seq})


@pytest.mark.parametrize("most", [1, 99, 100, 250, 300, 699, 700, 10**6])
def test_shards_hold_every_tensor_once_in_order_and_no_more_than_they_may(most, tmp_path):
    groups = list(divided(TENSORS, most))
    assert [name for group in groups for name in group] == list(TENSORS)
    assert all(len(group) == 1 or sum(t.nbytes for t in group.values()) <= most for group in groups)
    assert all(sum(t.nbytes for t in (*a.values(), *list(b.values())[:1])) > most for a, b in zip(groups, groups[1:], strict=False))
    checkpoint = write(Checkpoints(tmp_path, most))
    files = sorted(path.name for path in checkpoint.folder.glob("*.safetensors"))
    assert files == checkpoint.files("model") and len(files) == len(groups)
    count = len(files)
    assert files == (["model.safetensors"] if count == 1 else [f"model-{i:05d}-of-{count:05d}.safetensors" for i in range(1, count + 1)])
    read, by_hand = checkpoint.part("model"), {k: t for file in files for k, t in load_file(checkpoint.folder / file).items()}
    assert read.keys() == by_hand.keys() == TENSORS.keys()
    assert all(torch.equal(read[k], TENSORS[k]) and torch.equal(by_hand[k], TENSORS[k]) for k in TENSORS)
    told = checkpoint.describe()
    assert told["bytes"] == sum((checkpoint.folder / file).stat().st_size for file in files) and re.fullmatch("[0-9a-f]{64}", told["sha256"])
    assert checkpoint.part("optimizer") == {} and checkpoint.verify() is None


def test_a_shard_that_is_not_named_or_holds_what_another_one_holds_is_refused(tmp_path):
    checkpoint = write(Checkpoints(tmp_path, 300))
    whole = checkpoint.manifest["files"].copy()
    checkpoint.manifest["files"].pop("model-00002-of-00003.safetensors")
    with pytest.raises(ValueError, match="do not belong together"):
        checkpoint.part("model")
    checkpoint.manifest["files"] |= whole
    first, second = (checkpoint.folder / file for file in checkpoint.files("model")[:2])
    second.write_bytes(first.read_bytes())
    with pytest.raises(WeightsError, match=r"0\.weight is in another file"):
        checkpoint.part("model")
    assert "does not match" in checkpoint.verify() and checkpoint.manifest["digest"] != digest_of(checkpoint.manifest | {"seq": 2})


def test_a_checkpoint_is_what_its_folder_is_called(tmp_path):
    store, latest = Checkpoints(tmp_path, 300), tmp_path / "latest"
    for name, seq in (("a", 1), ("b", 2), ("b", 3)):
        write(store, name, seq)
    store.rename(store.folder_of("b"), "c")
    assert [(c.name, c.seq) for c in store.list()] == [("c", 3), ("b", 2), ("a", 1)] and latest.read_text() == "c@00000003\n"
    assert store.find("c").verify() is None and torch.equal(store.find("c").part("model")["6.weight"], TENSORS["6.weight"])
    for taken in ("a", "b", "c"):
        with pytest.raises(Conflict, match=f"there is a checkpoint {taken} already"):
            store.rename(store.folder_of("c"), taken)
    with pytest.raises(BadRequest, match="^as: a name is"):
        store.rename(store.folder_of("c"), "../d")
    store.rename(store.folder_of("a"), "z")  # not the newest: `latest` stays
    assert latest.read_text() == "c@00000003\n"
    assert [c.name for c in Checkpoints(tmp_path, 300).list()] == ["c", "b", "z"]


def test_a_checkpoint_is_hidden_and_latest_goes_to_the_next(tmp_path):
    store, latest = Checkpoints(tmp_path, 1000), tmp_path / "latest"
    for seq in (1, 2, 3):
        write(store, "a", seq)
    assert store.folder_of("a", 2).name == "a@00000002" and store.folder_of("a").name == "a@00000003"
    for seq, next_one in ((3, "a@00000002\n"), (1, "a@00000002\n")):
        hidden = store.hide(store.folder_of("a", seq))
        assert hidden.is_dir() and latest.read_text() == next_one and seq not in [c.seq for c in store.list()]
    assert store.hide(store.folder_of("a")).is_dir() and not latest.exists() and store.list() == []
    with pytest.raises(NotFound, match="there is no checkpoint a"):
        store.find("a", 2)
    assert [path.name for path in Checkpoints(tmp_path, 1000).folder.iterdir()] == []


def test_a_damaged_checkpoint_can_be_renamed_and_hidden(tmp_path):
    store = Checkpoints(tmp_path, 1000)
    (write(store, "a", 1).folder / "manifest.json").write_text("{")
    store.rename(store.folder_of("a"), "b")
    assert store.list() == [] and store.folder_of("b").name == "b@00000001" and not (tmp_path / "latest").exists()
    assert store.hide(store.folder_of("b")).is_dir()


def test_latest_names_the_newest_and_is_put_right_by_a_start(tmp_path):
    store, latest = Checkpoints(tmp_path, 1000), tmp_path / "latest"
    assert not latest.exists()
    for name, seq in (("a", 1), ("b", 2), ("a", 3)):
        write(store, name, seq)
        assert latest.read_text() == f"{name}@{seq:08d}\n"
    elsewhere = tmp_path.parent / f"{tmp_path.name}-elsewhere"
    elsewhere.write_text("a@00000003\n")
    for harm in (lambda: latest.write_text("b@00000002\n"), lambda: latest.write_bytes(b"\xff" * 9), latest.unlink,
                 lambda: (latest.unlink(), latest.symlink_to(elsewhere)), lambda: (latest.unlink(), latest.mkdir())):
        harm()
        assert [c.folder.name for c in Checkpoints(tmp_path, 1000).list()] == ["a@00000003", "b@00000002", "a@00000001"]
        assert latest.read_text() == "a@00000003\n" and not latest.is_symlink()
    (tmp_path / "a@00000003" / "manifest.json").write_text("{}")
    assert [c.seq for c in Checkpoints(tmp_path, 1000).list()] == [2, 1] and latest.read_text() == "b@00000002\n"
