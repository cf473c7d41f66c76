"""One process of a group that asks, teaches and asks again, under one ZeRO stage after another.

    group_member.py MODEL FOLDER STAGE…     process 0 writes what it saw to FOLDER/PROCESSES-STAGE.json and .safetensors
    group_member.py MODEL FOLDER open NAME  start on the data of such a run, in one process, and write what it found
"""

import json
import os
import sys
from pathlib import Path

os.environ.setdefault("DS_ACCELERATOR", "cpu")

import torch  # noqa: E402
from safetensors.torch import save_file  # noqa: E402

from config_scripts.schema import load_config  # noqa: E402
from engine.engine import Engine  # noqa: E402
from engine.errors import EngineError  # noqa: E402
from engine.group import end, is_follower, join  # noqa: E402
from engine.live_model import LiveModel  # noqa: E402
from engine.options import InferOptions, TrainOptions  # noqa: E402
from rwkv_models.crew import processes  # noqa: E402
from rwkv_models.optimizer import StepRefused  # noqa: E402
from tests.engine.by_adam import ADAM  # noqa: E402

CAT = [{"role": "user", "text": "What is my cat called?"}, {"role": "assistant", "text": "Your cat is called Wanda."}]
HAT = [{"role": "user", "text": "Where is my hat?"}, {"role": "assistant", "text": "Your hat is in the car."}]


def config(model: str, stage: int):
    return load_config(overrides={**ADAM, "model.file": model, "model.threads": 1, "deepspeed.zero_stage": stage, "train.lr": 1e-3})


def ask(engine):
    options = InferOptions(temperature=0.0, max_tokens=8)
    return engine.infer({"messages": CAT[:1]}, options, None, {"temperature", "max_tokens"}).result(120)["text"]


def teach(engine, *lessons, **options) -> tuple[list[float], dict]:
    """(The losses of its steps, its result.)"""
    source = {"lessons": [{"messages": lesson} for lesson in lessons]} if len(lessons) > 1 else {"messages": lessons[0]}
    events = list(engine.train(source, TrainOptions(**options), None, set(options)).events(120))
    return [event["loss"] for kind, event in events if kind == "progress"], events[-1][1]


def refused_at_its_second_step(engine) -> str:
    """The reason that is told."""
    step, taken = engine.model.trainer.step, []

    def once(lr: float, rule: str) -> float:
        taken.append(lr)
        if len(taken) == 2:
            raise StepRefused("poison")
        return step(lr, rule)

    engine.model.trainer.step = once
    reason = teach(engine, HAT, epochs=3)[1]["reason"]
    del engine.model.trainer.step
    return reason


def out_of_memory_at_its_second_chunk(engine) -> str:
    """What is told."""
    network, read = engine.model.network, []

    def once(module, arguments) -> None:
        read.append(module.training and torch.is_grad_enabled())
        if sum(read) == 2:
            raise MemoryError("no memory")

    hook = network.register_forward_pre_hook(once)
    try:
        teach(engine, HAT, epochs=3)
    except EngineError as error:
        return error.message
    finally:
        hook.remove()


def program(engine, weights: Path) -> dict:
    seen = {"before": ask(engine)}
    seen["losses"], result = teach(engine, CAT, epochs=5)
    checks = teach(engine, HAT, epochs=2, near=1)[1]["checks"]
    seen["checks"] = checks | {"forgotten": len(checks["forgotten"])}
    seen |= {name: result[name] for name in ("loss_before", "loss_after", "drift", "learned")}
    trainer = engine.model.trainer
    kept = {**trainer.parameters(), **dict(trainer.fp32(moments=True))}
    save_file({name: t.detach().cpu().clone() for name, t in kept.items()}, weights)
    seen["after"] = ask(engine)
    seen["infctx"] = [teach(engine, CAT, HAT, epochs=1, mode=mode, ctx_len=8, bptt_range=2)[0] for mode in ("wani-bot", "pico")]
    seen["several"] = [teach(engine, CAT, HAT, HAT, CAT[:1] + HAT[1:], epochs=2, accumulate=n)[0] for n in (2, 3)]
    digest = engine.weights()["digest"]
    seen["refused"] = refused_at_its_second_step(engine)
    if engine.config.deepspeed.zero_stage < 3:  # where a forward that breaks off ends the group
        seen["no_memory"] = out_of_memory_at_its_second_chunk(engine)
    seen["unmoved"] = engine.weights()["digest"] == digest
    engine.save("here").result(120)
    teach(engine, HAT, epochs=1)
    engine.load("here").result(120)
    seen["loaded"] = engine.weights()["digest"] == digest
    return seen | {"digest": digest, "version": engine.versions.number}


def main(model: str, folder: Path, *stages: str) -> None:
    crew, size = join(), processes()[1]
    for stage in stages:
        if is_follower():
            LiveModel(config(model, int(stage)), crew).trainer.follow()
            continue
        name = f"{size}-{stage}"
        engine = Engine(config(model, int(stage)), folder / name, crew)
        engine.start()
        seen = program(engine, folder / f"{name}.safetensors")
        engine.close(1)
        (folder / f"{name}.json").write_text(json.dumps(seen))
        if crew and stage != stages[-1]:
            crew.tell("end")
    if crew:
        crew.end()
        end(0)


def reopen(model: str, folder: Path, name: str) -> None:
    engine = Engine(config(model, int(name[-1])), folder / name)
    engine.start()
    (folder / "opened.json").write_text(json.dumps(engine.weights()))
    engine.close(1)


if __name__ == "__main__":
    model, folder, *rest = sys.argv[1:]
    if rest[0] == "open":
        reopen(model, Path(folder), rest[1])
    else:
        main(model, Path(folder), *rest)
