"""One lesson from its first forward to its last: learned wholly, or not at all.

`LessonRun.steps()` is a generator: the owner thread takes one micro-step (a chunk's forward and backward, or a batch of
rehearsal) at a time and goes on writing answers in between.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence

from torch import Tensor

from engine.plan import Plan
from engine.rehearsal import Rehearsal
from models.sample import Sample
from rwkv_models.chunks import Batch, learn_chunks, learn_windows, measure
from rwkv_models.optimizer import StepRefused, Trainer
from rwkv_models.state import State


class Cancelled(Exception):
    """The caller went away or asked to stop."""


class LessonRun:
    """Learning `samples` under a plan. After `steps()` is exhausted, the fields tell what happened."""

    def __init__(self, trainer: Trainer, samples: Sequence[Sample], plan: Plan, rehearsal: Rehearsal, earlier: Sequence[Sample],
                 training_state: State | None = None):
        self.trainer = trainer
        self.samples = [s for s in samples if s.trained > 0]
        self.plan = plan
        self.rehearsal = rehearsal
        self.earlier = earlier
        self.state = training_state
        self.learned = False
        self.reason: str | None = None
        self.loss_before = self.loss_after = math.nan
        self.epochs = self.taken = 0
        self.tokens = sum(len(s.tokens) - 1 for s in self.samples)
        self.seconds = 0.0
        self._cancelled = False
        self._restore: Callable[[], None] | None = None

    def cancel(self) -> None:
        """Give the lesson up at its next micro-step; the weights go back to what they were."""
        self._cancelled = True

    def roll_back(self) -> None:
        """Put everything that the lesson moved back, to the bit."""
        self._restore()
        self.learned, self.loss_after, self.taken = False, self.loss_before, 0

    def steps(self) -> Iterator[dict | None]:
        """Yield after each micro-step: a progress event after an optimizer step, else None. Never raises for the lesson's sake."""
        started = time.perf_counter()
        if not self.plan.carry_moments:
            self.trainer.forget_moments()
        self._restore = self.trainer.snapshot(moments=self.plan.carry_moments)
        try:
            yield from self._epochs(started)
            self.learned = True
        except (StepRefused, Cancelled) as refusal:
            self.trainer.discard_gradients()
            self.roll_back()
            self.reason = f"{refusal}: nothing was learned"
        except BaseException:
            self.trainer.discard_gradients()
            self.roll_back()
            raise
        finally:
            self.seconds = time.perf_counter() - started

    def _epochs(self, started: float) -> Iterator[dict | None]:
        """Go over the samples until the plan is fulfilled; each sample is one step of the optimizer.

        The loss of a single sample is known from its forward before the step is taken, so one that is known by then
        needs no step any more; of several, the mean over the epoch decides.
        """
        plan, single = self.plan, len(self.samples) == 1
        for epoch in range(1, plan.most_epochs + 1):
            losses = []
            for sample in self.samples:
                loss = yield from self._gradient(sample)
                losses.append(loss)
                if single and epoch > 1 and self._knows(losses):
                    self.trainer.discard_gradients()
                    self.loss_after = loss
                    return
                yield from self._rehearse()
                lr = plan.rate(loss)
                self.trainer.step(lr)
                self.taken += 1
                yield self._event(epoch, loss, lr, started)
            self.epochs = epoch
            if epoch == 1:
                self.loss_before = sum(losses) / len(losses)
            if not single and self._knows(losses):
                break
        self.loss_after = yield from self.measure()

    def _knows(self, losses: list[float]) -> bool:
        return self.plan.until_loss is not None and sum(losses) / len(losses) <= self.plan.until_loss

    def _gradient(self, sample: Sample) -> Iterator[None]:
        """Add the gradient of one sample; return its loss, nats per trained token."""
        plan, network = self.plan, self.trainer.network
        batch = Batch.of([(sample.tokens, sample.weights)], network.emb.weight.device).normalised()
        if plan.mode == "plain":
            chunks = learn_windows(network, batch, self._backward, plan.ctx_len, plan.window)
        else:
            chunks = learn_chunks(network, batch, self.state if plan.keep_state else None, self._backward, plan.ctx_len,
                                  plan.bptt_range if plan.mode == "pico" else None)
        loss = 0.0
        while True:
            self._check()
            try:
                loss += next(chunks)
            except StopIteration as end:
                if plan.keep_state:
                    self.state = end.value[0]
                break
            yield None
        if loss > plan.refuse_above:
            raise StepRefused(f"the loss is {loss:.3g}, above refuse_above = {plan.refuse_above:g}")
        return loss

    def _rehearse(self) -> Iterator[None]:
        companions = self.rehearsal.draw(self.earlier, self.plan.seed, self.taken)
        if companions:
            network = self.trainer.network
            batch = Batch.of([(s.tokens, s.weights) for s in companions], network.emb.weight.device).normalised()
            for _ in learn_chunks(network, batch, None, self._backward, self.plan.ctx_len):
                self._check()
                yield None

    def measure(self) -> Iterator[None]:
        """The mean loss of the samples under the present weights, nats per trained token; a micro-step a sample."""
        network, total = self.trainer.network, 0.0
        for sample in self.samples:
            self._check()
            total += measure(network, Batch.of([(sample.tokens, sample.weights)], network.emb.weight.device).normalised(), None, self.plan.ctx_len)
            yield None
        return total / len(self.samples)

    def _backward(self, objective: Tensor) -> None:
        if not math.isfinite(float(objective.detach())):
            raise StepRefused("the loss is not finite")
        self.trainer.backward(objective)

    def _check(self) -> None:
        if self._cancelled:
            raise Cancelled("cancelled")

    def _event(self, epoch: int, loss: float, lr: float, started: float) -> dict:
        most = self.plan.most_epochs * len(self.samples)
        seconds = time.perf_counter() - started
        return {"step": self.taken, "steps": most, "epoch": epoch, "loss": loss, "lr": lr,
                "tokens_per_s": self.tokens * self.taken / len(self.samples) / seconds, "eta_s": seconds / self.taken * (most - self.taken)}
