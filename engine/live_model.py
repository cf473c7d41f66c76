"""The one model of the process: its network, tokenizer, template and trainer, built from a config script."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Generator
from pathlib import Path

import torch
from torch import Tensor

from models.message import Message
from models.role import Role, Roles
from models.template import Template
from models.tokenizer import load_tokenizer
from rwkv_models.cpu_matmul import use_fastest_exact_matmul
from rwkv_models.optimizer import Recipe, Trainer, loopback_process_group
from rwkv_models.weights_file import fit, load_network

log = logging.getLogger("ouroboros.model")
EMBEDDED = Path(__file__).parent.parent / "rwkv_models" / "tiny" / "model.safetensors"
DIGEST_SLICE = 64 * 2**20
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


class LiveModel:
    """Weights that answer and learn. ValueError in one sentence where files or settings do not fit each other."""

    def __init__(self, config):
        if config.model.threads:
            torch.set_num_threads(config.model.threads)
        cuda = torch.cuda.is_available() if config.model.device == "auto" else config.model.device == "cuda"
        if cuda and not torch.cuda.is_available():
            raise ValueError('model.device is "cuda", but torch sees no GPU here; "auto" or "cpu" would run')
        self.device = torch.device("cuda" if cuda else "cpu")
        precision = config.model.precision
        if precision == "auto":
            precision = "bf16" if cuda and config.deepspeed.zero_stage > 0 else "fp32"
        self.file = Path(config.model.file) if config.model.file else EMBEDDED
        self.name = self.file.stem if config.model.file else "tiny"
        if not cuda:
            log.info("matmul=%s threads=%d", use_fastest_exact_matmul(), torch.get_num_threads())
        network = load_network(self.file, DTYPES[precision]).to(self.device)
        self.tokenizer = load_tokenizer(self._tokenizer_spec(config.model.tokenizer))
        if self.tokenizer.vocab_size > network.shape.vocabulary:
            raise ValueError(f"the tokenizer {self.tokenizer.name} has {self.tokenizer.vocab_size} ids, {self.file} only {network.shape.vocabulary}")
        self.roles = Roles(Role(r.name, r.prefix, r.suffix, r.answers) for r in config.roles)
        self.template = Template(self.roles, self.tokenizer, config.template.begin)
        self.parameters = sum(p.numel() for p in network.parameters())
        loopback_process_group()
        o, d = config.optimizer, config.deepspeed
        self.trainer = Trainer(network, Recipe(
            lr=config.train.lr, betas=o.betas, eps=o.eps, weight_decay=o.weight_decay, clip=o.clip, w0_rate=o.w0_rate,
            zero_stage=d.zero_stage, offload_optimizer=d.offload_optimizer, offload_param=d.offload_param, nvme_path=d.nvme_path))
        self.network = self.trainer.network

    def _tokenizer_spec(self, spec: str) -> str | Path:
        if spec != "auto":
            return spec
        beside = self.file.parent / "tokenizer.json"
        return beside if beside.exists() else "world"

    def digesting(self) -> Generator[None, None, str]:
        """SHA-256 over all parameters in name order: their bytes, as stored. Yields every DIGEST_SLICE bytes or so."""
        digest, since = hashlib.sha256(), 0
        for _, tensor in sorted(self.trainer.parameters().items()):
            digest.update(tensor.detach().cpu().contiguous().view(torch.uint8).numpy())
            since += tensor.nbytes
            if since >= DIGEST_SLICE:
                yield
                since = 0
        return digest.hexdigest()

    def digest(self) -> str:
        """What `digesting` comes to."""
        steps = self.digesting()
        while True:
            try:
                next(steps)
            except StopIteration as end:
                return end.value

    def weights(self) -> dict[str, Tensor]:
        """A copy of all parameters by name, in host memory."""
        return {name: t.detach().to("cpu", copy=True) for name, t in self.trainer.parameters().items()}

    def optimizer_tensors(self, moments: bool) -> dict[str, Tensor]:
        """A copy of what the optimizer would miss in the weights alone: fp32 masters and, if asked, its moments."""
        kept = {f"master.{i}": t for i, t in enumerate(self.trainer.masters())}
        if moments:
            kept |= {f"moment.{i}": t for i, t in enumerate(self.trainer.moments())}
        return {name: t.detach().to("cpu", copy=True) for name, t in kept.items()}

    def loading(self, weights: dict[str, Tensor], optimizer: dict[str, Tensor], origin: Path) -> Callable[[], None]:
        """Find out whether a checkpoint's tensors fit (WeightsError names the first that does not); the function that is
        returned puts them in place of the present ones."""
        fitted = fit(self.network, weights, origin)
        masters, moments = self.trainer.masters(), self.trainer.moments()

        def held(kind: str, now: list[Tensor]) -> list[Tensor] | None:
            """The optimizer's tensors of a kind; None where they were not kept, or kept under another zero_stage."""
            then = [optimizer.get(f"{kind}.{i}") for i in range(len(now))]
            return then if all(t is not None and t.numel() == n.numel() for t, n in zip(then, now, strict=True)) else None

        masters_then, moments_then = held("master", masters), held("moment", moments)

        @torch.no_grad()
        def put() -> None:
            for name, tensor in self.trainer.parameters().items():
                tensor.copy_(fitted[name])
            if masters_then:
                for now, then in zip(masters, masters_then, strict=True):
                    now.copy_(then.view(now.shape))
            elif masters:
                self.trainer.engine.optimizer.refresh_fp32_params()
            for i, now in enumerate(moments):
                now.copy_(moments_then[i].view(now.shape)) if moments_then else now.zero_()

        return put

    def messages(self, given: list[dict]) -> list[Message]:
        """A caller's messages as the data classes know them."""
        return [Message(m["role"], m["text"], m.get("weight", 1.0), m.get("no_loss", False)) for m in given]
