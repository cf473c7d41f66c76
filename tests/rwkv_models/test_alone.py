"""The group of one process: each collective and each step of training gives what torch's own groups give, to the bit."""

import os
import subprocess
import sys
from contextlib import contextmanager
from datetime import timedelta

import pytest
import torch
import torch.distributed as dist
from torch.distributed.distributed_c10d import _coalescing_manager

from rwkv_models import alone
from rwkv_models.optimizer import loopback_process_group

pytestmark = [pytest.mark.skipif(not dist.is_gloo_available(), reason="torch has no gloo here, to compare with"),
              pytest.mark.filterwarnings("ignore::FutureWarning")]  # torch 2.13 renamed collectives; DeepSpeed calls them by the old names
DEVICES = ["cpu", pytest.param("cuda", marks=[
    pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device here")])]

loopback_process_group()


@pytest.fixture(scope="module")
def gloo():
    """A group of this process over gloo, beside the default one."""
    group = dist.new_group([0], backend="gloo", timeout=timedelta(seconds=20))
    yield group
    dist.destroy_process_group(group)


def coalesced(collective):
    def run(x, y, **how):
        with _coalescing_manager(how["group"]):
            collective(x, y, group=how["group"])
    return run


KEEP = {
    "all_reduce": lambda x, y, **how: dist.all_reduce(x, **how),
    "all_reduce of the mean": lambda x, y, **how: dist.all_reduce(x, op=dist.ReduceOp.AVG, **how),
    "all_reduce_coalesced": lambda x, y, **how: dist.all_reduce_coalesced([x, y], **how),
    "reduce": lambda x, y, **how: dist.reduce(x, 0, **how),
    "broadcast": lambda x, y, **how: dist.broadcast(x, 0, **how),
    "barrier": lambda x, y, **how: dist.barrier(**how),
}
COPY = {
    "all_gather": lambda x, y, **how: dist.all_gather([y], x, **how),
    "all_gather_coalesced": lambda x, y, **how: dist.all_gather_coalesced([[y]], [x], **how),
    "all_gather_into_tensor": lambda x, y, **how: dist.all_gather_into_tensor(y, x, **how),
    "gather": lambda x, y, **how: dist.gather(x, [y], **how),
    "scatter": lambda x, y, **how: dist.scatter(y, [x], **how),
    "reduce_scatter": lambda x, y, **how: dist.reduce_scatter(y, [x], **how),
    "reduce_scatter_tensor": lambda x, y, **how: dist.reduce_scatter_tensor(y, x, **how),
    "all_to_all": lambda x, y, **how: dist.all_to_all([y], [x], **how),
    "all_to_all_single": lambda x, y, **how: dist.all_to_all_single(y, x, **how),
}
COALESCED = {f"coalesced {name}": coalesced(collective) for name, collective in {
    "all_reduce": lambda x, y, group: dist.all_reduce(x, group=group),
    "all_gather_into_tensor": lambda x, y, group: dist.all_gather_into_tensor(y, x, group=group),
    "reduce_scatter_tensor": lambda x, y, group: dist.reduce_scatter_tensor(y, x, group=group),
}.items()}


def called(collective, group, device, dtype, **how):
    """The work, and the two tensors that a collective had."""
    x = torch.randn(6, 4, generator=torch.Generator().manual_seed(0)).to(device, dtype)
    y = torch.full_like(x, 7)
    return collective(x, y, group=group, **how), [x, y]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", [*KEEP, *COPY, *COALESCED])
def test_a_collective_leaves_what_gloo_leaves(gloo, name, device):
    collective = (KEEP | COPY | COALESCED)[name]
    reference_of = COPY["all_to_all_single"] if name == "all_to_all" else collective  # which not every gloo has
    group = dist.new_group([0])
    assert dist.get_backend() == dist.get_backend(group) == alone.NAME
    for dtype in (torch.float32, torch.bfloat16, torch.float64):
        reference = called(reference_of, gloo, "cpu", dtype)[1]
        for own in (group, None):
            done, found = called(collective, own, device, dtype)
            assert all(torch.equal(a.cpu(), b) for a, b in zip(found, reference, strict=True)), dtype
            assert done is None or name.startswith("coalesced")
        assert torch.equal(reference[1], reference[0]) is (name in COPY or "_tensor" in name)
    dist.destroy_process_group(group)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", [*KEEP, *COPY])
def test_the_work_of_a_collective_is_done(name, device):
    work, found = called((KEEP | COPY)[name], None, device, torch.float32, async_op=True)
    if "coalesced" in name:  # torch gives their future itself
        future = work
    else:
        assert work.wait() and work.is_completed() and work.is_success()
        future = work.get_future()
    outputs = future.wait()
    assert all(any(o.data_ptr() == f.data_ptr() for f in found) for o in outputs) and bool(outputs) is (name != "barrier")


def test_coalescing_by_device_as_deepspeed_does_it():
    x, outputs = torch.arange(4.0), [torch.zeros(4), torch.zeros(4)]
    with _coalescing_manager(None, device=x.device, async_ops=True) as works:
        for output in outputs:
            dist.all_gather_into_tensor(output, x, async_op=True)
    works.wait()
    assert all(torch.equal(output, x) for output in outputs)


def test_objects_travel_too():
    gathered, told = [None], ["told"]
    dist.all_gather_object(gathered, {"a": 1})
    dist.broadcast_object_list(told, 0)
    assert gathered == [{"a": 1}] and told == ["told"]


def test_what_does_not_fit_is_refused():
    with pytest.raises(RuntimeError, match="shape"):
        dist.all_gather_into_tensor(torch.zeros(4), torch.zeros(3))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device here")
def test_a_stream_that_waits_sees_the_copy_of_another():
    x, y, behind = torch.ones(2**24, device="cuda"), torch.zeros(2**24, device="cuda"), torch.cuda.Stream()
    torch.cuda.synchronize()
    with torch.cuda.stream(behind):
        torch.cuda._sleep(100_000_000)
        work = dist.all_gather_into_tensor(y, x, async_op=True)
    work.wait()
    assert bool((y == 1).all())


# ---- training --------------------------------------------------------------------------------------------------------

STEPS = r"""
import hashlib, itertools, sys, torch
import torch.distributed as dist
import rwkv_models.optimizer
from rwkv_models.loopback import build_no_operator, speak_on_loopback
from rwkv_models.optimizer import Recipe, Trainer, loopback_process_group
from tests.rwkv_models.networks import random_network, tokens

if sys.argv[1] != "alone":
    build_no_operator()
    speak_on_loopback()
    dist.init_process_group(sys.argv[1], store=dist.HashStore(), rank=0, world_size=1)
loopback_process_group()
assert dist.get_backend() == sys.argv[1]
rwkv_models.optimizer.PART = 10_000  # several parts, and tensors larger than one
device = "cuda" if torch.cuda.is_available() else "cpu"
torch.use_deterministic_algorithms(True, warn_only=True)
read = tokens(20).to(device)
for stage, dtype, offload in itertools.product((0, 1, 2, 3), (torch.float32, torch.bfloat16), ("none", "cpu")):
    if stage == 0 and (offload == "cpu" or dtype == torch.bfloat16):
        continue  # neither is offered without ZeRO
    network = random_network(dtype=dtype, layers=2).to(device)
    trainer = Trainer(network, Recipe(lr=1e-3, zero_stage=stage, offload_optimizer=offload, offload_param=offload if stage == 3 else "none"))
    norms = []
    for _ in range(3):
        for scale in (0.5, 0.25):
            logits = network(read[:, :-1])[0][0]
            trainer.backward(scale * torch.nn.functional.cross_entropy(logits.float(), read[0, 1:]))
        norms.append(trainer.step(1e-3))
    digest = hashlib.sha256()
    for t in [*trainer.parameters().values(), *trainer.masters(), *trainer.moments()]:
        digest.update(t.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    print("=", stage, dtype, offload, *norms, digest.hexdigest())
    trainer.release()
"""


@contextmanager
def started(*arguments):
    process = subprocess.Popen([sys.executable, "-W", "ignore", "-c", STEPS, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                               env={**os.environ, "OMP_NUM_THREADS": "1", "CUBLAS_WORKSPACE_CONFIG": ":4096:8"})
    try:
        yield process
    finally:
        process.kill()


def test_training_gives_the_bits_it_gives_over_torchs_own_group():
    with started(alone.NAME) as own, started("nccl" if torch.cuda.is_available() else "gloo") as other:
        outputs = [process.communicate(timeout=240) for process in (own, other)]
    assert [own.returncode, other.returncode] == [0, 0], outputs
    lines = [[line for line in out.splitlines() if line.startswith("=")] for out, _ in outputs]
    assert len(lines[0]) == 13 and lines[0] == lines[1]
    assert len({line.split()[-1] for line in lines[0]}) > 4, "the stages' digests say nothing"
