"""match_classes: what is numbered in one way is found again by name."""

from __future__ import annotations

import pytest
import torch
from PIL import Image

from onebit import data
from onebit._errors import DataError


def in_memory(classes: tuple[str, ...], labels: list[int]) -> data.Dataset:
    images = torch.zeros(len(labels), 1, 2, 2, dtype=torch.uint8)
    return data.Dataset(images, torch.tensor(labels), classes, "own", "my pictures")


def test_labels_become_those_of_the_network_and_some_classes_may_be_absent():
    matched = data.match_classes(in_memory(("cat", "dog"), [0, 1, 1]), ("dog", "bird", "cat"))
    assert matched.labels.tolist() == [2, 0, 0]
    assert matched.classes == ("dog", "bird", "cat")


def test_a_folder_is_matched_too_and_keeps_its_own_numbers(tmp_path):
    for name in ("b", "a"):
        (tmp_path / name).mkdir()
        Image.new("RGB", (4, 4)).save(tmp_path / name / "one.png")
    pictures = data.folder(tmp_path, 4, "all")
    matched = data.match_classes(pictures, ("c", "b", "a"))
    assert matched.labels.tolist() == [2, 1]
    assert pictures.labels.tolist() == [0, 1]
    assert matched.select(torch.tensor([1])).labels.tolist() == [1]


def test_classes_that_the_network_does_not_know_are_named_with_the_nearest():
    with pytest.raises(
        DataError,
        match=r"of 3 classes, the network does not know 2: 'Cat' \(did you mean 'cat'\?\), 'zebra'. It knows cat, dog;",
    ):
        data.match_classes(in_memory(("Cat", "dog", "zebra"), [0, 1]), ("cat", "dog"))
    many = tuple(f"class {i}" for i in range(40))
    with pytest.raises(DataError, match=r"know 1: 'zebra'. It knows class 0, .*class 4 and 35 more"):
        data.match_classes(in_memory(("zebra",), [0]), many)


def test_a_network_without_names_is_told():
    with pytest.raises(DataError, match="does not name its own"):
        data.match_classes(in_memory(("a",), [0]), ())
