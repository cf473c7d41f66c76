"""The other processes: the launcher, and those that train together. How each begins, and how it ends."""

from __future__ import annotations

import os
import select
import signal
import sys
import threading
from typing import NoReturn

import psutil

from rwkv_models.crew import Crew, processes
from rwkv_models.crew_trainer import CrewTrainer
from rwkv_models.optimizer import Trainer


def join() -> Crew | None:
    """Meet the other processes that the launcher started; None where this one is alone."""
    return Crew(on_loss=lambda sentence: end(1, f"app.py: {sentence}")) if processes()[1] > 1 else None


def is_follower() -> bool:
    """Whether another process leads, and has the program."""
    return processes()[0] > 0


def follow_if_told(config) -> None:
    """Where another process leads: follow it until it tells the end, or is gone, and do not return."""
    if not is_follower():
        return
    from engine.live_model import LiveModel  # which needs this module

    try:
        crew = join()
    except (RuntimeError, ValueError, OSError) as error:
        end(2, f"app.py: {error}")
    for name in (signal.SIGTERM, signal.SIGINT):  # a launcher sends them to all: process 0 ends in good order, and then tells
        signal.signal(name, signal.SIG_IGN)
    try:
        LiveModel(config, crew).trainer.follow()
    except Exception as error:
        crew.part(error)
    crew.end()
    end(0)


def leave(crew: Crew | None) -> None:
    """Send the others home and end; go on where there are none."""
    if crew is not None:
        crew.end()
        end(0)


def check_alone(trainer: Trainer) -> None:
    """ValueError where others would have to follow what only process 0 can do: train something else than before."""
    if isinstance(trainer, CrewTrainer):
        raise ValueError("several processes train together: set [trains] in the config script, and start again on another data folder")


def end(status: int, sentence: str = "") -> NoReturn:
    """End the process now: threads of torch.distributed wait for words that will not come, and would break in an orderly end."""
    if sentence:
        print(sentence, file=sys.stderr)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(status)


def follow_launcher() -> None:
    """End in good order when the deepspeed launcher is gone: a signal to the launcher alone does not reach its children."""
    if "CROSS_RANK" not in os.environ or not hasattr(os, "pidfd_open"):
        return
    try:
        watched = [os.pidfd_open(process.pid) for process in psutil.Process().parents()[:2]]
    except OSError:  # a kernel without pidfds, or a launcher that is gone already
        return

    def follow() -> None:
        select.select(watched, [], [])
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=follow, name="launcher-watch", daemon=True).start()
