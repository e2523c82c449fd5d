from __future__ import annotations

import pytest

from onebit import data
from onebit._errors import UnknownName
from onebit.data._collection import COLLECTIONS


def test_every_data_set_has_a_name_and_a_shape() -> None:
    assert data.names() == ["cifar10", "cifar100", "fashion-mnist", "imagenet", "mnist", "svhn"]
    for name in set(data.names()) - {"imagenet"}:
        assert data.picture_shape(name) == ((1, 28, 28) if "mnist" in name else (3, 32, 32))
    for ask in (data.picture_shape, data.locate):
        with pytest.raises(UnknownName, match="Did you mean 'mnist'"):
            ask("mnits")


def test_the_root_is_the_argument_else_the_environment_else_the_cache(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("ONEBIT_DATA", "")
    assert data.find_root() == tmp_path / ".cache/onebit/data"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative/is/ignored")
    assert data.find_root() == tmp_path / ".cache/onebit/data"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert data.find_root() == tmp_path / "cache/onebit/data"
    monkeypatch.setenv("ONEBIT_DATA", "~/sets")
    assert data.find_root() == tmp_path / "sets"
    assert data.find_root("~/mine") == tmp_path / "mine"


def test_locating_tells_the_folder_or_what_stands_in(tiny, tmp_path, monkeypatch) -> None:
    collection, packed = tiny
    monkeypatch.setenv("ONEBIT_DATA", str(tmp_path))
    assert data.locate("fashion-mnist") == f"train and test not in {tmp_path}"
    assert data.locate("mnist") == f"train and test not in {tmp_path}; packaged sample if it cannot be downloaded"
    monkeypatch.setitem(COLLECTIONS._entries, "mnist", collection)
    for folder, split in (("mnist", "train"), ("MNIST/raw", "test")):
        (tmp_path / folder).mkdir(parents=True)
        for file in collection.splits[split]:
            (tmp_path / folder / file.name).write_bytes(packed[file.name])
    assert data.locate("mnist") == f"{tmp_path / 'MNIST/raw'} and {tmp_path / 'mnist'}"
    (tmp_path / "MNIST/raw/t10k-labels-idx1-ubyte.gz").unlink()
    assert data.locate("mnist", root=tmp_path) == f"test not in {tmp_path}"
