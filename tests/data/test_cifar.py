from __future__ import annotations

import dataclasses
import gzip
import hashlib
import io
import pickle
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch

from onebit import data
from onebit._errors import DataError, FormatError
from onebit.data import _cifar
from onebit.data._collection import COLLECTIONS
from onebit.data._download import RemoteFile

INSIDE = {
    ("cifar10", "binary"): "cifar-10-batches-bin",
    ("cifar10", "python"): "cifar-10-batches-py",
    ("cifar100", "binary"): "cifar-100-binary",
    ("cifar100", "python"): "cifar-100-python",
}
NAMES = list(INSIDE)
PER_FILE = 3


def pictures(name: str, file: int) -> tuple[np.ndarray, list[int]]:
    """Three random pictures and their labels for the file of that number."""
    rng = np.random.default_rng(file)
    classes = 10 if name == "cifar10" else 100
    return rng.integers(0, 256, (PER_FILE, 3072), np.uint8), rng.integers(0, classes, PER_FILE).tolist()


def content(name: str, form: str, file: int) -> bytes:
    """A file of the set as its format defines it."""
    pixels, labels = pictures(name, file)
    if form == "python":
        key = b"labels" if name == "cifar10" else b"fine_labels"
        return pickle.dumps({key: labels, b"data": pixels, b"coarse_labels": [0] * PER_FILE}, 2)
    coarse = b"" if name == "cifar10" else b"\x13"
    return b"".join(coarse + bytes([label]) + row.tobytes() for row, label in zip(pixels, labels, strict=True))


def files(name: str, form: str) -> dict[str, bytes]:
    """All files of the set by their path; the numbers of the training files come before that of the test file."""
    unpacked = next(one for one in COLLECTIONS[name].forms if one.folders[0] == INSIDE[name, form])
    ordered = [file.name for split in ("train", "test") for file in unpacked.splits[split]]
    return {f"{INSIDE[name, form]}/{file}": content(name, form, number) for number, file in enumerate(ordered)}


def archive(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name, one in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(one)
            tar.addfile(info, io.BytesIO(one))
    return out.getvalue()


def put(root: Path, members: dict[str, bytes]) -> None:
    for name, one in members.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(one)


def archive_name(name: str, form: str) -> str:
    return f"cifar-{name.removeprefix('cifar')}-{form}.tar.gz"


def expected(name: str, split: str) -> tuple[torch.Tensor, list[int]]:
    last = 5 if name == "cifar10" else 1
    numbers = range(last) if split == "train" else [last]
    parts = [pictures(name, number) for number in numbers]
    images = np.concatenate([pixels for pixels, _ in parts]).reshape(-1, 3, 32, 32)
    return torch.from_numpy(images), [label for _, labels in parts for label in labels]


@pytest.mark.parametrize(("name", "form"), NAMES)
@pytest.mark.parametrize("layout", ["folder", "folder below the name", "archive", "archive below the name", "tar"])
@pytest.mark.parametrize("split", ["train", "test"])
def test_every_published_form_is_found_and_read(tmp_path, name, form, layout, split) -> None:
    members = files(name, form)
    below = tmp_path / name if "below" in layout else tmp_path
    if "folder" in layout:
        put(below, members)
    elif layout == "tar":
        put(below, {archive_name(name, form).removesuffix(".gz"): gzip.decompress(archive(members))})
    else:
        put(below, {archive_name(name, form): archive(members)})
    loaded = data.load(name, tmp_path, split, download=False)
    images, labels = expected(name, split)
    assert torch.equal(loaded.images, images)
    assert loaded.labels.tolist() == labels
    assert len(loaded.classes) == (10 if name == "cifar10" else 100)
    compared = "not compared with the official ones" if form == "binary" or layout == "tar" else "NOT the official ones"
    assert (compared if layout == "tar" or "folder" in layout else "NOT the official ones") in loaded.source
    assert data.locate(name, tmp_path) == str(below / INSIDE[name, form] if "folder" in layout else below)


def test_a_set_is_downloaded_as_its_binary_archive(tmp_path, mirror, monkeypatch) -> None:
    packed = archive(files("cifar10", "binary"))
    mirror.files["cifar-10-binary.tar.gz"] = packed
    sums = hashlib.md5(packed).hexdigest(), hashlib.sha256(packed).hexdigest()
    published = RemoteFile("cifar-10-binary.tar.gz", len(packed), *sums, whole=True)
    local = dataclasses.replace(
        _cifar.CIFAR10, mirrors=(mirror.url("good"),), splits=dict.fromkeys(("train", "test"), (published,))
    )
    monkeypatch.setitem(COLLECTIONS._entries, "cifar10", local)
    train, test = (data.load("cifar10", tmp_path, split) for split in ("train", "test"))
    assert (len(train), len(test)) == (15, 3)
    assert train.source == f"cifar-10-binary.tar.gz in {tmp_path}, equal to the official ones"
    assert len(mirror.asked) == 1  # the test pictures came with it
    wrong = dataclasses.replace(published, sha256="0" * 64)
    monkeypatch.setitem(
        COLLECTIONS._entries, "cifar10", dataclasses.replace(local, splits=dict.fromkeys(("train", "test"), (wrong,)))
    )
    with pytest.raises(DataError, match="wrong checksum, file removed: sha256"):
        data.load("cifar10", tmp_path / "other")


def test_offline_the_error_says_what_to_put_where(tmp_path, mirror, monkeypatch) -> None:
    gone = dataclasses.replace(_cifar.CIFAR10, mirrors=(mirror.url("missing"),))
    monkeypatch.setitem(COLLECTIONS._entries, "cifar10", gone)
    (tmp_path / "cifar-10-batches-bin").mkdir()
    with pytest.raises(DataError) as error:
        data.load("cifar10", tmp_path)
    message = str(error.value)
    for part in (
        f"{tmp_path / 'cifar-10-batches-bin'} (lacks data_batch_1.bin and 4 more)",
        f"{tmp_path} (lacks cifar-10-python.tar.gz)",
        "/missing/cifar-10-binary.tar.gz: HTTP 404",
        "Put cifar-10-binary.tar.gz (packed or unpacked) into one of these folders",
    ):
        assert part in message


@pytest.mark.parametrize(
    ("form", "damage", "message"),
    [
        ("binary", lambda raw: raw[:-1], r"data_batch_1\.bin: holds 9218 bytes; expected one or more records of 3073"),
        ("binary", lambda _: b"", r"holds 0 bytes"),
        ("binary", lambda raw: b"\x0a" + raw[1:], r"holds the label 10; expected 0 to 9"),
        ("python", lambda raw: raw[:-9], r"data_batch_1: damaged or not a pickle"),
        ("python", lambda _: pickle.dumps({"labels": [1]}, 2), r"its 'data' is of type NoneType"),
        (
            "python",
            lambda _: pickle.dumps({"labels": [1], "data": np.zeros((1, 3071), np.uint8)}, 2),
            r"its 'data' is \(1, 3071\); expected unsigned bytes \(N, 3072\)",
        ),
        (
            "python",
            lambda _: pickle.dumps({"labels": ["1"], "data": np.zeros((1, 3072), np.uint8)}, 2),
            r"its 'labels' are of type list; expected a list of int",
        ),
        (
            "python",
            lambda _: pickle.dumps({"labels": [1], "data": np.zeros((2, 3072), np.uint8)}, 2),
            "holds 2 pictures but 1 labels",
        ),
        ("python", lambda _: pickle.dumps({"x": print}, 2), r"refused: it asks for .*\.print"),
    ],
)
def test_damaged_files_are_told_by_name_in_folders_and_archives(tmp_path, form, damage, message) -> None:
    members = files("cifar10", form)
    first = next(iter(members))
    members[first] = damage(members[first])
    put(tmp_path / "folder", members)
    put(tmp_path / "archive", {archive_name("cifar10", form): archive(members)})
    for root in ("folder", "archive"):
        with pytest.raises(FormatError, match=message) as error:
            data.load("cifar10", tmp_path / root, download=False)
        assert str(tmp_path / root) in str(error.value)
        assert first in str(error.value)


def test_full_cifar10_has_its_sizes(full) -> None:
    root = full("cifar10")
    train, test = (data.load("cifar10", root, split, download=False) for split in ("train", "test"))
    assert train.labels.bincount().tolist() == [5000] * 10
    assert test.labels.bincount().tolist() == [1000] * 10
