from __future__ import annotations

import pytest
import torch

from onebit._errors import DtypeError, OptionError, ShapeError
from onebit.data import Dataset

IMAGES = torch.arange(5 * 3 * 2 * 2, dtype=torch.uint8).reshape(5, 3, 2, 2)
LABELS = torch.tensor([0, 1, 2, 1, 0])


def dataset(images: torch.Tensor = IMAGES, labels: torch.Tensor = LABELS) -> Dataset:
    return Dataset(images, labels, ("a", "b", "c"), "toy", "made by a test")


def test_a_selection_keeps_pictures_with_their_labels_and_the_rest() -> None:
    part = dataset().select(torch.tensor([2, 0, 2]))
    assert torch.equal(part.images, IMAGES[[2, 0, 2]])
    assert part.labels.tolist() == [2, 0, 2]
    assert (part.classes, part.name, part.source, len(part)) == (("a", "b", "c"), "toy", "made by a test", 3)


def test_moving_keeps_everything() -> None:
    moved = dataset().to("cpu")
    assert torch.equal(moved.images, IMAGES)
    assert torch.equal(moved.labels, LABELS)


def test_an_empty_set_is_a_set() -> None:
    assert len(dataset(IMAGES[:0], LABELS[:0])) == 0


@pytest.mark.parametrize(
    ("images", "labels", "error", "message"),
    [
        (IMAGES.float(), LABELS, DtypeError, r"images have dtype torch.float32; expected torch.uint8 \(N, C, H, W\)"),
        (IMAGES, LABELS.int(), DtypeError, r"labels have dtype torch.int32; expected torch.int64 \(N,\)"),
        (IMAGES[0], LABELS, ShapeError, r"images have shape \(3, 2, 2\)"),
        (IMAGES, LABELS[None], ShapeError, r"labels have shape \(1, 5\)"),
        (IMAGES[:4], LABELS, ShapeError, "4 images but 5 labels"),
        (IMAGES, LABELS + 1, OptionError, "labels run from 1 to 3; its 3 classes are 0..2"),
        (IMAGES, LABELS - 1, OptionError, "labels run from -1 to 1"),
    ],
)
def test_tensors_of_another_form_are_refused(images, labels, error, message) -> None:
    with pytest.raises(error, match="Dataset 'toy': .*" + message):
        dataset(images, labels)
