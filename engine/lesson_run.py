"""One lesson from its first forward to its last: learned wholly, or not at all.

`LessonRun.steps()` is a generator: the owner thread takes one micro-step (a chunk's forward and backward, or a batch of
rehearsal) at a time and goes on writing answers in between.

Shape letters: B samples, T targets.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator, Iterator, Sequence

from torch import Tensor

from engine.anchor import CYCLE, Anchor
from engine.contrast import Contrast
from engine.plan import Plan
from engine.rehearsal import Rehearsal
from models.sample import Sample
from rwkv_models.chunks import Batch, measure_windows, token_losses
from rwkv_models.null_space import NullSpace
from rwkv_models.optimizer import StepRefused, Trainer
from rwkv_models.state import State

KEPT_TEXTS = 16  # general texts that null_space keeps
KEPT_NEAR = 24  # near questions of earlier lessons that it keeps
ROWS = 16  # of them read side by side


class Cancelled(Exception):
    """The caller went away or asked to stop."""


class LessonRun:
    """Learning `samples` under a plan. After `steps()` is exhausted, the fields tell what happened.

    With `keep_state` each repetition begins from the training memory as the lesson found it (were it carried from one
    repetition to the next, the model would read the answer off its state and learn nothing); `state` is then what the last
    repetition left.
    """

    def __init__(self, trainer: Trainer, samples: Sequence[Sample], plan: Plan, rehearsal: Rehearsal, earlier: Sequence[Sample],
                 training_state: State | None = None, held: Sequence[Sample] = (), held_earlier: Sequence[Sample] = ()):
        """`held`: old answers to near questions, learned along in each step; `held_earlier`: those of earlier lessons."""
        self.trainer = trainer
        self.samples = [s for s in samples if s.teaches]
        self.plan = plan
        self.rehearsal = rehearsal
        self.earlier = earlier
        self.held = held
        self.held_earlier = held_earlier
        self.state = training_state
        self.learned = False
        self.reason: str | None = None
        self.loss_before = self.loss_after = math.nan
        self.epochs = self.taken = 0
        self.tokens = sum(len(s.tokens) - 1 for s in self.samples)
        self.seconds = 0.0
        self._read = 0
        self._begin = training_state if plan.keep_state else None
        self._preferences: list[float] = []  # of each sample, under the weights before the lesson
        self._cancelled = False
        self._restore: Callable[[], None] | None = None
        self._anchor: Anchor | None = None
        self._null: NullSpace | None = None

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
            yield from self._look_back()
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

    # -- the weights before the lesson

    def _look_back(self) -> Iterator[None]:
        """What the objectives must know of the weights before the first step: dpo's preferences, the anchor's predictions,
        and the inputs that null_space keeps."""
        plan, memory = self.plan, self._begin
        if plan.kl:
            most = plan.kl_texts * min(CYCLE, plan.most_steps(len(self.samples)))
            self._anchor = Anchor(self.trainer.network, self.rehearsal.anchors(plan, most), plan.kl, plan.kl_texts)
            for _ in self._anchor.remember():
                self._check()
                yield None
        if plan.null_space:
            yield from self._keep_aside()
        if plan.objective == "dpo":
            for sample in self.samples:
                self._check()
                right_BT, after = self._losses(self._batch(sample), memory)
                if plan.contrasts(sample):
                    pair = Contrast.of(sample, self._device)
                    self._preferences.append(pair.preference(right_BT, self._losses(pair.wrong, memory)[0]))
                else:
                    self._preferences.append(0.0)
                memory = after
                yield None

    def _keep_aside(self) -> Iterator[None]:
        """Read the texts that the change shall not be felt in: general ones, and near questions with their old answers."""
        plan = self.plan
        self._null = self.trainer.null_space(plan.null_space)
        texts = [*self.rehearsal.anchors(plan, KEPT_TEXTS), *self.held, *self.rehearsal.held(self.held_earlier, plan, KEPT_NEAR)]
        for first in range(0, len(texts), ROWS):
            self._check()
            self._null.read(self._batch(*texts[first : first + ROWS]))
            yield None
        self._null.begin()

    # -- learning

    def _epochs(self, started: float) -> Iterator[dict | None]:
        """Go over the samples until the plan is fulfilled; `accumulate` samples make one step of the optimizer.

        The loss of a single sample is known from its forward before the step is taken, so one that is known by then
        needs no step any more; of several, the mean over the epoch decides. It is the loss of the right answer, whatever
        the objective.
        """
        plan, single = self.plan, len(self.samples) == 1
        most = plan.most_steps(len(self.samples))
        for epoch in range(1, plan.most_epochs + 1):
            losses, memory = [], self._begin
            for first in range(0, len(self.samples), plan.accumulate):
                together = range(len(self.samples))[first : first + plan.accumulate]
                for indices in self._at_once(together):
                    more, memory = yield from self._gradient(indices, memory, 1 / len(together))
                    losses += more
                if single and epoch > 1 and self._knows(losses):
                    self.trainer.discard_gradients()
                    self._leave(memory)
                    self.loss_after = losses[0]
                    return
                yield from self._hold()
                mean = sum(losses[-len(together) :]) / len(together)
                lr = plan.rate(mean, self.taken, most)
                self.trainer.step(lr, plan.rule)
                if self._null is not None:
                    self._null.project()
                self.taken += 1
                self._read += sum(len(self.samples[i].tokens) - 1 for i in together)
                yield self._event(epoch, mean, lr, most, started)
            self.epochs = epoch
            self._leave(memory)
            if epoch == 1:
                self.loss_before = sum(losses) / len(losses)
            if not single and self._knows(losses):
                break
        self.loss_after = yield from self.measure()

    def _knows(self, losses: list[float]) -> bool:
        return self.plan.until_loss is not None and sum(losses) / len(losses) <= self.plan.until_loss

    def _leave(self, memory: State | None) -> None:
        if self.plan.keep_state:
            self.state = memory

    def _at_once(self, together: range) -> Iterator[range]:
        """The samples of a step one by one; or as many at once as the trainer takes in the time of one, where each is read in one
        piece and from nothing that another leaves."""
        plan, samples = self.plan, [self.samples[i] for i in together]
        alike = not plan.keep_state and all(len(s.tokens) - 1 <= plan.ctx_len and not plan.contrasts(s) for s in samples)
        size = self.trainer.rows if alike else 1
        return (together[i : i + size] for i in range(0, len(together), size))

    def _gradient(self, indices: range, memory: State | None, share: float) -> Generator[None, None, tuple[list[float], State | None]]:
        """Add `share` of the gradient of each sample; return the loss of each, nats per trained token (of several, their mean for
        each), and the state after them."""
        samples, limit = [self.samples[i] for i in indices], self.plan.refuse_above
        if self.plan.contrasts(samples[0]):
            loss, after = yield from self._contrast(indices[0], memory, share)
        else:
            loss, after = yield from self._learn(self._batch(*samples).scaled(share), memory)
            loss /= share * len(samples)
        worst = loss
        if len(samples) > 1 and loss * len(samples) > limit:  # one may be above
            worst = max(float((self._losses(batch, None)[0] * batch.weights_BT).sum()) for batch in map(self._batch, samples))
        if worst > limit:
            raise StepRefused(f"the loss is {worst:.3g}, above refuse_above = {limit:g}")
        return [loss] * len(samples), after

    def _contrast(self, index: int, memory: State | None, share: float) -> Generator[None, None, tuple[float, State | None]]:
        """The same against the rejected answer. Both answers are measured, then each is learned alone, on weights of its sign."""
        pair = Contrast.of(self.samples[index], self._device)
        self._check()
        right_BT, after = self._losses(pair.right, memory)
        margin = 0.0
        if self.plan.objective == "dpo":
            margin = pair.preference(right_BT, self._losses(pair.wrong, memory)[0]) - self._preferences[index]
        yield None
        for part in pair.parts(self.plan, margin, share):
            yield from self._learn(part, memory)
        return float((right_BT * pair.right.weights_BT).sum()), after

    def _learn(self, batch: Batch, memory: State | None) -> Generator[None, None, tuple[float, State | None]]:
        """Add the gradient of a batch in the plan's mode; return its weighted loss and the state after it."""
        plan = self.plan
        if plan.mode == "plain":
            chunks = self.trainer.learn_windows(batch, self._backward, plan.ctx_len, plan.window)
        else:
            bptt_range = plan.bptt_range if plan.mode == "pico" else None
            chunks = self.trainer.learn_chunks(batch, memory, self._backward, plan.ctx_len, bptt_range)
        loss, end = yield from self._micro_steps(chunks)
        return loss, end[0] if plan.keep_state else None

    def _hold(self) -> Iterator[None]:
        """Add the gradients of what is to stay as it is: the companions' and the anchor's."""
        batches = []
        companions = self.rehearsal.draw(self.earlier, self.plan, self.taken)
        if self._null is None:  # which holds them by itself
            companions += self._most_spoiled()
        if companions:
            batches.append(self._batch(*companions))
        # Before the first step nothing has diverged: the gradient is 0, and Adam would take the signs of its rounding.
        anchored = self._anchor.batch(self.taken) if self._anchor and self.taken else None
        if anchored is not None:
            batches.append(anchored)
        for batch in batches:
            yield from self._micro_steps(self.trainer.learn_chunks(batch, None, self._backward, self.plan.ctx_len))

    def _most_spoiled(self) -> list[Sample]:
        """The old answers to near questions that this step learns: those of the lesson and some of earlier ones, and where these are
        too many, the ones that are lost most. One that still stands would add nothing."""
        plan = self.plan
        near = [*self.held, *self.rehearsal.held(self.held_earlier, plan, 2 * plan.near if plan.spoiled else plan.near, self.taken)]
        if not plan.spoiled or len(near) <= plan.near:
            return near
        losses = []
        for first in range(0, len(near), ROWS):
            self._check()
            batch = self._batch(*near[first : first + ROWS])
            losses += (token_losses(self.trainer.network, batch, None, plan.ctx_len)[0] * batch.weights_BT).sum(dim=1).tolist()
        order = sorted(range(len(near)), key=lambda i: -losses[i])
        return [near[i] for i in sorted(order[: plan.near])]

    def _micro_steps(self, chunks: Generator[float, None, object]) -> Generator[None, None, tuple[float, object]]:
        """Run chunks one at a time; return the sum of what they yield, and what they return.

        An adapter's dropout is that of the step in hand, and only while a chunk runs: answers given in between drop nothing.
        """
        seed, total = (self.plan.seed << 32) + self.taken, 0.0
        while True:
            self._check()
            try:
                with self.trainer.network.dropout(seed):
                    total += next(chunks)
            except StopIteration as end:
                return total, end.value
            yield None

    # -- measuring

    def measure(self) -> Generator[None, None, float]:
        """The mean loss of the samples under the present weights, nats per trained token; a micro-step a sample."""
        total, memory = 0.0, self._begin
        for sample in self.samples:
            self._check()
            batch = self._batch(sample)
            losses_BT, memory = self._losses(batch, memory)
            total += float((losses_BT * batch.weights_BT).sum())
            yield None
        return total / len(self.samples)

    def _losses(self, batch: Batch, memory: State | None) -> tuple[Tensor, State | None]:
        """(The losses [B, T] of a batch as the plan's mode reads it, the state after it where that is kept)."""
        plan, network = self.plan, self.trainer.network
        if plan.mode == "plain":
            return measure_windows(network, batch, plan.ctx_len, plan.window), None
        losses_BT, after = token_losses(network, batch, memory, plan.ctx_len)
        return losses_BT, after if plan.keep_state else None

    # -- small things

    @property
    def _device(self):
        return self.trainer.network.emb.weight.device

    def _batch(self, *samples: Sample) -> Batch:
        return Batch.of([(s.tokens, s.weights) for s in samples], self._device).normalised()

    def _backward(self, objective: Tensor) -> None:
        if not math.isfinite(float(objective.detach())):
            raise StepRefused("the loss is not finite")
        self.trainer.backward(objective)

    def _check(self) -> None:
        if self._cancelled:
            raise Cancelled("cancelled")

    def _event(self, epoch: int, loss: float, lr: float, most: int, started: float) -> dict:
        seconds = time.perf_counter() - started
        return {"step": self.taken, "steps": most, "epoch": epoch, "loss": loss, "lr": lr,
                "tokens_per_s": self._read / seconds, "eta_s": seconds / self.taken * (most - self.taken)}
