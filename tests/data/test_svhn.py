from __future__ import annotations

import dataclasses
import hashlib
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch

from onebit import data
from onebit._errors import DataError, FormatError
from onebit.data import _svhn
from onebit.data._collection import COLLECTIONS
from onebit.data._download import RemoteFile


def element(kind: int, content: bytes) -> bytes:
    return struct.pack("<II", kind, len(content)) + content + bytes(-len(content) % 8)


def matrix(name: str, array: np.ndarray, code: int) -> bytes:
    """A compressed matrix of class `code`, its values stored as bytes, as MATLAB does for small whole numbers."""
    head = element(6, struct.pack("<II", code, 0)) + element(5, struct.pack(f"<{array.ndim}i", *array.shape))
    inner = element(14, head + element(1, name.encode()) + element(2, array.astype(np.uint8).tobytes(order="F")))
    squeezed = zlib.compress(inner)
    return struct.pack("<II", 15, len(squeezed)) + squeezed


def mat(images: np.ndarray, labels: list[int], names: str = "Xy") -> bytes:
    """The file of these pictures (N, 32, 32, 3): rows, columns, colours."""
    x = matrix(names[0], images.transpose(1, 2, 3, 0), 9)
    return b"".ljust(124) + b"\0\x01IM" + x + matrix(names[1], np.array(labels).reshape(-1, 1), 6)


def pictures(count: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, 32, 32, 3), np.uint8)


PARTS = {
    "train_32x32.mat": (pictures(4, 0), [1, 10, 9, 5]),
    "extra_32x32.mat": (pictures(3, 1), [10, 2, 2]),
    "test_32x32.mat": (pictures(2, 2), [3, 10]),
}


def put(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, (images, labels) in PARTS.items():
        (folder / name).write_bytes(mat(images, labels))


@pytest.mark.parametrize("layout", ["", "svhn", "SVHN"])
@pytest.mark.parametrize(
    ("split", "parts"), [("train", (0,)), ("extra", (1,)), ("train+extra", (0, 1)), ("test", (2,))]
)
def test_every_part_is_found_and_ten_stands_for_nought(tmp_path, layout, split, parts) -> None:
    put(tmp_path / layout)
    loaded = data.load("svhn", tmp_path, split, download=False)
    chosen = [list(PARTS.values())[part] for part in parts]
    images = np.concatenate([one for one, _ in chosen]).transpose(0, 3, 1, 2)
    assert torch.equal(loaded.images, torch.from_numpy(images.copy()))
    assert loaded.images.is_contiguous()
    assert loaded.labels.tolist() == [label % 10 for _, labels in chosen for label in labels]
    assert loaded.source.endswith("NOT the official ones: their checksums differ")


def test_both_splits_without_the_extra_pictures_are_a_whole_set(tmp_path) -> None:
    put(tmp_path)
    (tmp_path / "extra_32x32.mat").unlink()
    assert data.locate("svhn", tmp_path) == str(tmp_path)
    with pytest.raises(DataError, match=r"svhn \(train\+extra\) was not found.*lacks extra_32x32.mat"):
        data.load("svhn", tmp_path, "train+extra", download=False)


def test_only_what_lacks_is_downloaded(tmp_path, mirror, monkeypatch) -> None:
    put(tmp_path)
    packed = (tmp_path / "extra_32x32.mat").read_bytes()
    mirror.files["extra_32x32.mat"] = packed
    (tmp_path / "extra_32x32.mat").unlink()
    extra = RemoteFile("extra_32x32.mat", len(packed), hashlib.md5(packed).hexdigest())
    local = dataclasses.replace(
        _svhn.SVHN, mirrors=(mirror.url("good"),), splits={**_svhn.SVHN.splits, "train+extra": (_svhn.TRAIN, extra)}
    )
    monkeypatch.setitem(COLLECTIONS._entries, "svhn", local)
    assert len(data.load("svhn", tmp_path, "train+extra")) == 7
    assert [name for _, name, _ in mirror.asked] == ["extra_32x32.mat"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (mat(pictures(1, 0), [11]), "holds the label 11; expected 1 to 10"),
        (mat(pictures(2, 0), [1]), "holds 2 pictures but 1 labels"),
        (mat(pictures(2, 0)[:, :31], [1, 2]), r"X is uint8 \(31, 32, 3, 2\); expected uint8 \(32, 32, 3, N\)"),
        (mat(pictures(1, 0), [1], names="Xz"), "holds X, z and lacks y"),
        (mat(pictures(1, 0), [1])[:-9], "truncated"),
    ],
)
def test_what_is_no_part_of_svhn_is_refused_by_name(tmp_path, content: bytes, message: str) -> None:
    (tmp_path / "test_32x32.mat").write_bytes(content)
    with pytest.raises(FormatError, match=rf"test_32x32\.mat: .*{message}"):
        data.load("svhn", tmp_path, "test", download=False)
