"""CIFAR-10 and CIFAR-100: colour pictures of 32 x 32, as binary records or as pickles of Python, archived or not.

A binary record is the label (CIFAR-100: the superclass, then the class) in one byte each, then 3,072 bytes: the red,
the green and the blue plane, row by row. Learning Multiple Layers of Features from Tiny Images, Krizhevsky 2009.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from onebit._errors import DataError, FormatError
from onebit.data._archive import read_members
from onebit.data._cifar100_classes import CLASSES as CLASSES_100
from onebit.data._collection import COLLECTIONS, Collection, Form, Read
from onebit.data._download import RemoteFile
from onebit.data._unpickle import unpickle

SHAPE = (3, 32, 32)
PIXELS = 3072
CLASSES_10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
ADVICE = "Delete the file and load again, or fetch it afresh."


def read_records(content: bytes, where: str, classes: int) -> tuple[Tensor, Tensor]:
    """Images uint8 (N, 3, 32, 32) and labels int64 (N,) from binary records.

    Raises FormatError if the bytes are no whole number of records or a label is out of range.
    """
    labels = 2 if classes > 10 else 1  # the last of them is the class
    size = labels + PIXELS
    if not content or len(content) % size:
        raise FormatError(
            f"{where}: holds {len(content)} bytes; expected one or more records of {size} bytes, which leaves "
            f"{len(content) % size} bytes over. {ADVICE}"
        )
    records = np.frombuffer(content, np.uint8).reshape(-1, size)
    return _checked(records[:, labels:], records[:, labels - 1].tolist(), where, classes)


def read_pickle(content: bytes, where: str, classes: int) -> tuple[Tensor, Tensor]:
    """The same from a pickle of {data: uint8 (N, 3072), labels or fine_labels: N numbers}; see `unpickle`."""
    values = unpickle(content, where)
    key = "fine_labels" if classes > 10 else "labels"
    pixels, labels = values.get("data"), values.get(key)
    if not isinstance(pixels, np.ndarray) or pixels.ndim != 2 or pixels.shape[1] != PIXELS:
        form = f"{pixels.shape}" if isinstance(pixels, np.ndarray) else f"of type {type(pixels).__name__}"
        raise FormatError(f"{where}: its 'data' is {form}; expected unsigned bytes (N, {PIXELS}). {ADVICE}")
    if not isinstance(labels, list) or any(type(label) is not int for label in labels):
        raise FormatError(f"{where}: its {key!r} are of type {type(labels).__name__}; expected a list of int. {ADVICE}")
    if len(labels) != len(pixels):
        raise FormatError(f"{where}: holds {len(pixels)} pictures but {len(labels)} labels. {ADVICE}")
    return _checked(pixels, labels, where, classes)


def _checked(pixels: np.ndarray[Any, Any], labels: Sequence[int], where: str, classes: int) -> tuple[Tensor, Tensor]:
    if wrong := [label for label in labels if not 0 <= label < classes]:
        raise FormatError(f"{where}: holds the label {wrong[0]}; expected 0 to {classes - 1}. {ADVICE}")
    return torch.from_numpy(pixels.reshape(-1, *SHAPE).copy()), torch.tensor(labels, dtype=torch.int64)


Parse = Any  # Callable[[bytes, str, int], tuple[Tensor, Tensor]], which partial loses


def read_files(parse: Parse, classes: int, paths: Sequence[Path], _split: str) -> tuple[Tensor, Tensor]:
    """`Read` of unpacked files."""
    parts = []
    for path in paths:
        try:
            content = path.read_bytes()
        except OSError as error:
            raise DataError(f"{path}: cannot be read ({error.strerror or error}).") from error
        parts.append(parse(content, str(path), classes))
    return _joined(parts)


def read_archive(
    parse: Parse, classes: int, members: dict[str, tuple[str, ...]], paths: Sequence[Path], split: str
) -> tuple[Tensor, Tensor]:
    """`Read` of an archive that holds the files of all splits."""
    (path,) = paths
    names = members[split]
    return _joined(
        [parse(one, f"{path}: {name}", classes) for name, one in zip(names, read_members(path, names), strict=True)]
    )


def _joined(parts: Sequence[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    images, labels = zip(*parts, strict=True)
    return torch.cat(images), torch.cat(labels)


def _forms(
    name: str, inside: str, archive: RemoteFile, parse: Parse, classes: int, files: dict[str, tuple[RemoteFile, ...]]
) -> tuple[Form, Form]:
    """The unpacked folder and the archive of it."""
    members = {split: tuple(f"{inside}/{file.name}" for file in parts) for split, parts in files.items()}
    unpacked: Read = partial(read_files, parse, classes)
    packed: Read = partial(read_archive, parse, classes, members)
    splits = dict.fromkeys(files, (archive,))
    return Form((inside, f"{name}/{inside}", name), files, unpacked), Form(("", name), splits, packed)


def _collection(
    name: str, classes: tuple[str, ...], binary: tuple[Form, Form], python: tuple[Form, Form]
) -> Collection:
    """Downloads bring the binary archive: it needs no pickle."""
    return Collection(
        name=name,
        classes=classes,
        shape=SHAPE,
        folders=binary[1].folders,
        home="",
        mirrors=("https://www.cs.toronto.edu/~kriz/", "https://cave.cs.toronto.edu/kriz/"),
        splits=binary[1].splits,
        read=binary[1].read,
        also=(binary[0], *python),
    )


CIFAR10 = _collection(
    "cifar10",
    CLASSES_10,
    _forms(
        "cifar10",
        "cifar-10-batches-bin",
        RemoteFile(
            "cifar-10-binary.tar.gz",
            170_052_171,
            "c32a1d4ab5d03f1284b67883e8d87530",
            "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
            whole=True,
        ),
        read_records,
        10,
        {
            "train": tuple(RemoteFile(f"data_batch_{i}.bin") for i in range(1, 6)),
            "test": (RemoteFile("test_batch.bin"),),
        },
    ),
    _forms(
        "cifar10",
        "cifar-10-batches-py",
        RemoteFile("cifar-10-python.tar.gz", 170_498_071, "c58f30108f718f92721af3b95e74349a"),
        read_pickle,
        10,
        {
            "train": (
                RemoteFile("data_batch_1", md5="c99cafc152244af753f735de768cd75f"),
                RemoteFile("data_batch_2", md5="d4bba439e000b95fd0a9bffe97cbabec"),
                RemoteFile("data_batch_3", md5="54ebc095f3ab1f0389bbae665268c751"),
                RemoteFile("data_batch_4", md5="634d18415352ddfa80567beed471001a"),
                RemoteFile("data_batch_5", md5="482c414d41f54cd18b22e5b47cb7cd8c"),
            ),
            "test": (RemoteFile("test_batch", md5="40351d587109b95175f43aff81a1287e"),),
        },
    ),
)
CIFAR100 = _collection(
    "cifar100",
    CLASSES_100,
    _forms(
        "cifar100",
        "cifar-100-binary",
        RemoteFile(
            "cifar-100-binary.tar.gz",
            168_513_733,
            "03b5dce01913d631647c71ecec9e9cb8",
            "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec",
            whole=True,
        ),
        read_records,
        100,
        {
            "train": (RemoteFile("train.bin"),),
            "test": (RemoteFile("test.bin"),),
        },
    ),
    _forms(
        "cifar100",
        "cifar-100-python",
        RemoteFile("cifar-100-python.tar.gz", 169_001_437, "eb9058c3a382ffc7106e4002c42a8d85"),
        read_pickle,
        100,
        {
            "train": (RemoteFile("train", md5="16019d7e3df5f24257cddd939b257f8d"),),
            "test": (RemoteFile("test", md5="f0ef6b0ae62326f3e7ffdfab6717acfc"),),
        },
    ),
)
COLLECTIONS.register(CIFAR10.name)(CIFAR10)
COLLECTIONS.register(CIFAR100.name)(CIFAR100)
