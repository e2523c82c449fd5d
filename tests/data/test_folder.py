from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from onebit import data
from onebit._errors import DataError, OptionError
from onebit.data import folder


def put(path: Path, colour: int, size: tuple[int, int] = (8, 8)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((*size, 3), colour, np.uint8)).save(path)


@pytest.fixture
def animals(tmp_path: Path) -> Path:
    for i in range(10):
        put(tmp_path / "cat" / f"{i}.png", i)
    for i in range(5):
        put(tmp_path / "dog" / "large" / f"{i}.JPG", 100 + i)
    put(tmp_path / "ant" / "x.bmp", 200, (9, 30))
    for other in ("cat/notes.txt", "cat/.hidden.png", "readme.md"):
        (tmp_path / other).write_bytes(b"not a picture")
    (tmp_path / ".git").mkdir()
    return tmp_path


def test_classes_are_folders_by_name_and_pictures_are_ordered_by_path(animals: Path) -> None:
    all_of_them = folder(animals, 8, "all")
    assert all_of_them.classes == ("ant", "cat", "dog")
    assert all_of_them.labels.tolist() == [0] + [1] * 10 + [2] * 5
    read = all_of_them.in_memory()
    assert read.images.shape == (16, 3, 8, 8)
    assert read.images[1:11, 0, 0, 0].tolist() == list(range(10))
    assert int(read.images[0, 2, 4, 4]) == 200
    assert read.source == f"16 pictures in {animals}"


def test_without_split_folders_a_fifth_is_drawn_for_the_test_once_and_for_all(animals: Path) -> None:
    train, test = (folder(animals, 8, split) for split in ("train", "test"))
    assert (len(train), len(test)) == (13, 3)
    paths = [one.source_of.paths[i] for one in (train, test) for i in one.index]
    assert len(set(paths)) == 16
    assert torch.equal(folder(animals, 8, "test").index, test.index)
    assert set(train.labels[-6:].tolist()) >= {1, 2}  # else the last ones would be no validation set
    assert test.source == f"3 of the 16 pictures in {animals}, drawn for test"


@pytest.mark.parametrize("name", ["test", "val", "valid", "validation"])
def test_split_folders_are_used_where_they_are(tmp_path: Path, name: str) -> None:
    for split, count in (("train", 4), (name, 2)):
        for i in range(count):
            put(tmp_path / split / "a" / f"{i}.png", i)
    assert sorted(folder(tmp_path, 8).in_memory().images[:, 0, 0, 0].tolist()) == [0, 1, 2, 3]
    assert folder(tmp_path, 8).in_memory().images[:, 0, 0, 0].tolist() != [0, 1, 2, 3]
    assert len(folder(tmp_path, 8, "test")) == 2
    assert folder(tmp_path, 8, "test").source == f"2 pictures in {tmp_path / name}"
    with pytest.raises(OptionError, match="split must be 'train' or 'test'"):
        folder(tmp_path, 8, "all")


def test_grey_pictures_are_read_on_demand(animals: Path) -> None:
    assert folder(animals, 4, channels=1).in_memory().images.shape == (13, 1, 4, 4)


def test_folders_without_pictures_are_told(animals: Path, tmp_path: Path) -> None:
    (animals / "empty").mkdir()
    with pytest.raises(DataError, match=r"no pictures in empty\. Expected a folder for each class"):
        folder(animals, 8)
    with pytest.raises(DataError, match="absent: is not a folder"):
        folder(tmp_path / "absent", 8)
    with pytest.raises(DataError, match="large: no folder in it"):
        folder(animals / "dog" / "large", 8)
    for wrong in ({"size": 0}, {"size": 8, "channels": 2}, {"size": 8, "split": "tst"}):
        with pytest.raises(OptionError, match="folder: size is"):
            folder(animals, **wrong)


def test_two_folders_of_one_set_need_the_same_classes(tmp_path: Path) -> None:
    put(tmp_path / "train" / "a" / "0.png", 0)
    put(tmp_path / "train" / "b" / "0.png", 0)
    put(tmp_path / "val" / "b" / "0.png", 0)
    with pytest.raises(
        DataError, match=r"only one of train and val has these folders of classes: a \(1 in all\)\. Expected"
    ):
        folder(tmp_path, 8, "test")
    assert data.folder(tmp_path / "train", 8, "all").classes == ("a", "b")
