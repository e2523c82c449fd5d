from __future__ import annotations

import dataclasses
import gzip

import pytest
import torch

from onebit import data
from onebit._errors import DataError, FormatError, OutputError, UnknownName
from onebit.data import _mnist
from onebit.data._collection import COLLECTIONS


def use(monkeypatch, collection) -> None:
    monkeypatch.setitem(COLLECTIONS._entries, "mnist", collection)


@pytest.fixture
def online(tiny, mirror, monkeypatch):
    """MNIST replaced by the tiny collection, its mirrors by the local one."""
    collection, packed = tiny
    mirror.files.update(packed)
    collection = dataclasses.replace(collection, mirrors=(mirror.url("good"),))
    use(monkeypatch, collection)
    return collection, packed


def test_an_absent_set_is_downloaded_into_the_layout_of_torchvision_and_found_again(online, mirror, tmp_path) -> None:
    steps: list[str] = []
    first = data.load("mnist", tmp_path, progress=lambda *step: steps.append(step[0]))
    assert len(first) == 12
    assert sorted(path.name for path in (tmp_path / "MNIST" / "raw").iterdir()) == [
        "train-images-idx3-ubyte.gz",
        "train-labels-idx1-ubyte.gz",
    ]
    assert list(dict.fromkeys(steps)) == ["train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"]
    asked = list(mirror.asked)
    again = data.load("mnist", tmp_path)
    assert mirror.asked == asked
    assert torch.equal(again.images, first.images)
    assert len(data.load("mnist", tmp_path, "test")) == 8


def test_a_loaded_set_says_where_it_came_from(online, tmp_path) -> None:
    loaded = data.load("mnist", tmp_path)
    assert loaded.source == (
        f"train-images-idx3-ubyte.gz and train-labels-idx1-ubyte.gz in {tmp_path / 'MNIST/raw'}, "
        "equal to the official ones"
    )
    labels = tmp_path / "MNIST/raw/train-labels-idx1-ubyte.gz"
    labels.write_bytes(gzip.compress(data.encode_idx(torch.zeros(12, dtype=torch.uint8))))
    assert data.load("mnist", tmp_path).source.endswith("NOT the official ones: their checksums differ")


def test_a_file_that_is_there_is_not_replaced_by_a_download(online, mirror, tmp_path) -> None:
    _, packed = online
    folder = tmp_path / "MNIST" / "raw"
    folder.mkdir(parents=True)
    name = "train-images-idx3-ubyte"
    (folder / name).write_bytes(gzip.decompress(packed[name + ".gz"]))
    data.load("mnist", tmp_path)
    assert [asked for _, asked, _ in mirror.asked] == ["train-labels-idx1-ubyte.gz"]


def test_a_damaged_file_is_an_error_not_a_reason_to_look_elsewhere(online, mirror, tmp_path) -> None:
    _, packed = online
    (tmp_path / "mnist").mkdir()
    for name, content in packed.items():
        (tmp_path / "mnist" / name).write_bytes(content[:-20])
    with pytest.raises(FormatError, match=r"mnist/train-images-idx3-ubyte.gz: truncated.*Delete the file"):
        data.load("mnist", tmp_path)
    assert mirror.asked == []


def test_pictures_of_another_shape_are_refused(online, tmp_path, monkeypatch) -> None:
    use(monkeypatch, dataclasses.replace(online[0], shape=(3, 28, 28)))
    with pytest.raises(FormatError, match=r"pictures are \(1, 28, 28\); expected \(3, 28, 28\)"):
        data.load("mnist", tmp_path)


def test_without_download_nothing_is_asked_and_the_error_tells_what_was_searched(online, mirror, tmp_path) -> None:
    with pytest.raises(DataError) as error:
        data.load("mnist", tmp_path, "test", download=False)
    message = str(error.value)
    for part in (
        "mnist (test) was not found",
        f"{tmp_path} (lacks t10k-images-idx3-ubyte.gz and t10k-labels-idx1-ubyte.gz)",
        f"{tmp_path / 'mnist'} (no such folder)",
        f"{tmp_path / 'MNIST/raw'} (no such folder)",
        "downloading was not allowed",
        "ONEBIT_DATA",
    ):
        assert part in message
    assert mirror.asked == []


def test_a_failed_download_is_told_with_its_urls(online, mirror, tmp_path, monkeypatch) -> None:
    use(monkeypatch, dataclasses.replace(online[0], mirrors=(mirror.url("missing"),)))
    with pytest.raises(DataError, match=r"was not found: searched .*downloading failed: .*/missing/.*: HTTP 404"):
        data.load("mnist", tmp_path)


@pytest.fixture
def with_sample(online, mirror, monkeypatch):
    """The tiny collection with the packaged sample and a mirror that has nothing."""
    collection = dataclasses.replace(online[0], sample=_mnist.SAMPLE, mirrors=(mirror.url("missing"),))
    use(monkeypatch, collection)
    return collection


@pytest.mark.parametrize(
    ("download", "reason"), [(True, "could not be downloaded (no mirror"), (False, "is not to be downloaded;")]
)
@pytest.mark.parametrize(("split", "count"), [("train", 6000), ("test", 1000)])
def test_the_sample_stands_in_for_absent_mnist_and_says_so(
    with_sample, tmp_path, download, reason, split, count
) -> None:
    lines: list[str] = []
    loaded = data.load("mnist", tmp_path, split, download, notify=lines.append)
    assert len(loaded) == count
    assert loaded.source == f"packaged sample: {count:,} pictures of the official {split} split"
    assert len(lines) == 1
    assert "\n" not in lines[0]
    assert str(tmp_path) in lines[0]
    assert reason in lines[0]


def test_the_caller_is_warned_once_of_the_sample(with_sample, tmp_path) -> None:
    with pytest.warns(UserWarning, match=r"using the packaged sample of 6,000 \+ 1,000 pictures") as told:
        [data.load("mnist", tmp_path, split) for split in ("train", "test")]
    assert [one.filename for one in told] == [__file__]


def test_the_sample_does_not_hide_wrong_bytes(with_sample, mirror, tmp_path, monkeypatch) -> None:
    use(monkeypatch, dataclasses.replace(with_sample, mirrors=(mirror.url("wrong"),)))
    with pytest.raises(DataError, match="wrong checksum, file removed"):
        data.load("mnist", tmp_path)


def test_a_folder_that_cannot_be_written_is_told(with_sample, online, tmp_path, monkeypatch) -> None:
    (tmp_path / "file").write_bytes(b"")
    lines: list[str] = []
    assert len(data.load("mnist", tmp_path / "file", notify=lines.append)) == 6000
    assert "could not be downloaded (Cannot write" in lines[0]
    use(monkeypatch, online[0])
    with pytest.raises(OutputError, match="Cannot write"):
        data.load("mnist", tmp_path / "file")


def test_an_unknown_name_or_split_gets_the_near_miss() -> None:
    with pytest.raises(UnknownName, match=r"No data set is called 'fashion_mnist'. Did you mean 'fashion-mnist'?"):
        data.load("fashion_mnist")
    with pytest.raises(UnknownName, match=r"No split of mnist is called 'tets'. Did you mean 'test'?"):
        data.load("mnist", split="tets")
