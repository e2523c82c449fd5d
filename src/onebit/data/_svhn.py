"""SVHN, the cropped house numbers: ten classes of colour pictures of 32 x 32, one MAT-file for each part.

A file holds X, uint8 (32, 32, 3, N), and y (N, 1) with labels 1 to 10, where 10 stands for the digit 0. Reading Digits
in Natural Images with Unsupervised Feature Learning, Netzer et al. 2011.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from onebit._errors import FormatError
from onebit.data._collection import COLLECTIONS, Collection
from onebit.data._download import RemoteFile
from onebit.data._mat import ADVICE, read_mat

SHAPE = (3, 32, 32)


def read_cropped(path: Path) -> tuple[Tensor, Tensor]:
    """Images uint8 (N, 3, 32, 32) and labels int64 (N,), 0 to 9, of one file; raises FormatError."""
    arrays = read_mat(path)
    if missing := {"X", "y"} - arrays.keys():
        held = ", ".join(sorted(arrays)) or "nothing"
        raise FormatError(f"{path}: holds {held} and lacks {' and '.join(sorted(missing))}. {ADVICE}")
    pixels, labels = arrays["X"], arrays["y"].ravel()
    if pixels.dtype != np.uint8 or pixels.ndim != 4 or pixels.shape[:3] != (32, 32, 3):
        raise FormatError(f"{path}: X is {pixels.dtype} {pixels.shape}; expected uint8 (32, 32, 3, N). {ADVICE}")
    if len(labels) != pixels.shape[3]:
        raise FormatError(f"{path}: holds {pixels.shape[3]} pictures but {len(labels)} labels. {ADVICE}")
    wrong = labels[~np.isin(labels, np.arange(11))]
    if len(wrong):
        raise FormatError(f"{path}: holds the label {wrong[0]}; expected 1 to 10. {ADVICE}")
    images = torch.from_numpy(np.ascontiguousarray(pixels.transpose(3, 2, 0, 1)))
    return images, torch.from_numpy(labels.astype(np.int64) % 10)


def read(paths: Sequence[Path], _split: str) -> tuple[Tensor, Tensor]:
    """The files one behind the other."""
    images, labels = zip(*(read_cropped(path) for path in paths), strict=True)
    return (torch.cat(images), torch.cat(labels)) if len(paths) > 1 else (images[0], labels[0])


TRAIN = RemoteFile(
    "train_32x32.mat",
    182_040_794,
    "e26dedcc434d2e4c54c9b2d4a06d8373",
    "435e94d69a87fde4fd4d7f3dd208dfc32cb6ae8af2240d066de1df7508d083b8",
)
EXTRA = RemoteFile(
    "extra_32x32.mat",
    1_329_278_602,
    "a93ce644f1a588dc4d68dda5feec44a7",
    "a133a4beb38a00fcdda90c9489e0c04f900b660ce8a316a5e854838379a71eb3",
)
TEST = RemoteFile("test_32x32.mat", 64_275_384, "eb5a983be6a315427106f1b164d9cef3")

SVHN = Collection(
    name="svhn",
    classes=tuple("0123456789"),
    shape=SHAPE,
    folders=("", "svhn", "SVHN"),
    home="",
    mirrors=("http://ufldl.stanford.edu/housenumbers/", "https://ufldl.stanford.edu/housenumbers/"),
    splits={"train": (TRAIN,), "extra": (EXTRA,), "train+extra": (TRAIN, EXTRA), "test": (TEST,)},
    read=read,
)
COLLECTIONS.register(SVHN.name)(SVHN)
