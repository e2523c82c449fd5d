"""Make the MNIST sample that the package ships: python tools/make_mnist_sample.py [FOLDER]

Reads the official files (ONEBIT_DATA or the cache folder; their checksums must be the official ones) and writes four
idx.gz files: 6,000 training and 1,000 test digits. Digit i of a split is drawn by its rank among the SHA-256 hashes of
"<seed>:<split>:<i>", which is random, not balanced by class, and the same with every version of every library. The
digits keep the official order.
"""

from __future__ import annotations

import gzip
import hashlib
import sys
from pathlib import Path

import torch

from onebit import data

SEED = 1602
COUNTS = {"train": 6_000, "test": 1_000}
FILES = {"train": "train", "test": "t10k"}
FOLDER = Path(data.__file__).parent / "sample"


def draw(split: str, total: int, count: int) -> torch.Tensor:
    """The `count` indices below `total` that the sample holds, ascending."""
    ranked = sorted(range(total), key=lambda i: hashlib.sha256(f"{SEED}:{split}:{i}".encode()).digest())
    return torch.tensor(sorted(ranked[:count]))


def make(folder: Path) -> None:
    """Write the four files into `folder`."""
    for split, count in COUNTS.items():
        full = data.load("mnist", split=split, download=False)
        if not full.source.endswith("equal to the official ones"):
            raise SystemExit(f"The sample is made from the official files only. Found: {full.source}")
        part = full.select(draw(split, len(full), count))
        for kind, values in (("images-idx3", part.images.squeeze(1)), ("labels-idx1", part.labels.to(torch.uint8))):
            packed = gzip.compress(data.encode_idx(values), 9, mtime=0)
            (folder / f"{FILES[split]}-{kind}-ubyte.gz").write_bytes(packed)


if __name__ == "__main__":
    make(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
