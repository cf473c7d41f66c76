"""The one model of the process: its network, tokenizer, template and trainer, built from a config script."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Generator
from dataclasses import asdict
from pathlib import Path

import torch
from torch import Tensor

from engine.group import check_alone
from models.message import Message
from models.role import Role, Roles
from models.template import Template
from models.tokenizer import load_tokenizer, spec_beside
from rwkv_models import checksum
from rwkv_models.adapters import is_laid_over
from rwkv_models.cpu_matmul import use_fastest_exact_matmul
from rwkv_models.crew import Crew
from rwkv_models.crew_trainer import CrewTrainer
from rwkv_models.optimizer import Recipe, Trainer, loopback_process_group
from rwkv_models.quantized import quantize
from rwkv_models.trained import Trains, switch
from rwkv_models.trained import apply as train_this
from rwkv_models.weights_file import load_network

log = logging.getLogger("ouroboros.model")
EMBEDDED = Path(__file__).parent.parent / "rwkv_models" / "tiny" / "model.safetensors"
DIGEST_SLICE = 64 * 2**20
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


class LiveModel:
    """Weights that answer and learn. ValueError in one sentence where files or settings do not fit each other."""

    def __init__(self, config, crew: Crew | None = None):
        """`crew`: the processes that train together, where there are several; all make their model at the same time."""
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
        network.checkpoint_blocks = config.train.checkpoint_blocks
        spec = config.model.tokenizer
        spec = spec_beside(self.file, network.shape.vocabulary) if spec == "auto" else spec
        self.tokenizer = load_tokenizer(spec, config.model.special_markers)
        if self.tokenizer.vocab_size > network.shape.vocabulary:
            raise ValueError(f"the tokenizer {self.tokenizer.name} has {self.tokenizer.vocab_size} ids, "
                             f"{self.file} only {network.shape.vocabulary}")
        self.roles = Roles(Role(r.name, r.prefix, r.suffix, r.answers) for r in config.roles)
        self.template = Template(self.roles, self.tokenizer, config.template.begin)
        self.parameters = sum(p.numel() for p in network.parameters())
        if config.model.quantize != "none":
            quantize(network, config.model.quantize)
        if crew is None:
            loopback_process_group()
        o, d = config.optimizer, config.deepspeed
        self.trains = Trains(**config.trains.model_dump())
        train_this(network, self.trains)
        recipe = Recipe(
            lr=config.train.lr, betas=o.betas, eps=o.eps, weight_decay=o.weight_decay, clip=o.clip, w0_rate=o.w0_rate,
            zero_stage=d.zero_stage, offload_optimizer=d.offload_optimizer, offload_param=d.offload_param, nvme_path=d.nvme_path)
        if crew is not None:
            crew.same({**asdict(network.shape), "precision": precision, **asdict(self.trains), **asdict(recipe)})
        self.trainer = Trainer(network, recipe) if crew is None else CrewTrainer(network, recipe, crew)
        self.network = self.trainer.network

    def switch(self, trains: Trains) -> None:
        """Train that from now on. ValueError, and nothing changed, where the network cannot."""
        check_alone(self.trainer)
        self.trainer = switch(self.trainer, trains)
        self.trains = trains

    def own(self) -> dict[str, Tensor]:
        """The network's own parameters by name, without what is laid over them."""
        return {name: t for name, t in self.trainer.parameters().items() if not is_laid_over(name)}

    def digesting(self, own: bool = False) -> Generator[None, None, str]:
        """SHA-256 over all parameters (`own`: the network's own) in name order: their bytes, as stored. Yields every so often.

        Of all parameters on a GPU it is `checksum.digest`, as every lesson waits for it. The network's own, asked for at a start, are
        told by their bytes there too: another machine may have read the same.
        """
        parameters = self.own() if own else self.trainer.parameters()
        if not own and checksum.serves(parameters):
            return checksum.digest(parameters)
        digest, since = hashlib.sha256(), 0
        for _, tensor in sorted(parameters.items()):
            digest.update(tensor.detach().cpu().contiguous().view(torch.uint8).numpy())
            since += tensor.nbytes
            if since >= DIGEST_SLICE:
                yield
                since = 0
        return digest.hexdigest()

    def digest(self, own: bool = False) -> str:
        """What `digesting` comes to."""
        steps = self.digesting(own)
        while True:
            try:
                next(steps)
            except StopIteration as end:
                return end.value


def messages_of(given: list[dict]) -> list[Message]:
    """A caller's messages as the data classes know them."""
    return [Message(m["role"], m["text"], m.get("weight", 1.0), m.get("no_loss", False), m.get("rejected")) for m in given]
