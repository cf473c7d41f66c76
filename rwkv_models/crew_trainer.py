"""Training by several processes: the same steps as one process takes, each process with a share of every batch.

In process 0 a `CrewTrainer` is used as a `Trainer` is; what it does, it tells the others first, and these do it in `follow`.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress

import torch
import torch.distributed as dist
from torch import Tensor, nn

from rwkv_models.batch import Batch
from rwkv_models.chunks import Backward, learn_chunks, learn_windows
from rwkv_models.crew import Crew, OthersFailed
from rwkv_models.optimizer import Recipe, StepRefused, Trainer
from rwkv_models.shares import share, share_of_state, to_words
from rwkv_models.state import State

log = logging.getLogger("ouroboros.crew")
SUM_AT_ONCE = 2**26  # numbers
OF_STATE = "state."


class Agreed(StepRefused):
    """A refusal that every process has come to."""


class CrewTrainer(Trainer):
    """A process's part in the training of all. Its gradients are sums over the processes, as if one had taken all rows.

    All processes do the same things in the same order; whoever cannot go on inside of what all must end together, ends them all.
    """

    def __init__(self, network: nn.Module, recipe: Recipe, crew: Crew):
        self.crew, self.rows = crew, crew.size
        self._together = crew.rank > 0  # the others do now what this process does
        self._summing = False
        self._scale = crew.size if recipe.zero_stage else 1  # DeepSpeed takes the mean of all; without ZeRO the sum is made here
        self._chunks: Generator | None = None  # of a follower: the batch in hand
        self._restore: Callable[[], None] | None = None
        self._depth = 0  # of forwards
        if recipe.zero_stage == 3:
            self._gather_by_blocks(network)
        super().__init__(network, recipe)
        if crew.rank == 0 and recipe.zero_stage == 3:  # whose parameters all must gather, whenever one reads
            for module in (network, network.head):
                module.register_forward_pre_hook(self._before_forward, with_kwargs=True, prepend=True)
                module.register_forward_hook(self._after_forward, always_call=True)

    def _config(self, dtype: torch.dtype, bucket: int) -> dict:
        """Under ZeRO-3, parameters are there while a module reads them and no longer: forwards of answers and of lessons take turns,
        and what one of them left there, or had fetched in advance, the other could not use."""
        config = super()._config(dtype, bucket)
        if self.recipe.zero_stage == 3:
            config["zero_optimization"] |= {"stage3_prefetch_bucket_size": 0, "stage3_max_reuse_distance": 0,
                                            "stage3_param_persistence_threshold": 0}
        return config

    @staticmethod
    def _gather_by_blocks(network: nn.Module) -> None:
        """A block's parameters at once: each gathering waits for all processes, and a block has a dozen modules."""
        from deepspeed.utils import set_z3_leaf_modules

        set_z3_leaf_modules(network, [type(network.blocks[0])])

    def release(self) -> None:
        """Let go of the network, at the end of this process's part. Where ZeRO-3 divided parameters, they stay so."""
        self._together = True
        super().discard_gradients()
        self.engine.destroy()
        self._footprints.remove()
        self.engine = self._adam = None

    # -- speaking

    @contextmanager
    def _order(self, name: str, *arguments, **tensors: Tensor) -> Iterator[None]:
        """Inside, all processes do the same. It is not left by an error that is one process's alone."""
        inner, self._together = self._together, True
        if not inner:
            self.crew.tell(name, *arguments, **tensors)
        try:
            yield
        except StepRefused:
            raise
        except BaseException as error:
            self.crew.part(error)
            raise
        finally:
            self._together = inner

    def _agree(self, value: float, problem: str | None = None) -> float:
        try:
            return self.crew.agree(value, problem)
        except OthersFailed as failed:
            raise Agreed(str(failed)) from None

    def _own_trouble(self, error: BaseException) -> None:
        """Tell the others that this process cannot do its part, while they wait to hear it; too late, the group ends."""
        if self._summing or (self.recipe.zero_stage == 3 and not isinstance(error, StepRefused)):
            self.crew.part(error)
        with suppress(Agreed):
            self._agree(0.0, str(error) or type(error).__name__)

    # -- gradients

    def learn_chunks(self, batch: Batch, state: State | None, backward: Backward, ctx_len: int, bptt_range: int | None = None) -> Generator:
        """As in `Trainer`; the state that it returns is that of the rows of this process."""
        return self._learn(batch, state, backward, ctx_len, bptt_range)

    def learn_windows(self, batch: Batch, backward: Backward, ctx_len: int, window: int) -> Generator:
        """As in `Trainer`."""
        return self._learn(batch, None, backward, ctx_len, window, windows=True)

    def _learn(self, batch: Batch, state: State | None, backward: Backward, *settings: int | None, windows: bool = False) -> Generator:
        about, tensors = to_words(batch)
        state_tensors = {} if state is None else {f"{OF_STATE}{name}": t for name, t in state.named().items()}
        self.crew.tell("learn", about, settings, windows, **tensors, **state_tensors)
        chunks = self._own_share(batch, state, backward, settings, windows)
        while True:
            self.crew.tell("chunk", self.network.adapters.dropout.seed)
            loss, ended, result = self._next(chunks)
            if ended:
                return result
            yield loss

    def _own_share(self, batch: Batch, state: State | None, backward: Backward, settings, windows: bool) -> Generator:
        rank, size = self.crew.rank, self.crew.size
        own = share(batch.scaled(self._scale), rank, size)
        if windows:
            return learn_windows(self.network, own, backward, *settings)
        return learn_chunks(self.network, own, None if state is None else share_of_state(state, rank, size), backward, *settings)

    def _next(self, chunks: Generator) -> tuple[float, bool, object]:
        """The next chunk, in all processes: (its loss, whether that was no chunk but the end, what the generator returned)."""
        loss, ended, result = 0.0, False, None
        inner, self._together = self._together, True
        try:
            loss = next(chunks)
        except StopIteration as end:
            ended, result = True, end.value
        except Agreed:
            raise
        except BaseException as error:
            self._own_trouble(error)
            raise
        finally:
            self._together = inner
        return self._agree(loss / self._scale), ended, result

    def backward(self, objective: Tensor) -> None:
        """Add the gradient of a scalar, of which this process has a summand, to what was gathered since the last step.

        Raises StepRefused, in every process, where the sum is not finite.
        """
        if not math.isfinite(self._agree(float(objective.detach()))):
            raise Agreed("the loss is not finite")
        self._summing = True
        super().backward(objective)
        self._summing = False

    def step(self, lr: float, rule: str = "adam") -> float:
        """As in `Trainer`."""
        with self._order("step", lr, rule):
            if self.recipe.zero_stage == 0:
                self.engine.enable_backward_allreduce = False  # or it would sum what is a sum already
                self._sum_gradients()
            return super().step(lr, rule)

    def _sum_gradients(self) -> None:
        gradients = [p.grad for p in self.network.parameters() if p.grad is not None]
        while gradients:
            bucket, count = [], 0
            while gradients and (not bucket or count + gradients[0].numel() <= SUM_AT_ONCE):
                bucket.append(gradients.pop(0))
                count += bucket[-1].numel()
            flat = torch.cat([g.reshape(-1) for g in bucket])
            dist.all_reduce(flat)
            for g, summed in zip(bucket, flat.split([g.numel() for g in bucket]), strict=True):
                g.copy_(summed.view_as(g))

    def discard_gradients(self) -> None:
        """As in `Trainer`."""
        with self._order("discard"):
            self._chunks = None
            self._summing = False
            super().discard_gradients()

    # -- what a step changes

    def forget_moments(self) -> None:
        """As in `Trainer`."""
        with self._order("forget"):
            super().forget_moments()

    def snapshot(self, moments: bool) -> Callable[[], None]:
        """As in `Trainer`: each process keeps what it has."""
        own = self._snapshot_of_all(moments)

        def restore() -> None:
            with self._order("restore"):
                own()

        return restore

    def _snapshot_of_all(self, moments: bool) -> Callable[[], None]:
        if self.crew.rank == 0:
            self.crew.tell("snapshot", moments)
        try:
            own = super().snapshot(moments)
        except MemoryError as error:
            self._own_trouble(error)
            raise
        self._agree(0.0)
        return own

    # -- whole tensors

    def parameters(self) -> dict[str, Tensor]:
        """The network's parameters by name, whole; where ZeRO-3 divides them, as copies in host memory."""
        if self.recipe.zero_stage < 3:
            return super().parameters()
        return {name: self._read(name, "").cpu() for name, _ in self.network.named_parameters()}

    def _read(self, name: str, kind: str) -> Tensor:
        with self._order("read", name, kind):
            return super()._read(name, kind)

    def _write(self, name: str, kind: str, value: Tensor) -> None:
        with self._order("write", name, kind, value=value):
            super()._write(name, kind, value)

    def _renew_masters(self) -> None:
        with self._order("renew"):
            super()._renew_masters()

    def _set_moments(self, steps: float) -> None:
        with self._order("moments", steps):
            super()._set_moments(steps)

    # -- forwards outside of a lesson's chunks, under ZeRO-3

    def _before_forward(self, module: nn.Module, arguments: tuple, settings: dict) -> None:
        self._depth += 1
        if not self._together and self._depth == 1:
            self.crew.tell("forward" if module is self.network else "head", settings.get("head", "all"))

    def _after_forward(self, module: nn.Module, arguments: tuple, output) -> None:
        self._depth -= 1
        if output is None:  # it broke off, and the others wait in the middle of theirs
            self.crew.part(RuntimeError("a forward broke off"))

    def _forward(self, head: str) -> None:
        token = torch.zeros(1, 1, dtype=torch.int64, device=self.network.emb.weight.device)
        with torch.no_grad():
            self.network(token, head=head)

    def _head(self, _: str) -> None:
        weight = self.network.head.weight
        with torch.no_grad():
            self.network.head(torch.zeros(1, self.network.shape.channels, dtype=weight.dtype, device=weight.device))

    # -- following

    def follow(self) -> None:
        """Do what process 0 tells, until it tells the end."""
        acts = {"learn": self._begin_share, "chunk": self._next_chunk, "step": self.step, "discard": self.discard_gradients,
                "forget": self.forget_moments, "snapshot": self._keep, "restore": lambda: self._restore(), "read": self._read,
                "write": self._write, "renew": self._renew_masters, "moments": self._set_moments, "forward": self._forward,
                "head": self._head}
        while True:
            name, arguments, tensors = self.crew.hear()
            if name == "end":
                return
            with suppress(StepRefused):  # process 0 knows it as well
                acts[name](*arguments, **tensors)

    def _begin_share(self, about: dict, settings: list, windows: bool, **tensors: Tensor) -> None:
        device = self.network.emb.weight.device
        state = {name.removeprefix(OF_STATE): t.to(device) for name, t in tensors.items() if name.startswith(OF_STATE)}
        fields = {name: t for name, t in tensors.items() if not name.startswith(OF_STATE)}
        batch = Batch(**about, **{name: t if name == "old_BTV" else t.to(device) for name, t in fields.items()})
        self._chunks = self._own_share(batch, State.from_named(state) if state else None, self.backward, settings, windows)

    def _next_chunk(self, seed: int | None) -> None:
        try:
            with self.network.dropout(seed):
                self._next(self._chunks)
        except StepRefused:
            raise
        except Exception:
            log.exception("a chunk failed")

    def _keep(self, moments: bool) -> None:
        self._restore = self._snapshot_of_all(moments)
