from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from onebit import data
from onebit._errors import DataError, OptionError, UnknownName


def put(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.zeros((30, 40, 3), np.uint8)).save(root / name)


@pytest.mark.parametrize("layout", ["imagenet", "ImageNet", "ILSVRC2012"])
def test_imagenet_is_found_in_its_folders(tmp_path: Path, layout: str) -> None:
    assert data.locate("imagenet", tmp_path) == f"train and val not in {tmp_path / 'imagenet'}"
    put(
        tmp_path / layout,
        "train/n01440764/a.JPEG",
        "train/n01443537/b.JPEG",
        "val/n01440764/c.JPEG",
        "val/n01443537/d.JPEG",
    )
    train = data.open_set("imagenet", tmp_path)
    assert (train.shape, len(train), train.keep) == ((3, 224, 224), 2, 0.875)
    assert train.classes == ("n01440764", "n01443537")
    assert data.open_set("imagenet", tmp_path, "test", size=64, workers=3).shape == (3, 64, 64)
    assert data.locate("imagenet", tmp_path) == str(tmp_path / layout)
    assert data.picture_shape("imagenet") == (3, 224, 224)


def test_absent_imagenet_is_told_with_what_to_put_where(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"imagenet was not found\. Expected .*/imagenet or .*cannot be downloaded"):
        data.open_set("imagenet", tmp_path)


def test_a_folder_of_ones_own_has_a_path_and_a_size(tmp_path: Path) -> None:
    put(tmp_path, *(f"a/{i}.png" for i in range(9)))
    assert len(data.open_set("folder", path=tmp_path, size=8)) == 8
    assert len(data.open_set("folder", split="test", path=tmp_path, size=8)) == 1
    for options in ({"path": tmp_path}, {"size": 8}):
        with pytest.raises(OptionError, match="Expected both: where, and how many pixels"):
            data.open_set("folder", **options)


def test_a_set_in_memory_is_what_load_gives(tmp_path: Path, tiny, monkeypatch) -> None:
    collection, packed = tiny
    monkeypatch.setitem(data._catalog.COLLECTIONS._entries, "mnist", collection)
    for name, content in packed.items():
        (tmp_path / name).write_bytes(content)
    assert len(data.open_set("mnist", tmp_path, "test")) == 8
    with pytest.raises(OptionError, match="mnist: size is 8, but its pictures are in memory"):
        data.open_set("mnist", tmp_path, size=8)
    with pytest.raises(OptionError, match="only the set called folder has one"):
        data.open_set("mnist", tmp_path, path=tmp_path)
    with pytest.raises(UnknownName, match="Did you mean 'mnist'"):
        data.open_set("mnits")


def test_an_unknown_set_is_told_with_all_that_there_are(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match=r"No data set is called 'imagnet'\. Did you mean 'imagenet'\? .*folder, im"):
        data.open_set("imagnet", tmp_path)
