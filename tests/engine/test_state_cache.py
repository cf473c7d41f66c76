"""States in memory and in files: the bounds, which one goes, and that whatever goes wrong with a file only costs a second reading."""

import threading

import pytest
import torch

from engine.state_cache import StateCache, _keys
from rwkv_models.state import State

ONE = 4 * (8 + 8 + 64)
"""Bytes of one state of these tests."""


def state(number):
    return State(*((torch.full(shape, float(number)),) for shape in ((1, 8), (1, 8), (1, 1, 8, 8))))


def number(found):
    return None if found is None else int(found.wkv[0][0, 0, 0, 0])


@pytest.fixture
def cache(tmp_path):
    cache = StateCache(16 * ONE, tmp_path / "spilled", 100 * ONE)  # 14 at hand, 2 on their way to the disk
    yield cache
    cache.close()


def settle(cache):
    """Until what was to be written is written."""
    cache._writer.submit(lambda: None).result(30)


def fill(cache, numbers, stamp=1):
    for n in numbers:
        cache.put(0, [n, n], stamp, state(n))
        assert cache.bytes <= 16 * ONE
        settle(cache)


def files(cache):
    return len(list(cache.folder.iterdir()))


def in_files(cache):
    return [n for n in range(50) for key in _keys(0, [n, n], 1, [2]) if (cache.folder / f"{key.hex()}.safetensors").exists()]


def test_the_longest_beginning_short_of_the_last_token_under_the_same_weights_and_start(cache):
    for length in (2, 3, 5):
        cache.put(0, range(length), 1, state(length))
    found = lambda tokens, stamp=1, start=0: [f if i == 0 else number(f) for i, f in enumerate(cache.longest(start, tokens, stamp))]  # noqa: E731
    assert found(range(9)) == [5, 5] and found(range(6)) == [5, 5] and found(range(5)) == [3, 3] and found([0, 1, 9, 9]) == [2, 2]
    assert found(range(2)) == found([7, 7, 7, 7]) == found(range(9), stamp=2) == found(range(9), start=4) == [0, None]
    cache.put(4, range(5), 1, state(40))
    assert found(range(9), start=4) == [5, 40] and found(range(9)) == [5, 5]


def test_the_least_recently_used_goes_to_disk_and_comes_back_with_the_same_bits(cache):
    fill(cache, range(14))
    assert files(cache) == 0
    assert number(cache.longest(0, [0, 0, 0], 1)[1]) == 0  # used: now 1 is the oldest
    fill(cache, [14, 15])
    assert in_files(cache) == [1, 2] and cache.spilled_bytes == 2 * ONE
    length, back = cache.longest(0, [1, 1, 1], 1)
    assert length == 2 and all(torch.equal(a, b) for a, b in zip(back.tensors(), state(1).tensors(), strict=True))
    settle(cache)
    assert in_files(cache) == [2, 3]  # which made room for 1


def test_memory_and_disk_are_bounded_whatever_comes(cache):
    fill(cache, range(300))
    assert cache.bytes == 14 * ONE and cache.spilled_bytes == 100 * ONE and files(cache) == 100
    assert cache._lengths == {2: 114}
    for n in range(300):
        assert number(cache.longest(0, [n, n, 0], 1)[1]) == (n if n >= 300 - 114 else None)
        settle(cache)


def test_a_slow_disk_is_not_waited_for(cache):
    gate = threading.Event()
    cache._writer.submit(gate.wait)
    try:
        for n in range(40):
            cache.put(0, [n, n], 1, state(n))
            assert cache.bytes <= 16 * ONE
        assert cache.bytes == 16 * ONE  # two wait, the others that had no room are dropped
        assert [number(cache.longest(0, [n, n, 0], 1)[1]) for n in (0, 1, 2)] == [0, 1, None], "those that wait are still known"
    finally:
        gate.set()


@pytest.mark.parametrize("damage", [b"", b"no state", None])
def test_a_file_that_cannot_be_read_is_as_if_it_were_not_there(cache, damage):
    fill(cache, range(15))
    [file] = cache.folder.iterdir()
    file.unlink() if damage is None else file.write_bytes(damage)
    assert cache.longest(0, [0, 0, 0], 1) == (0, None) and cache.spilled_bytes == 0
    fill(cache, [0])
    assert number(cache.longest(0, [0, 0, 0], 1)[1]) == 0


def test_a_disk_that_refuses_costs_a_state_and_nothing_else(cache, monkeypatch, caplog):
    with monkeypatch.context() as m:
        m.setattr("engine.state_cache.save", lambda tensors: (_ for _ in ()).throw(OSError(28, "No space left on device")))
        fill(cache, range(20))
    assert files(cache) == 0 and cache.longest(0, [0, 0, 0], 1) == (0, None)
    assert [r.message for r in caplog.records if "cannot be written" in r.message] == [caplog.records[0].message], "said once"
    fill(cache, range(20, 24))
    assert files(cache) == 4


def test_states_of_other_weights_are_dropped_from_memory_and_disk(cache):
    fill(cache, range(20), stamp=1)
    fill(cache, [50], stamp=2)
    cache.keep_only(2)
    settle(cache)
    assert cache.bytes == ONE and cache.spilled_bytes == files(cache) == 0 and cache._lengths == {2: 1}
    assert cache.longest(0, [5, 5, 5], 1) == (0, None) and number(cache.longest(0, [50, 50, 0], 2)[1]) == 50


def test_nothing_of_an_earlier_start_is_left(tmp_path):
    first = StateCache(0, tmp_path / "spilled", 2**20)
    first.put(0, [1], 1, state(1))
    assert first.bytes == 0 and first.longest(0, [1, 2], 1) == (0, None)
    first.close()
    (tmp_path / "spilled" / "old.safetensors").write_bytes(b"old")
    StateCache(0, tmp_path / "spilled", 2**20).close()
    assert not list((tmp_path / "spilled").iterdir())
