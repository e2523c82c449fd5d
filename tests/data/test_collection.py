from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from onebit.data import _collection
from onebit.data._collection import COLLECTIONS, look_for


def put(folder: Path, packed: dict[str, bytes], unpack: bool = False) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in packed.items():
        if unpack:
            (folder / name.removesuffix(".gz")).write_bytes(gzip.decompress(data))
        else:
            (folder / name).write_bytes(data)


@pytest.mark.parametrize("layout", ["", "mnist", "MNIST/raw"])
@pytest.mark.parametrize("unpack", [False, True])
@pytest.mark.parametrize("split", ["train", "test"])
def test_files_are_found_in_every_layout_packed_and_unpacked(tiny, tmp_path, layout, unpack, split) -> None:
    collection, packed = tiny
    put(tmp_path / layout, packed, unpack)
    search = look_for(collection, split, tmp_path)
    names = [file.name.removesuffix(".gz") if unpack else file.name for file in collection.splits[split]]
    assert search.paths == tuple(tmp_path / layout / name for name in names)


def test_the_folders_are_tried_in_order_and_unpacked_files_first(tiny, tmp_path) -> None:
    collection, packed = tiny
    put(tmp_path / "MNIST/raw", packed)
    put(tmp_path / "mnist", packed)
    put(tmp_path / "mnist", packed, unpack=True)
    search = look_for(collection, "test", tmp_path)
    assert [path.relative_to(tmp_path).as_posix() for path in search.paths] == [
        "mnist/t10k-images-idx3-ubyte",
        "mnist/t10k-labels-idx1-ubyte",
    ]


def test_a_search_that_fails_tells_what_each_folder_lacks(tiny, tmp_path) -> None:
    collection, packed = tiny
    put(tmp_path / "mnist", {name: data for name, data in packed.items() if "images" in name})
    search = look_for(collection, "train", tmp_path)
    assert search.paths == ()
    assert search.looked == (
        f"{tmp_path} (lacks train-images-idx3-ubyte.gz and train-labels-idx1-ubyte.gz)",
        f"{tmp_path / 'mnist'} (lacks train-labels-idx1-ubyte.gz)",
        f"{tmp_path / 'MNIST/raw'} (no such folder)",
    )


def test_files_of_another_set_under_the_same_names_are_not_taken(tiny, tmp_path, monkeypatch) -> None:
    collection, packed = tiny
    put(tmp_path, packed)
    monkeypatch.setattr(_collection, "COLLECTIONS", {"mnist": collection})
    search = look_for(COLLECTIONS["fashion-mnist"], "train", tmp_path)
    assert search.paths == ()
    assert search.looked[0] == f"{tmp_path} (holds mnist, whose files have the same names)"
    assert look_for(collection, "train", tmp_path).paths


def test_a_damaged_file_is_found_so_that_reading_can_say_what_is_wrong(tiny, tmp_path) -> None:
    collection, packed = tiny
    put(tmp_path, {name: data[:-9] for name, data in packed.items()})
    assert len(look_for(collection, "train", tmp_path).paths) == 2


def test_every_collection_is_complete_and_official() -> None:
    for name, collection in COLLECTIONS.items():
        assert collection.name == name
        assert set(collection.splits) >= {"train", "test"}
        assert collection.home in collection.folders
        assert len(collection.mirrors) >= 2
        assert all(mirror.startswith("http") and mirror.endswith("/") for mirror in collection.mirrors)
        for files in collection.splits.values():
            assert all(len(file.md5 or "") == 32 and file.size > 0 for file in files)
            assert all(len(file.sha256) == 64 for file in files if file.sha256)
        for form in collection.forms:
            assert set(form.splits) == set(collection.splits)
