"""The files of one part of a checkpoint: `PART.safetensors` or, of a large one, `PART-00001-of-00003.safetensors` and so on."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from torch import Tensor

from rwkv_models.weights_file import WeightsError, read_tensors, save_weights

NAME = re.compile(r"([a-z]+)(?:-\d{5}-of-\d{5})?\.safetensors")


def names(part: str, count: int) -> list[str]:
    """What a part's files are called, where it has so many."""
    return [f"{part}.safetensors"] if count == 1 else [f"{part}-{i:05d}-of-{count:05d}.safetensors" for i in range(1, count + 1)]


def names_of(part: str, files: Iterable[str]) -> list[str]:
    """A part's files among all those of a checkpoint, in their order; ValueError where they are not all there."""
    mine = sorted(file for file in files if (match := NAME.fullmatch(file)) and match[1] == part)
    if mine and mine != names(part, len(mine)):
        raise ValueError(f"the files of the part {part} do not belong together: {', '.join(mine)[:200]}")
    return mine


def divided(tensors: dict[str, Tensor], most: int) -> Iterator[dict[str, Tensor]]:
    """The tensors in as many groups as hold at most `most` bytes each, in their order; a tensor above that has one of its own."""
    group, size = {}, 0
    for name, tensor in tensors.items():
        if group and size + tensor.nbytes > most:
            yield group
            group, size = {}, 0
        group[name], size = tensor, size + tensor.nbytes
    if group:
        yield group


def write(folder: Path, part: str, tensors: dict[str, Tensor], most: int) -> None:
    """Write a part, in files of about `most` bytes at most; none where it has no tensor."""
    groups = list(divided(tensors, most))
    for name, group in zip(names(part, len(groups)), groups, strict=True) if groups else ():
        save_weights(group, folder / name, {"format": "pt"})


def read(folder: Path, files: list[str]) -> dict[str, Tensor]:
    """The tensors of a part's files, on the CPU; WeightsError where one cannot be read, or a tensor is in two."""
    tensors: dict[str, Tensor] = {}
    for file in files:
        more = read_tensors(folder / file)
        if twice := tensors.keys() & more.keys():
            raise WeightsError(f"{folder / file}: {min(twice)} is in another file of this part as well")
        tensors |= more
    return tensors
