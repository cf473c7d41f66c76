"""A step that is poisoned changes no bit of weights or moments, and the next lesson learns; nor does one that memory gives out in."""

import math

import pytest
import torch

import rwkv_models.chunks as chunks
import rwkv_models.optimizer as optimizer
from config_scripts.schema import load_config
from engine.engine import Engine
from engine.lesson_run import LessonRun
from engine.options import TrainOptions
from tests.crash.small import lesson, script
from tests.server.running import Running, check_error

POISONS = {"nan": math.nan, "+inf": math.inf, "-inf": -math.inf, "spike": 1e30}
MODES = ("plain", "wani-bot", "pico")
LONG = lesson("It is the one who came in from the cold that winter.")


@pytest.fixture(scope="module")
def engine(folder, tmp_path_factory):
    """One whose moments outlive lessons, so that there is something in them to be lost."""
    engine = Engine(load_config(script(folder, moments=True)), tmp_path_factory.mktemp("poison"))
    engine.start()
    yield engine
    engine.close(1)


def bits(engine):
    """Every bit that a step moves."""
    trainer = engine.model.trainer
    return engine.owner.run(lambda: [t.detach().clone() for t in (*trainer.parameters().values(), *trainer.moments())])


def same(a, b):
    return all(torch.equal(x.reshape(-1).view(torch.uint8), y.reshape(-1).view(torch.uint8)) for x, y in zip(a, b, strict=True))


def teach(engine, mode, **more):
    given = {"mode": mode, "epochs": 3, **more}
    return engine.train({"messages": LONG}, TrainOptions(**given), None, set(given)).result(60)


def arm_after_a_step(monkeypatch, trainer, call):
    """The fault waits for the first step of the optimizer to be taken: there is something then to take back."""
    step = trainer.step

    def counted(lr, rule):
        norm = step(lr, rule)
        call.armed = True
        return norm

    monkeypatch.setattr(trainer, "step", counted)


def second(real, spoilt):
    """A function whose call is spoilt once a first step was taken: there is then something to put back."""
    def call(*args, **named):
        return spoilt(real, *args, **named) if call.armed else real(*args, **named)
    call.armed = False
    return call


def poison(monkeypatch, engine, place, value):
    """Have the poison come in after the first step of the next lesson."""
    trainer, network = engine.model.trainer, engine.model.network
    if place == "loss":
        def spoilt(real, *args):
            loss = real(*args)
            return None if loss is None else loss * 0 + value
        call = second(chunks.weighted_loss, spoilt)
        monkeypatch.setattr(chunks, "weighted_loss", call)
    elif place == "gradient":
        def spoilt(real, objective):
            real(objective)
            next(p for p in network.parameters() if p.grad is not None).grad.view(-1)[3] = value
        call = second(trainer.backward, spoilt)
        monkeypatch.setattr(trainer, "backward", call)
    elif place == "norm":
        call = second(torch.nn.utils.get_total_norm, lambda *_: torch.tensor(value, dtype=torch.float64))
        monkeypatch.setattr(optimizer.nn.utils, "get_total_norm", call)
    elif place == "input":
        def spoilt(real, run, *samples):
            batch = real(run, *samples)
            batch.weights_BT[0, batch.weights_BT[0].nonzero()[0]] = value
            return batch
        call = second(LessonRun._batch, spoilt)
        monkeypatch.setattr(LessonRun, "_batch", lambda run, *samples: call(run, *samples))
    else:
        def spoilt(real, tokens):
            vectors = real(tokens).clone()
            vectors[0, 0] = value
            return vectors
        call = second(network.emb.forward, spoilt)
        monkeypatch.setattr(network.emb, "forward", call)
    arm_after_a_step(monkeypatch, trainer, call)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", POISONS)
@pytest.mark.parametrize("place", ["loss", "gradient", "norm", "input", "embedding"])
def test_a_poisoned_step_changes_no_bit(engine, monkeypatch, place, name, mode):
    if place == "embedding" and name == "spike":
        name = "nan"  # a large vector is normalised by the first layer, as any other: no poison
    assert teach(engine, mode, epochs=1)["learned"]
    before, weights = bits(engine), engine.weights()
    with monkeypatch.context() as m:
        poison(m, engine, place, POISONS[name])
        answer = teach(engine, mode)
    assert not answer["learned"] and "nothing was learned" in answer["reason"] and answer["version"] == weights["version"]
    assert same(before, bits(engine)) and engine.weights() == weights
    assert teach(engine, mode, epochs=1)["version"] == weights["version"] + 1


def no_memory(*_, **__):
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")


def no_words(*_, **__):
    raise MemoryError


def run_out(monkeypatch, engine, place, fail):
    """Have memory give out after the first step of the next lesson."""
    trainer, network = engine.model.trainer, engine.model.network
    if place == "forward":
        call = second(type(network).forward, lambda real, *a, **n: fail() if torch.is_grad_enabled() else real(*a, **n))
        monkeypatch.setattr(type(network), "forward", lambda self, *a, **n: call(self, *a, **n))
    elif place == "backward":
        def spoilt(real, objective, **named):
            real(objective, **named)  # what was gathered by then is in the gradients
            fail()
        call = second(trainer.engine.backward, spoilt)
        monkeypatch.setattr(trainer.engine, "backward", call)
    else:
        def spoilt(real, *args, **named):
            real(*args, **named)  # the weights have moved already
            fail()
        call = second(trainer._adam.step, spoilt)
        monkeypatch.setattr(trainer._adam, "step", call)
    arm_after_a_step(monkeypatch, trainer, call)


@pytest.fixture(scope="module")
def server(engine):
    with Running(engine=engine) as running:
        yield running


@pytest.mark.parametrize("fail", [no_memory, no_words])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("place", ["forward", "backward", "step"])
def test_memory_that_gives_out_takes_the_lesson_back_and_is_told_as_503(engine, server, monkeypatch, place, mode, fail):
    body = {"messages": LONG, "mode": mode, "epochs": 3}
    assert server.post("/train", body | {"epochs": 1}).json()["learned"]
    before, weights = bits(engine), engine.weights()
    with monkeypatch.context() as m:
        run_out(m, engine, place, fail)
        response = server.post("/train", body)
    check_error(response, 503, word="not enough memory")
    assert int(response.headers["Retry-After"]) > 0
    assert same(before, bits(engine)) and engine.weights() == weights
    assert server.post("/infer", {"messages": LONG[:1], "max_tokens": 3}).json()["versions"] == [weights["version"]] * 2
    assert server.post("/train", body | {"epochs": 1}).json()["version"] == weights["version"] + 1


class NoMoreMemory:
    """The memory of a GPU, all of it taken: what is reserved is the limit, and every piece of it that is free is held."""

    def __init__(self):
        self._ballast = []

    def begin(self) -> None:
        torch.cuda.empty_cache()
        torch.cuda.set_per_process_memory_fraction(torch.cuda.memory_reserved() / torch.cuda.get_device_properties(0).total_memory)
        for size in (2**power for power in range(26, 8, -1)):
            try:
                while True:
                    self._ballast.append(torch.empty(size, dtype=torch.uint8, device="cuda"))
            except torch.OutOfMemoryError:
                pass

    def end(self) -> None:
        self._ballast.clear()
        torch.cuda.set_per_process_memory_fraction(1.0)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device: its memory is made to give out")
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("place", ["forward", "backward", "step"])
def test_the_memory_of_a_gpu_that_gives_out(engine, server, monkeypatch, place, mode):
    """As above, and nobody but the GPU says so. Before the second step, no byte of it is free any more."""
    trainer, network, gone = engine.model.trainer, engine.model.network, NoMoreMemory()
    body = {"messages": LONG, "mode": mode, "epochs": 3}
    assert server.post("/train", body | {"epochs": 1}).json()["learned"]
    before, weights = bits(engine), engine.weights()
    of, name = {"forward": (network.emb, "forward"), "backward": (trainer, "backward"), "step": (torch.nn.utils, "get_total_norm")}[place]

    def full(real, *args, **named):
        call.armed = False
        gone.begin()
        return real(*args, **named)

    call = second(getattr(of, name), full)
    try:
        with monkeypatch.context() as m:
            m.setattr(of, name, call)
            arm_after_a_step(m, trainer, call)
            response = server.post("/train", body)
    finally:
        gone.end()
    check_error(response, 503, word="not enough memory")
    assert int(response.headers["Retry-After"]) > 0
    assert same(before, bits(engine)) and engine.weights() == weights
    assert server.post("/infer", {"messages": LONG[:1], "max_tokens": 3}).json()["versions"] == [weights["version"]] * 2
    assert server.post("/train", body | {"epochs": 1}).json()["version"] == weights["version"] + 1
