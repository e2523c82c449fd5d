from __future__ import annotations

import gzip
from pathlib import Path

import pytest
import torch

from onebit import data
from onebit._errors import FormatError
from onebit.data import encode_idx
from onebit.data._mnist import read_pair

IMAGES = torch.zeros(3, 28, 28, dtype=torch.uint8)
LABELS = torch.tensor([7, 0, 9], dtype=torch.uint8)


def pair(folder: Path, images: torch.Tensor, labels: torch.Tensor) -> list[Path]:
    paths = [folder / "the-images", folder / "the-labels"]
    for path, values in zip(paths, (images, labels), strict=True):
        path.write_bytes(gzip.compress(encode_idx(values)))
    return paths


def test_a_pair_of_files_becomes_pictures_and_labels(tmp_path: Path) -> None:
    images = torch.arange(3 * 28 * 28).reshape(3, 28, 28).to(torch.uint8)
    read_images, read_labels = read_pair(pair(tmp_path, images, LABELS))
    assert torch.equal(read_images, images[:, None])
    assert (read_labels.dtype, read_labels.tolist()) == (torch.int64, [7, 0, 9])


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (IMAGES, LABELS[:2], r"the-images holds 3 pictures but .*the-labels holds 2 labels"),
        (IMAGES, torch.tensor([1, 2, 10], dtype=torch.uint8), "the-labels: holds the label 10; expected 0 to 9"),
        (LABELS, LABELS, r"the-images: holds uint8 \(3,\); expected pictures, uint8 \(N, 28, 28\)"),
        (IMAGES[:, 1:], LABELS, r"the-images: holds uint8 \(3, 27, 28\)"),
        (IMAGES.short(), LABELS, r"the-images: holds int16 \(3, 28, 28\)"),
        (IMAGES, IMAGES, r"the-labels: holds uint8 \(3, 28, 28\); expected labels, uint8 \(N,\)"),
        (IMAGES, LABELS.int(), r"the-labels: holds int32 \(3,\)"),
    ],
)
def test_files_that_are_no_pair_are_refused(tmp_path: Path, images, labels, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        read_pair(pair(tmp_path, images, labels))


def test_full_mnist_is_the_published_set(full) -> None:
    root = full("mnist")
    train = data.load("mnist", root, "train", download=False)
    test = data.load("mnist", root, "test", download=False)
    assert train.images.shape == (60_000, 1, 28, 28)
    assert test.images.shape == (10_000, 1, 28, 28)
    assert train.labels.bincount().tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert test.labels.bincount().tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert (int(train.labels[0]), int(test.labels[0])) == (5, 7)
    assert train.classes == tuple("0123456789")
    for part in (train, test):
        assert part.source.endswith("equal to the official ones")


def test_full_fashion_mnist_is_the_published_set(full) -> None:
    root = full("fashion-mnist")
    for split, count, first in (("train", 60_000, "ankle boot"), ("test", 10_000, "ankle boot")):
        part = data.load("fashion-mnist", root, split, download=False)
        assert part.images.shape == (count, 1, 28, 28)
        assert part.labels.bincount().tolist() == [count // 10] * 10
        assert part.classes[int(part.labels[0])] == first
        assert part.source.endswith("equal to the official ones")
