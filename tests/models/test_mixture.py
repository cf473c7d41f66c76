"""Sets with shares: who comes when."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.mixture import Mixture, Share

seeds = st.integers(0, 2**63 - 1)
sets = st.dictionaries(st.sampled_from(["cats", "dogs", "fish-2", "a.b_c"]), st.tuples(st.integers(1, 5), st.integers(1, 12)), min_size=1)


def mixture(given, epochs=1, seed=0):
    """The mixture of {name: (share, size)}."""
    return Mixture([Share(name, count) for name, (count, _) in given.items()], {name: size for name, (_, size) in given.items()}, epochs, seed)


@pytest.mark.parametrize("text, share", [("cats:3", ("cats", 3)), ("7:1", ("7", 1)), ("a.b_c-d:999999", ("a.b_c-d", 999_999)), ("x" * 64 + ":1", ("x" * 64, 1))])
def test_a_share_is_a_name_and_a_number(text, share):
    assert Share.read(text) == share


@pytest.mark.parametrize("text", ["", "cats", "cats:", ":3", "cats:0", "cats:-1", "cats:1.5", "cats:01", "cats:３", "cats:1000000", "cats:" + "9" * 5000,
                                  "Cats:1", "../cats:1", ".cats:1", "cats:1\n", "cats :1", "cats:1:2", "x" * 65 + ":1"])
def test_anything_else_is_refused_in_a_sentence(text):
    with pytest.raises(ValueError, match="^a share is name:n, ") as refused:
        Share.read(text)
    assert len(str(refused.value)) < 300 and "\n" not in str(refused.value)


@given(given=sets, epochs=st.integers(1, 3), seed=seeds)
def test_shares_hold_in_every_beginning(given, epochs, seed):
    order = mixture(given, epochs, seed)
    whole = sum(count for count, _ in given.values())
    taken = Counter()
    for position, (name, _) in enumerate(order, start=1):
        taken[name] += 1
        rounds = position / whole
        for other, (count, _) in given.items():
            assert abs(taken[other] - count * rounds) < count
            if position % whole == 0:
                assert taken[other] == count * rounds


@given(given=sets, epochs=st.integers(1, 3), seed=seeds)
def test_every_lesson_comes_once_before_any_comes_twice(given, epochs, seed):
    order = list(mixture(given, epochs, seed))
    for name, (_, size) in given.items():
        numbers = [number for other, number in order if other == name]
        for start in range(0, len(numbers), size):
            once = numbers[start : start + size]
            assert len(set(once)) == len(once) and set(once) <= set(range(size))


@given(given=sets, epochs=st.integers(1, 3))
def test_an_epoch_shows_every_lesson_and_is_no_longer_than_that_needs(given, epochs):
    order = mixture(given, epochs)
    needed = max(-(-size // count) for count, size in given.values())
    assert len(order) == epochs * needed * sum(count for count, _ in given.values())
    assert {(name, number) for name, (_, size) in given.items() for number in range(size)} == set(order)


@given(given=sets, seed=seeds, data=st.data())
def test_the_order_can_be_taken_up_anywhere(given, seed, data):
    order = list(mixture(given, 3, seed))
    position = data.draw(st.integers(0, len(order)))
    again = mixture(given, 3, seed)
    assert [again[i] for i in range(position, len(again))] == order[position:] == again[position:]
    assert again[-1] == order[-1]
    with pytest.raises(IndexError):
        again[len(order)]


def test_another_pass_and_another_seed_are_another_order():
    one = {"cats": (1, 50)}
    order = list(mixture(one, 2, 1))
    assert order[:50] != order[50:] and order != list(mixture(one, 2, 2)) and order == list(mixture(one, 2, 1))
    assert order[:50] != sorted(order[:50])


@pytest.mark.parametrize("shares, sizes, told", [
    ([], {"cats": 1}, "a mixture needs at least one share, name:n"),
    ([Share("cats", 1), Share("cats", 2)], {"cats": 1}, "the set cats has two shares; give it one"),
    ([Share("cats", 1)], {"dogs": 1}, "there is no set cats"),
    ([Share("cats", 1)], {"cats": 0}, "the set cats has no lesson"),
])
def test_what_cannot_be_mixed_is_said(shares, sizes, told):
    with pytest.raises(ValueError) as refused:
        Mixture(shares, sizes)
    assert str(refused.value) == told
