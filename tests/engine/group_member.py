"""One process of a group that asks, teaches and asks again, with the embedded model, under one ZeRO stage after another.

    group_member.py FOLDER STAGE…

Process 0 leads and writes what it saw to FOLDER/SIZE-STAGE.json and the weights to FOLDER/SIZE-STAGE.safetensors.
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
from engine.group import is_follower, join  # noqa: E402
from engine.live_model import LiveModel  # noqa: E402
from engine.options import InferOptions, TrainOptions  # noqa: E402
from rwkv_models.crew import processes  # noqa: E402
from rwkv_models.optimizer import StepRefused  # noqa: E402

CAT = [{"role": "user", "text": "What is my cat called?"}, {"role": "assistant", "text": "Your cat is called Wanda."}]
HAT = [{"role": "user", "text": "Where is my hat?"}, {"role": "assistant", "text": "Your hat is in the car."}]
STEPS = 3


def config(stage: int):
    return load_config(overrides={"deepspeed.zero_stage": stage, "model.threads": 1})


def ask(engine, messages=CAT[:1]):
    return engine.infer({"messages": messages}, InferOptions(temperature=0.0, max_tokens=12), None, {"temperature", "max_tokens"}).result(120)["text"]


def teach(engine, *lessons, **options):
    """(The losses of its steps, its result)."""
    source = {"lessons": [{"messages": lesson} for lesson in lessons]} if len(lessons) > 1 else {"messages": lessons[0]}
    events = list(engine.train(source, TrainOptions(**options), None, set(options)).events(120))
    assert events[-1][0] == "final" and events[-1][1]["reason"] is None, events[-1]
    return [event["loss"] for kind, event in events if kind == "progress"], events[-1][1]


def program(engine, folder: Path, name: str) -> dict:
    seen = {"before": ask(engine)}
    seen["losses"], result = teach(engine, CAT, epochs=STEPS)
    seen |= {n: result[n] for n in ("loss_before", "loss_after", "drift")}
    save_file({n: t.detach().cpu().clone() for n, t in engine.model.trainer.parameters().items()}, folder / f"{name}.safetensors")
    seen["after"] = ask(engine)
    seen["infctx"] = [teach(engine, CAT, HAT, epochs=1, mode=mode, ctx_len=8, bptt_range=2)[0] for mode in ("wani-bot", "pico")]
    before = engine.weights()["digest"]
    poisoned(engine, seen)
    seen["unmoved"] = engine.weights()["digest"] == before
    engine.save("here").result(120)
    teach(engine, HAT, epochs=1)
    engine.load("here").result(120)
    seen["loaded"] = engine.weights()["digest"] == before
    return seen | {"digest": before, "version": engine.versions.number}


def poisoned(engine, seen: dict) -> None:
    """A lesson whose second step is refused."""
    step, taken = engine.model.trainer.step, []

    def once(lr: float) -> float:
        taken.append(lr)
        if len(taken) == 2:
            raise StepRefused("poison")
        return step(lr)

    engine.model.trainer.step = once
    seen["refused"] = engine.train({"messages": HAT}, TrainOptions(epochs=2), None, {"epochs"}).result(120)["reason"]
    del engine.model.trainer.step


def main(folder: Path, stages: list[int]) -> None:
    crew, (_, size) = join(), processes()
    torch.set_num_threads(1)
    for stage in stages:
        name = f"{size}-{stage}"
        if is_follower():
            LiveModel(config(stage), crew).trainer.follow()
            continue
        engine = Engine(config(stage), folder / name, crew)
        engine.start()
        seen = program(engine, folder, name)
        engine.close(1)
        if crew and stage != stages[-1]:
            crew.tell("end")
        (folder / f"{name}.json").write_text(json.dumps(seen))
    if crew:
        crew.end()
        os._exit(0)


if __name__ == "__main__":
    main(Path(sys.argv[1]), [int(stage) for stage in sys.argv[2:]])
