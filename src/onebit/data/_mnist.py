"""MNIST and Fashion-MNIST: ten classes of 28 x 28 grey pictures in four idx files each."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from onebit._errors import FormatError
from onebit.data._collection import COLLECTIONS, Collection
from onebit.data._download import RemoteFile
from onebit.data._idx import read_idx

SAMPLE = Path(__file__).parent / "sample"
SIDE = 28  # pixels


def read_pair(paths: Sequence[Path]) -> tuple[Tensor, Tensor]:
    """Images uint8 (N, 1, 28, 28) and labels int64 (N,) from an images file and a labels file.

    Raises FormatError if either file is not of its kind or their counts differ.
    """
    images_path, labels_path = paths
    images, labels = read_idx(images_path), read_idx(labels_path)
    if images.dtype != torch.uint8 or images.dim() != 3 or images.shape[1:] != (SIDE, SIDE):
        raise FormatError(f"{images_path}: holds {_form(images)}; expected pictures, uint8 (N, {SIDE}, {SIDE}).")
    if labels.dtype != torch.uint8 or labels.dim() != 1:
        raise FormatError(f"{labels_path}: holds {_form(labels)}; expected labels, uint8 (N,).")
    if len(images) != len(labels):
        raise FormatError(
            f"{images_path} holds {len(images)} pictures but {labels_path} holds {len(labels)} labels; "
            "the two files do not belong together."
        )
    if len(labels) and int(labels.max()) > 9:
        raise FormatError(f"{labels_path}: holds the label {int(labels.max())}; expected 0 to 9.")
    return images.unsqueeze(1), labels.to(torch.int64)


def _form(tensor: Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} {tuple(tensor.shape)}"


MNIST = Collection(
    name="mnist",
    classes=tuple("0123456789"),
    shape=(1, SIDE, SIDE),
    folders=("", "mnist", "MNIST/raw"),
    home="MNIST/raw",
    mirrors=(
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
        "http://yann.lecun.com/exdb/mnist/",
    ),
    splits={
        "train": (
            RemoteFile(
                name="train-images-idx3-ubyte.gz",
                size=9_912_422,
                md5="f68b3c2dcbeaaa9fbdd348bbdeb94873",
                sha256="ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
            ),
            RemoteFile(
                name="train-labels-idx1-ubyte.gz",
                size=28_881,
                md5="d53e105ee54ea40749a09fcbcd1e9432",
                sha256="65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
            ),
        ),
        "test": (
            RemoteFile(
                name="t10k-images-idx3-ubyte.gz",
                size=1_648_877,
                md5="9fb629c4189551a2d022fa330f9573f3",
                sha256="0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
            ),
            RemoteFile(
                name="t10k-labels-idx1-ubyte.gz",
                size=4_542,
                md5="ec29112dd5afa0611ce80d1b7f02629c",
                sha256="ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
            ),
        ),
    },
    read=lambda paths, _split: read_pair(paths),
    sample=SAMPLE,
)

FASHION_MNIST = Collection(
    name="fashion-mnist",
    classes=(
        "t-shirt/top",
        "trouser",
        "pullover",
        "dress",
        "coat",
        "sandal",
        "shirt",
        "sneaker",
        "bag",
        "ankle boot",
    ),
    shape=(1, SIDE, SIDE),
    folders=("", "fashion-mnist", "FashionMNIST/raw"),
    home="FashionMNIST/raw",
    mirrors=(
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
        "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
    ),
    splits={
        "train": (
            RemoteFile(
                name="train-images-idx3-ubyte.gz",
                size=26_421_880,
                md5="8d4fb7e6c68d591d4c3dfef9ec88bf0d",
                sha256="c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
            ),
            RemoteFile(
                name="train-labels-idx1-ubyte.gz",
                size=29_515,
                md5="25c81989df183df01b3e8a0aad5dffbe",
                sha256="bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
            ),
        ),
        "test": (
            RemoteFile(
                name="t10k-images-idx3-ubyte.gz",
                size=4_422_102,
                md5="bef4ecab320f06d8554ea6380940ec79",
                sha256="5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
            ),
            RemoteFile(
                name="t10k-labels-idx1-ubyte.gz",
                size=5_148,
                md5="bb300cfdad3c16e7a12a480ee83cd310",
                sha256="0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
            ),
        ),
    },
    read=lambda paths, _split: read_pair(paths),
)

COLLECTIONS.register(MNIST.name)(MNIST)
COLLECTIONS.register(FASHION_MNIST.name)(FASHION_MNIST)
