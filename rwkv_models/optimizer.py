"""The optimizer of RWKV: AdamW in BlinkDL's parameter groups, run by DeepSpeed.

The weights that train are the weights that answer: `Trainer` gives DeepSpeed the network itself, and every later
forward reads the same tensors.
"""

from __future__ import annotations

import gc
import math
import os
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor, nn

from rwkv_models import alone, flat_adamw, whole
from rwkv_models.chunks import Backward, Batch, learn_chunks, learn_windows
from rwkv_models.flat_adamw import FlatAdamW
from rwkv_models.footprints import Footprints
from rwkv_models.graph_reading import GraphReading
from rwkv_models.loopback import build_no_operator
from rwkv_models.null_space import NullSpace
from rwkv_models.state import State

PART = 2**27
"""Numbers that ZeRO 1 and 2 handle at once. They flatten, gather and step a whole group of parameters as one tensor, with
copies of it in bf16 and fp32 on the GPU: 0.8 GB for a part of this size, 17 GB for all matrices of a 2.9B model at once. A
power of two, as that is what torch rounds pinned memory up to."""


DECAYS = ("att.w0", "att.time_decay")
"""The vector of decays, of RWKV-7 and of those before it."""

LONGEST = 1e8
"""A gradient longer than this is broken. Clipping would leave of it a step in the direction of the breakage."""


SWAMPED = 2.0**20
"""The eps that makes Adam gradient descent; a power of two, so that multiplying and dividing by it rounds nothing."""


class StepRefused(RuntimeError):
    """The gradient cannot be used. The text says why, in one clause."""


@dataclass(frozen=True)
class Recipe:
    """AdamW and DeepSpeed settings; the defaults are the RWKV-7 recipe (RWKV-LM, train_temp)."""

    lr: float = 1e-5
    betas: tuple[float, float] = (0.9, 0.99)
    eps: float = 1e-18
    weight_decay: float = 0.0
    clip: float = 1.0
    w0_rate: float = 2.0
    state_rate: float = 1.0
    zero_stage: int = 0
    offload_optimizer: str = "none"
    offload_param: str = "none"
    nvme_path: str = ""


def parameter_groups(network: nn.Module, recipe: Recipe) -> list[dict]:
    """Trainable parameters by what the recipe does with them; `rate` multiplies the step size of a group.

    The decay's vector moves at `w0_rate`; weight decay falls on two-dimensional `.weight` matrices only (not on the low-rank
    factors w1, w2 …, which carry no such suffix, nor on vectors, norms and the factors of adapters). A time_state moves at
    `state_rate`: state tuning wants steps of 1 falling to 0.01, 10^5 times those of weights.
    """
    fast, state, decayed, plain = [], [], [], []
    for name, p in network.named_parameters():
        if p.requires_grad:
            (fast if name.endswith(DECAYS) else state if name.endswith("att.time_state")
             else decayed if name.endswith(".weight") and p.squeeze().ndim == 2 else plain).append(p)
    groups = [
        {"name": "w0", "params": fast, "weight_decay": 0.0, "rate": recipe.w0_rate},
        {"name": "state", "params": state, "weight_decay": 0.0, "rate": recipe.state_rate},
        {"name": "decayed", "params": decayed, "weight_decay": recipe.weight_decay, "rate": 1.0},
        {"name": "plain", "params": plain, "weight_decay": 0.0, "rate": 1.0},
    ]
    return [g | {"lr": recipe.lr * g["rate"]} for g in groups if g["params"]]


def in_parts(groups: list[dict], most: int) -> list[dict]:
    """The same groups, each cut into groups of at most `most` numbers or of one tensor."""
    parts = []
    for group in groups:
        parts.append(group | {"params": []})
        size = 0
        for p in group["params"]:
            if size and size + p.numel() > most:
                parts.append(group | {"params": []})
                size = 0
            parts[-1]["params"].append(p)
            size += p.numel()
    return parts


def bucket_size(groups: list[dict]) -> int:
    """Numbers that ZeRO gathers in one bucket of gradients. It is memory taken in every backward: few for an adapter, which has few,
    but never fewer than its largest tensor has."""
    sizes = [p.numel() for group in groups for p in group["params"]]
    return min(PART, max(*sizes, sum(sizes) // 8))


def deepspeed_config(recipe: Recipe, dtype: torch.dtype, bucket: int) -> dict:
    """DeepSpeed's own configuration for a recipe. Gradients add up until `Trainer.step`, so batch sizes are nominal."""
    zero: dict = {"stage": recipe.zero_stage, "reduce_bucket_size": bucket}
    for key, where in (("offload_optimizer", recipe.offload_optimizer), ("offload_param", recipe.offload_param)):
        if where != "none":
            about = {"nvme_path": recipe.nvme_path} if where == "nvme" else {"pin_memory": torch.cuda.is_available()}
            zero[key] = {"device": where, **about}
    return {
        "train_micro_batch_size_per_gpu": 1,
        "gradient_accumulation_steps": 1,
        "managed_gradient_accumulation": False,
        "gradient_clipping": recipe.clip,
        "zero_optimization": zero,
        "zero_force_ds_cpu_optimizer": False,
        "bf16": {"enabled": dtype == torch.bfloat16, "check_grad_overflow": True},
        "steps_per_print": 2**62,
        "wall_clock_breakdown": False,
    }


class Trainer:
    """DeepSpeed's engine around a network, reduced to what a lesson needs: backward, step, forget, undo.

    Trains the parameters that require gradients when it is made. To train others, `release` it and make another.
    """

    rows = 1
    """Rows of a batch that it learns in the time of one."""

    def __init__(self, network: nn.Module, recipe: Recipe):
        import deepspeed  # here, as it costs a second and a network can be used without it

        self._footprints = Footprints(network)
        dtype = next(network.parameters()).dtype
        groups = parameter_groups(network, recipe)
        self._smallest = min((p for group in groups for p in group["params"]), key=Tensor.numel)
        if recipe.zero_stage in (1, 2):
            groups = in_parts(groups, PART)
        # torch's fused step serves the GPU and, as fast as DeepSpeed's own, host memory; that one would be compiled for a
        # minute, ask for a CUDA toolkit beside a GPU, and count its steps where no copy of tensors would find them.
        optimizer = torch.optim.AdamW(groups, lr=recipe.lr, betas=recipe.betas, eps=recipe.eps, fused=True)
        self.recipe = recipe
        self.engine, *_ = deepspeed.initialize(model=network, optimizer=optimizer, config=self._config(dtype, bucket_size(groups)))
        self.network = self.engine.module
        trained = [p for group in groups for p in group["params"]]
        offloads = {recipe.offload_optimizer, recipe.offload_param} != {"none"}
        self._flat: FlatAdamW | None = None
        if flat_adamw.serves(recipe.zero_stage, dist.get_world_size(), offloads, trained):
            self._flat = FlatAdamW(self.engine.optimizer, self.engine.basic_optimizer, recipe.clip)
            if network.family == "rwkv7" and not network.quantized:
                network.graphs = GraphReading(network)
        elif recipe.zero_stage in (1, 2):
            # DeepSpeed would ask of each gradient whether it is finite, which takes half of a step's time on a GPU. The norm, which it
            # takes next and refuses alike, is not finite where one gradient is not.
            seen = torch.zeros(1, dtype=torch.bool, device=self._smallest.device)
            self.engine.optimizer.has_overflow_partitioned_grads_serial = lambda: seen
        self._adam: torch.optim.Optimizer = self.engine.basic_optimizer
        self._begin_moments()

    def _config(self, dtype: torch.dtype, bucket: int) -> dict:
        return deepspeed_config(self.recipe, dtype, bucket)

    def release(self) -> None:
        """Let go of the network: no hook, no attribute and no memory of the engine remain; the trainer is of no use afterwards.

        The parameters keep their values; where ZeRO-3 had put them away, they are whole again, in new memory.
        """
        self.discard_gradients()
        self.network.graphs = None
        with torch.no_grad():
            for p in self.network.parameters():
                if hasattr(p, "ds_tensor"):
                    part = p.ds_tensor.data[: p.ds_numel].view(p.ds_shape).to(p.device)
                    p.data = part.clone() if part.untyped_storage().nbytes() > part.nbytes else part
        self.engine.destroy()
        self._footprints.remove()
        self.engine = self._adam = self._flat = None
        gc.collect()  # DeepSpeed's objects refer to one another

    # -- one step

    def learn_chunks(self, batch: Batch, state: State | None, backward: Backward, ctx_len: int, bptt_range: int | None = None) -> Generator:
        """rwkv_models.chunks.learn_chunks on this network."""
        return learn_chunks(self.network, batch, state, backward, ctx_len, bptt_range)

    def learn_windows(self, batch: Batch, backward: Backward, ctx_len: int, window: int) -> Generator:
        """rwkv_models.chunks.learn_windows on this network."""
        return learn_windows(self.network, batch, backward, ctx_len, window)

    def backward(self, objective: Tensor) -> None:
        """Add the gradient of a scalar to what was gathered since the last step."""
        if self._flat is not None:
            if objective.requires_grad:  # else a recording has taken it
                objective.backward()
            return
        if self.recipe.zero_stage == 2:  # which fails where no trained parameter takes part, as in all chunks but one of a state's tuning
            objective = objective + 0 * self._smallest.sum().to(objective.dtype)
        if self.recipe.zero_stage:
            # Else what a full bucket moves to host memory in the midst of this backward is taken for the last of the step.
            self.engine.optimizer.set_gradient_accumulation_boundary(False)
        if self.recipe.zero_stage == 3:  # counts backwards in the engine's own forward, which is not used here; the first would be lost
            self.engine.optimizer.clear_backward_seen_flag()
        self.engine.backward(objective, scale_wrt_gas=False)

    def step(self, lr: float, rule: str = "adam") -> float:
        """Move the weights once with step size `lr` and return the norm of the gradient before clipping.

        rule: "adam" (AdamW), or "sgd": the weights move by -lr times the clipped gradient.

        Raises StepRefused where the gradient is not finite, and nothing has moved; or where its norm is above LONGEST, which is known
        before the step without ZeRO or by FlatAdamW, else after it.
        """
        for group in self._adam.param_groups:
            # Adam beside an eps that its second moment vanishes in, with no memory of earlier gradients, is gradient descent.
            scale = SWAMPED if rule == "sgd" else 1.0
            group["lr"] = scale * lr * group["rate"]
            group["eps"], group["betas"] = (SWAMPED, (0.0, self.recipe.betas[1])) if rule == "sgd" else (self.recipe.eps, self.recipe.betas)
            group["weight_decay"] = (self.recipe.weight_decay if group["name"] == "decayed" else 0.0) / scale
        if self._flat is not None:
            norm = self._flat.step(LONGEST)
            if not 0 <= norm <= LONGEST:  # nor where it is NaN
                self.discard_gradients()
                raise StepRefused(_too_long(norm))
            return norm
        if self.recipe.zero_stage == 0:
            norm = float(nn.utils.get_total_norm([p.grad for p in self.network.parameters() if p.grad is not None]))
            if not 0 <= norm <= LONGEST:  # nor where it is NaN
                self.discard_gradients()
                raise StepRefused(_too_long(norm))
            self.engine.step()
            return norm
        self.engine.step()
        self._empty_partitions()
        if self.engine.optimizer.overflow:
            raise StepRefused("the gradient is not finite")
        norm = float(self.engine.get_global_grad_norm())
        if norm > LONGEST:
            raise StepRefused(_too_long(norm))
        return norm

    def discard_gradients(self) -> None:
        """Drop what was gathered, as if the last backwards had not been; also those that broke off half-way (out of memory).

        ZeRO-3 does not survive a backward that broke off.
        """
        if self._flat is not None:
            self._flat.discard()
            return
        for p in self.network.parameters():
            p.grad = None
        zero = self.engine.optimizer
        zero.zero_grad(set_to_none=True)
        self.engine.zero_grad()
        if self.recipe.zero_stage in (1, 2):
            # Their zero_grad leaves what earlier backwards of the same step have summed, and the books of one that broke off.
            zero.averaged_gradients.clear()
            zero.all_grad_tensors.clear()
            zero.micro_step_id = -1  # the next backward is the first of a step: offloading writes over its sums
            zero.params_already_reduced = [False] * len(zero.params_already_reduced)
            zero.extra_large_param_to_reduce.clear()
            for bucket in zero.ipg_buckets.values():
                bucket.clear()
            zero._release_ipg_buffers()
            zero.exit_backward()
            zero.clear_backward_seen_flag()
            if zero.cpu_offload:
                zero._offload_accumulated_param_ids = set()
                zero.reset_cpu_buffers()
        self._empty_partitions()

    def _empty_partitions(self) -> None:
        """ZeRO-3 keeps what it gathered past a step, and would add to it for a parameter that the first backward leaves out."""
        if self.recipe.zero_stage == 3:
            self.engine.optimizer.grad_partitions_flat_buffer.zero_()

    def null_space(self, ridge: float) -> NullSpace:
        """What keeps a change away from kept texts. StepRefused where the weights are not moved here, whole and by themselves."""
        if self.recipe.zero_stage or self.rows > 1:
            raise StepRefused("null_space needs all the weights in one process, and deepspeed.zero_stage 0")
        null = NullSpace(self.network, ridge)
        if null.empty:
            raise StepRefused("null_space holds matrices of the network, and what is trained has none of them")
        return null

    # -- what a step changes

    def _begin_moments(self) -> None:
        """Make Adam's memory, which torch would leave to the first step: a checkpoint's can then be put in place before it."""
        zero = self.engine.optimizer
        if getattr(zero, "swap_optimizer", False):  # on NVMe DeepSpeed itself makes it, a part at a time
            return
        for p in self._stepped() or [p for group in self._adam.param_groups for p in group["params"]]:
            zeros = {name: torch.zeros_like(p) for name in whole.MOMENTS}
            self._adam.state[p] = {"step": torch.zeros((), device=p.device), **zeros}
        if self.recipe.zero_stage in (1, 2):
            zero._lazy_init_hp_params_optimizer_state()  # which part of this memory is whose, for rwkv_models.whole

    def _stepped(self) -> list[Tensor]:
        """The flat fp32 tensors that ZeRO gives to Adam, one a group; none where it steps on the parameters themselves."""
        zero = self.engine.optimizer
        return list(getattr(zero, "single_partition_of_fp32_groups", None) or getattr(zero, "fp32_partitioned_groups_flat", None) or [])

    def moments(self) -> list[Tensor]:
        """Every tensor of Adam's memory: both moments and the step counts."""
        if self._flat is not None:
            self._flat.settle()
        return [t for state in self._adam.state.values() for t in state.values()]

    def forget_moments(self) -> None:
        """Begin afresh: as if the optimizer had just been made."""
        if self._flat is not None:
            self._flat.forget()
            return
        for t in self.moments():
            t.zero_()

    def parameters(self) -> dict[str, Tensor]:
        """The network's parameters by name, whole, as they lie in memory (also where ZeRO-3 has put them away)."""
        return {name: p.ds_tensor.data[: p.ds_numel].view(p.ds_shape) if hasattr(p, "ds_tensor") else p.data
                for name, p in self.network.named_parameters()}

    def fp32(self, moments: bool) -> Iterator[tuple[str, Tensor]]:
        """What Adam would miss in the parameters alone, whole, as "KIND.NAME" of a trained parameter: fp32 copies, where ZeRO
        steps on such; and, if asked, both moments, and as "step" how often it stepped. One at a time, not to be kept."""
        kinds = (*(("master",) if self.recipe.zero_stage else ()), *(whole.MOMENTS if moments else ()))
        for name in self._trained():
            for kind in kinds:
                yield f"{kind}.{name}", self._read(name, kind)
        if moments:
            yield "step", next(iter(self._adam.state.values()))["step"]

    def put(self, parameters: dict[str, Tensor], fp32: dict[str, Tensor]) -> None:
        """Put values in place: of parameters, and what `fp32` gave. Copies that were not kept are made from the parameters, and
        moments that were not kept begin afresh."""
        for name, value in parameters.items():
            self._write(name, "", value)
        kept = lambda kind: all(f"{kind}.{name}" in fp32 for name in self._trained())  # noqa: E731
        kinds = [kind for kind in ("master", *whole.MOMENTS) if kept(kind)]
        if "master" not in kinds:
            self._renew_masters()
        elif not self.recipe.zero_stage:
            kinds.remove("master")
        self._set_moments(float(fp32.get("step", 0)))
        for name in self._trained():
            for kind in kinds:
                self._write(name, kind, fp32[f"{kind}.{name}"])

    def _trained(self) -> list[str]:
        return [name for name, p in self.network.named_parameters() if p.requires_grad]

    def _read(self, name: str, kind: str) -> Tensor:
        self._settle(kind)
        return whole.read(self._holder(), self.network.get_parameter(name), kind)

    def _write(self, name: str, kind: str, value: Tensor) -> None:
        self._settle(kind)
        with torch.no_grad():
            whole.write(self._holder(), self.network.get_parameter(name), kind, value)

    def _settle(self, kind: str) -> None:
        if self._flat is not None and kind in whole.MOMENTS:
            self._flat.settle()

    def _holder(self):
        """What has Adam's memory: DeepSpeed's ZeRO, or Adam itself."""
        return self.engine.optimizer if self.recipe.zero_stage else self._adam

    def _renew_masters(self) -> None:
        if self.recipe.zero_stage:
            self.engine.optimizer.refresh_fp32_params()

    def _set_moments(self, steps: float) -> None:
        """Both moments zero, after so many steps."""
        self.forget_moments()
        for state in self._adam.state.values():
            state["step"].fill_(steps)

    def masters(self) -> list[Tensor]:
        """The fp32 copies that ZeRO steps on; none where the parameters themselves are stepped on."""
        return [m.data for m in self._stepped()]

    def weights(self) -> list[Tensor]:
        """Every tensor that a step moves in this process: the parameters that are trained, and their masters."""
        trained = (p for p in self.network.parameters() if p.requires_grad)
        return [*(p.ds_tensor.data if hasattr(p, "ds_tensor") else p.data for p in trained), *self.masters()]

    def snapshot(self, moments: bool) -> Callable[[], None]:
        """Copy what a step moves; calling the result puts it back, exact to the bit.

        `moments`: Adam's memory too; without, putting back forgets it. Parameters that are the rounded image of fp32
        masters (ZeRO 1 and 2) are made from these again and not copied.
        """
        rounded = self.recipe.zero_stage in (1, 2)
        kept = [t.clone() for t in (self.masters() if rounded else self.weights())]
        kept_moments = [t.clone() for t in self.moments()] if moments else None

        def restore() -> None:
            for now, before in zip(self.masters() if rounded else self.weights(), kept, strict=True):
                now.copy_(before)
            if rounded:
                self.engine.optimizer.update_lp_params()
            if kept_moments is None:
                self.forget_moments()
            else:
                for now, before in zip(self.moments(), kept_moments, strict=True):
                    now.copy_(before)

        return restore


def _too_long(norm: float) -> str:
    return f"the norm of the gradient is {norm:.3g}, above {LONGEST:g}" if math.isfinite(norm) else "the gradient is not finite"


def loopback_process_group() -> None:
    """Join torch.distributed as the only process, for DeepSpeed, which asks for a group; no port and no device memory is taken."""
    os.environ.setdefault("LOCAL_RANK", "0")  # DeepSpeed asks for it even of a single process
    if int(os.environ.get("WORLD_SIZE", "1")) > 1 or dist.is_initialized():
        return
    build_no_operator()
    dist.init_process_group(alone.NAME, store=dist.HashStore(), rank=0, world_size=1)
