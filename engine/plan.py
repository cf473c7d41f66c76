"""A lesson's options with nothing left open."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from engine.errors import BadRequest
from engine.options import TrainOptions
from engine.schedule import schedule_factor
from models.sample import Sample


@dataclass(frozen=True)
class Plan:
    """What was asked, filled from the config script; kept in the journal with the lesson.

    The options with a default came later than the first journals: a record without them is learned again as it was then.
    """

    mode: str
    lr: float
    epochs: int
    until_loss: float | None
    max_epochs: int
    min_loss: float
    max_loss: float
    min_loss_fix: float
    max_loss_fix: float
    ctx_len: int
    window: int
    bptt_range: int
    keep_state: bool
    refuse_above: float
    carry_moments: bool
    seed: int
    schedule: str = "constant"
    warmup: int = 0
    lr_final: float = 0.1
    accumulate: int = 1
    objective: str = "sft"
    beta: float = 0.1
    sft_weight: float = 1.0
    replay: int | None = None
    general: int | None = None
    general_tokens: int | None = None
    kl: float = 0.0
    kl_texts: int = 4
    near: int = 0
    null_space: float = 0.0
    reword: int = 0
    rule: str = "adam"
    spoiled: bool = False
    """Of the near questions, a step learns those that are lost most; else all of the lesson's and as many of earlier ones."""

    @property
    def most_epochs(self) -> int:
        """The largest number of times the lesson can be repeated."""
        return self.epochs if self.until_loss is None else self.max_epochs

    def most_steps(self, samples: int) -> int:
        """The largest number of steps that so many samples can take."""
        return self.most_epochs * -(-samples // self.accumulate)

    def rate(self, loss: float, step: int = 0, steps: int = 1) -> float:
        """The step size of `step` (from 0) of `steps` at this loss: Adam ignores the scale of a loss, so the bands scale the step."""
        lr = self.lr * schedule_factor(self.schedule, step, steps, self.warmup, self.lr_final)
        if loss < self.min_loss:
            return lr * self.min_loss_fix
        if loss > self.max_loss:
            return lr * self.max_loss_fix
        return lr

    def contrasts(self, sample: Sample) -> bool:
        """Whether this sample is learned against its rejected answer."""
        return self.objective != "sft" and bool(sample.rejected)

    def describe(self) -> dict:
        """The plan as JSON."""
        return asdict(self)


def make_plan(options: TrainOptions, given: set[str], train, seed: int) -> Plan:
    """Options that the caller gave, the rest from [train]. `epochs` without `until_loss` means just so many."""
    chosen = {name: getattr(options, name) if name in given and (getattr(options, name) is not None or name == "until_loss")
              else getattr(train, name)
              for name in Plan.__dataclass_fields__ if name not in ("seed",)
              and (name in TrainOptions.model_fields or hasattr(train, name))}
    if "epochs" in given and "until_loss" not in given:
        chosen["until_loss"] = None
    plan = Plan(**chosen, seed=seed, spoiled=True)
    if plan.window >= plan.ctx_len:
        raise BadRequest(f"window: {plan.window} must be less than ctx_len, which is {plan.ctx_len}", "window")
    if plan.min_loss >= plan.max_loss:
        raise BadRequest(f"min_loss: {plan.min_loss:g} must be less than max_loss, which is {plan.max_loss:g}", "min_loss")
    if plan.keep_state and plan.mode == "plain":
        raise BadRequest('keep_state: the training memory belongs to the modes "wani-bot" and "pico", not to "plain"', "keep_state")
    if options.preview and not options.dry_run:
        raise BadRequest("preview: the tokens and weights are shown by a dry run only; send dry_run true as well", "preview")
    return plan


def require_rejected(plan: Plan, given: set[str], samples: Sequence[Sample]) -> None:
    """BadRequest where the caller asks for an objective that a lesson has nothing for.

    An objective of the config script is for the lessons that can have it: the others are learned by sft.
    """
    if "objective" in given and not all(plan.contrasts(sample) for sample in samples) and plan.objective != "sft":
        raise BadRequest(f"rejected: the objective {plan.objective} needs, in the last message of each lesson, the field rejected "
                         "with an answer other than its text", "rejected")
