"""The digest of weights on a GPU: on one if there is one, else in Triton's interpreter."""

import numpy as np
import pytest
import torch

pytest.importorskip("triton", reason="triton is missing: torch's CUDA builds bring it, and it runs anywhere in its interpreter")

from rwkv_models import checksum  # noqa: E402

pytestmark = [pytest.mark.usefixtures("interpreter"), pytest.mark.filterwarnings("ignore:overflow encountered")]
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


def some(n=5000, dtype=torch.bfloat16):
    return {"a": torch.randn(n, generator=torch.Generator().manual_seed(0)).to(DEVICE, dtype), "b": torch.zeros(3, 1, device=DEVICE, dtype=dtype)}


@pytest.mark.parametrize(("n", "dtype"), [(1, torch.bfloat16), (1023, torch.bfloat16), (5000, torch.float32), (70_000, torch.float32)])
def test_sums_are_those_of_the_definition(n, dtype):
    x = some(n, dtype)["a"]
    raw = x.cpu().view(torch.uint8).numpy().tobytes()
    words = np.frombuffer(raw + b"\0" * (-len(raw) % 4), dtype=np.uint32).astype(object)

    def mixed(z):
        z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 % 2**64
        z = (z ^ z >> 27) * 0x94D049BB133111EB % 2**64
        return z ^ z >> 31

    each = [mixed((int(w) + i * 0x9E3779B97F4A7C15) % 2**64) for i, w in enumerate(words, 1)]
    once, twice = sum(each) % 2**64, sum(mixed((z + 0xD1B54A32D192ED03) % 2**64) for z in each) % 2**64
    of_another, of_it = checksum.sums([torch.ones(5, device=DEVICE), x]).tolist()
    assert [s % 2**64 for s in of_it] == [once, twice] and of_another != of_it


def test_one_bit_one_place_or_one_name_makes_another():
    known = {checksum.digest(some())}
    for i in (0, 1234, 4999):
        other = some()
        other["a"].view(torch.int16)[i] ^= 1
        known.add(checksum.digest(other))
    swapped = some()
    swapped["a"][[10, 12]] = swapped["a"][[12, 10]]
    known |= {checksum.digest(swapped), checksum.digest({"c": some()["a"], "b": some()["b"]}), checksum.digest(some(4999))}
    known.add(checksum.digest(some() | {"b": torch.zeros(1, 3, device=DEVICE, dtype=torch.bfloat16)}))
    assert len(known) == 8 and checksum.digest(some()) in known
