from __future__ import annotations

import pickle
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from onebit._errors import FormatError, OptionError
from onebit.data import adapt, batches

# Of torch, on machines with fewer cores than processes, and of Python 3.12 and later.
pytestmark = [
    pytest.mark.filterwarnings("ignore:This DataLoader will create"),
    pytest.mark.filterwarnings("ignore:This process .* is multi-threaded"),
]
PICTURES = np.random.default_rng(0).integers(0, 256, (6, 5, 7, 3), np.uint8)
LABELS = [2, 0, 1, 1, 0, 2]


class Vision:
    """As torchvision's: pairs, `targets`, `classes`."""

    def __init__(self, make=Image.fromarray, **more) -> None:
        self.make, self.opened = make, 0
        self.__dict__.update(more)

    def __len__(self) -> int:
        return 6

    def __getitem__(self, i: int):
        self.opened += 1
        return self.make(PICTURES[i]), LABELS[i]


class Face:
    """As Hugging Face's: rows are mappings, columns by name, `features` with the names of the classes."""

    def __init__(self, image: str, label: str) -> None:
        self.image, self.label, self.opened = image, label, 0
        self.features = {image: object(), label: SimpleNamespace(names=["x", "y", "z"])}

    def __len__(self) -> int:
        return 6

    def __getitem__(self, key):
        if isinstance(key, str):
            assert key == self.label
            return LABELS
        self.opened += 1
        return {self.image: Image.fromarray(PICTURES[key]), self.label: LABELS[key], "id": key}


def check(adapted, classes: tuple[str, ...]) -> None:
    read = adapted.in_memory()
    assert np.array_equal(read.images.permute(0, 2, 3, 1).numpy(), PICTURES)
    assert read.labels.tolist() == LABELS
    assert read.classes == classes


@pytest.mark.parametrize("make", [Image.fromarray, np.array, lambda p: torch.from_numpy(p).permute(2, 0, 1) / 255])
def test_objects_like_torchvisions_are_taken(make) -> None:
    check(adapt(Vision(make, targets=LABELS, classes=["a", "b", "c"])), ("a", "b", "c"))
    check(adapt(Vision(make, labels=np.array(LABELS))), ("0", "1", "2"))
    check(adapt(Vision(make), classes="abc"), ("a", "b", "c"))
    check(adapt([(make(picture), label) for picture, label in zip(PICTURES, LABELS, strict=True)]), ("0", "1", "2"))


@pytest.mark.parametrize(("image", "label"), [("image", "label"), ("img", "label"), ("img", "fine_label")])
def test_objects_like_hugging_faces_are_taken(image: str, label: str) -> None:
    check(adapt(Face(image, label)), ("x", "y", "z"))


def test_labels_are_taken_whole_where_the_object_keeps_them() -> None:
    for one in (Vision(targets=LABELS), Face("image", "label")):
        adapt(one)
        assert one.opened <= 2
    changed = Vision(targets=[9] * 6, target_transform=lambda label: label)
    assert adapt(changed).labels.tolist() == LABELS


def test_pictures_are_scaled_to_a_size_and_read_by_processes() -> None:
    adapted = adapt(Vision(targets=LABELS), size=4, workers=2)
    assert adapted.shape == (3, 4, 4)
    assert [len(labels) for _, labels in batches(adapted, 4)] == [4, 2]
    assert pickle.loads(pickle.dumps(adapted.source_of)).where(3) == "Vision[3]"
    grey = adapt([(Image.fromarray(picture[:, :, 0]), 0) for picture in PICTURES])
    assert grey.shape == (1, 5, 7)


class Mixed(Vision):
    def __getitem__(self, i: int):
        return Image.fromarray(PICTURES[i][: 5 - (i == 4)]), LABELS[i]


@pytest.mark.parametrize(
    ("items", "error", "message"),
    [
        (3, OptionError, "adapt: got int. Expected an object with items"),
        ([], OptionError, "adapt: got list"),
        (["a"], OptionError, r"list\[0\] is of type str. Expected \(picture, label\) or a mapping"),
        ([{"x": 1, "label": 2}], OptionError, r"list\[0\] has x, label. Expected one of image, img"),
        ([(PICTURES[0], 5)], OptionError, "labels run from 5 to 5; classes 2"),
        ([("no picture", 0)], FormatError, r"list\[0\]: holds"),
        ([(torch.randn(3, 4, 4), 0)], FormatError, r"list\[0\]: holds an array .*normalised"),
    ],
)
def test_what_is_no_data_set_is_refused(items, error, message: str) -> None:
    with pytest.raises(error, match=message):
        adapt(items, classes=("a", "b"))


def test_pictures_of_different_sizes_need_a_size() -> None:
    with pytest.raises(FormatError, match=r"Mixed\[4\]: has shape \(3, 4, 7\); expected \(3, 5, 7\).*Pass a size"):
        adapt(Mixed(targets=LABELS)).in_memory()
    assert adapt(Mixed(targets=LABELS), size=4).in_memory().images.shape == (6, 3, 4, 4)
