"""A refactor that changes numbers is seen: losses of 20 steps in each mode are those of losses.json."""

import json

import pytest

from tests.golden.losses import FILE, WAYS, losses

GOLDEN = json.loads(FILE.read_text())


@pytest.mark.parametrize("way", WAYS)
def test_the_losses_are_what_they_were(way):
    found = losses(**WAYS[way])
    assert len(found) == 20 and found[-1] < found[0]
    assert found == pytest.approx(GOLDEN[way], rel=1e-9)


def test_the_ways_differ():
    assert set(GOLDEN) == set(WAYS) and len({row[-1] for row in GOLDEN.values()}) == len(WAYS)
