"""Join the parts that train.py wrote into the embedded model: python -m scripts.default_model.join PARTS_DIR OUT_FILE"""

from __future__ import annotations

import sys
from pathlib import Path

from safetensors.torch import load_file, save_file


def main() -> None:
    """Read every part, write one file."""
    folder, out = Path(sys.argv[1]), Path(sys.argv[2])
    tensors = {name: t for part in sorted(folder.glob("model-*.safetensors")) for name, t in load_file(part).items()}
    save_file(tensors, out, metadata={"format": "pt"})
    print(f"{out}: {len(tensors)} tensors, {out.stat().st_size} bytes")


if __name__ == "__main__":
    main()
