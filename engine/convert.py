"""python -m engine.convert FROM TO [--adapter NAME]: weights from one form of file to another.

FROM is a BlinkDL `.pth` (read with weights_only: tensors, never code), a `.safetensors`, or a folder data/checkpoints/NAME@SEQ that the
server wrote. TO ends in `.pth` or `.safetensors`; with --adapter it is a folder, for that adapter of the checkpoint in PEFT's layout, or
for that tuned state as its state.pth.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

from engine import model_parts
from engine.atomic import sync
from engine.checkpoints import Checkpoint
from engine.trained import STATE
from rwkv_models.adapters import FactorAdapter
from rwkv_models.peft_files import save_adapter
from rwkv_models.weights_file import load_network, network_of, save_state, save_weights


def convert(source: Path, target: Path, adapter: str | None = None) -> None:
    """Read, check, write; `target` appears whole or not at all. ValueError in one sentence where it cannot be done."""
    if target.exists():
        raise ValueError(f"{target}: there is a file or folder of this name already")
    if adapter is None and target.suffix not in (".pth", ".safetensors"):
        raise ValueError(f"{target}: weights are written as .pth or .safetensors")
    if not target.resolve().parent.is_dir():
        raise ValueError(f"{target.parent}: there is no such folder")
    checkpoint = read_checkpoint(source) if source.is_dir() else None
    network = load_network(source) if checkpoint is None else network_of(checkpoint.part("model"), source)
    temporary = target.with_name(f".{target.stem}.new{target.suffix}")
    try:
        if adapter is None:
            save_weights(network.state_dict(), temporary, {"format": "pt"})
        elif checkpoint is None:
            raise ValueError(f"{source}: adapters are in a folder that the server wrote, data/checkpoints/NAME@SEQ")
        else:
            write_adapter(network, checkpoint, adapter, temporary)
        for file in temporary.iterdir() if temporary.is_dir() else (temporary,):
            sync(file)
        temporary.rename(target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True) if temporary.is_dir() else temporary.unlink(missing_ok=True)


def read_checkpoint(folder: Path) -> Checkpoint:
    """The checkpoint in a folder, its files as their manifest says."""
    checkpoint = Checkpoint.read(folder)
    if problem := checkpoint.verify():
        raise ValueError(f"{folder}: the checkpoint is damaged: {problem}")
    return checkpoint


def write_adapter(network, checkpoint: Checkpoint, name: str, folder: Path) -> None:
    """Write an adapter or a tuned state of a checkpoint into a new folder."""
    described = {about["name"]: about for about in checkpoint.manifest["adapters"]}
    if name not in described:
        raise ValueError(f"{checkpoint.folder}: there is no adapter {name}; there are: {', '.join(described) or 'none'}")
    adapter = model_parts.rebuilt(network, described[name], checkpoint.part("adapters"), checkpoint.folder)
    folder.mkdir()
    if isinstance(adapter, FactorAdapter):
        save_adapter(adapter, folder, checkpoint.name)
    else:
        save_state(adapter, folder / STATE)


def main() -> int:
    """Exit status 2 with one sentence where it cannot be done."""
    parser = argparse.ArgumentParser(
        prog="python -m engine.convert", description=__doc__.split(": ", 1)[1], formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path, metavar="FROM")
    parser.add_argument("target", type=Path, metavar="TO")
    parser.add_argument("--adapter", metavar="NAME", help="this adapter or tuned state instead of the weights")
    options = parser.parse_args()
    try:
        convert(options.source, options.target, options.adapter)
    except (ValueError, OSError) as error:
        print(f"convert: {error}", file=sys.stderr)
        return 2
    print(f"{options.target} is written")
    return 0


if __name__ == "__main__":
    sys.exit(main())
