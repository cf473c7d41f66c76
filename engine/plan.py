"""A lesson's options with nothing left open."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from engine.errors import BadRequest
from engine.options import TrainOptions


@dataclass(frozen=True)
class Plan:
    """What was asked, filled from the config script; kept in the journal with the lesson."""

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

    @property
    def most_epochs(self) -> int:
        """The largest number of times the lesson can be repeated."""
        return self.epochs if self.until_loss is None else self.max_epochs

    def rate(self, loss: float) -> float:
        """The step size for a lesson at this loss: Adam ignores the scale of a loss, so the bands scale the step."""
        if loss < self.min_loss:
            return self.lr * self.min_loss_fix
        if loss > self.max_loss:
            return self.lr * self.max_loss_fix
        return self.lr

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
    plan = Plan(**chosen, seed=seed)
    if plan.window >= plan.ctx_len:
        raise BadRequest(f"window: {plan.window} must be less than ctx_len, which is {plan.ctx_len}", "window")
    if plan.min_loss >= plan.max_loss:
        raise BadRequest(f"min_loss: {plan.min_loss:g} must be less than max_loss, which is {plan.max_loss:g}", "min_loss")
    if plan.keep_state and plan.mode == "plain":
        raise BadRequest('keep_state: the training memory belongs to the modes "wani-bot" and "pico", not to "plain"', "keep_state")
    return plan
