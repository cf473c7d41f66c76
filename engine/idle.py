"""Consolidation in idle time: when nobody waits, earlier lessons are rehearsed together in small steps, each of them a version.

After a lesson was learned and nothing was asked for a while, some earlier lessons, drawn at random, make one step together; then the
next ones, until as many steps were taken as the config script allows after a lesson. A step that anybody would have to wait for, or
after which the lessons in it are known no better, is taken back to the bit and leaves no record.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace

from engine.learner import Learner
from engine.lessons import Lessons
from engine.options import TrainOptions
from engine.plan import make_plan

log = logging.getLogger("ouroboros.idle")


class Idle:
    """Waits for quiet, and rehearses. Belongs to the owner thread, but for its clock."""

    def __init__(self, lessons: Lessons, learner: Learner, config, call: Callable[[Callable[[], None]], None], busy: Callable[[], bool]):
        """`call` runs a function on the owner thread; `busy`: whether somebody waits, or is being answered."""
        self._lessons = lessons
        self._learner = learner
        self._bounds = config.idle
        self._plan = make_plan(TrainOptions(), set(), config.train, 0)
        self._call = call
        self._busy = busy
        self._left = 0
        self._rehearsing = False
        self._clock: threading.Timer | None = None
        self._closed = False

    def learned(self) -> None:
        """A lesson was learned: there is something to rehearse."""
        if not self._rehearsing:
            self._left = self._bounds.steps
            self._wait()

    def close(self) -> None:
        """No more of it."""
        self._closed = True
        if self._clock is not None:
            self._clock.cancel()

    def _wait(self) -> None:
        if self._clock is not None:
            self._clock.cancel()
        if self._left and not self._closed:
            self._clock = threading.Timer(self._bounds.after_s, self._call, [self.begin])
            self._clock.daemon = True
            self._clock.start()

    def begin(self) -> None:
        """The time is over: rehearse, or wait on where somebody is there."""
        if self._closed or not self._left:
            return
        if self._busy() or self._lessons:
            self._wait()
        else:
            self._lessons.exclusive(self._rehearse)

    def _rehearse(self) -> Iterator[None]:
        """One step, and what comes of it."""
        lessons, learner = self._lessons, self._learner
        plan = replace(self._plan, seed=lessons.history.last + 1, lr=self._bounds.lr, epochs=self._bounds.epochs, until_loss=None,
                       accumulate=self._bounds.lessons, schedule="constant", objective="sft", replay=0, keep_state=False,
                       carry_moments=False)
        run = learner.rehearsing(plan)
        if run is None:
            self._left = 0
            return
        stamp = lessons.versions.stamp
        lessons.training = self._rehearsing = True
        try:
            for event in run.steps():
                if event is not None:
                    lessons.versions.moved()
                if self._busy() or lessons.waiting:
                    run.cancel()
                yield
            if run.learned and run.loss_after >= run.loss_before:
                run.roll_back()
                self._left = 0
            if run.learned:
                digest = yield from lessons.model.digesting()
                lessons.rehearsed(run, plan, digest)
                self._left -= 1
            else:
                lessons.versions.restored(stamp)
        except Exception:
            if run.learned:
                run.roll_back()
            lessons.versions.restored(stamp)
            self._left = 0
            log.exception("a rehearsal in idle time failed and left nothing")
        finally:
            lessons.training = self._rehearsing = False
            self._wait()
