from __future__ import annotations

import errno
import threading
import time
from pathlib import Path

import pytest

from onebit._errors import OutputError
from onebit.data._partial import Partial


def test_a_partial_file_grows_and_takes_its_name_at_the_end(tmp_path: Path) -> None:
    partial = Partial(tmp_path / "deep" / "file")
    assert partial.size == 0
    with partial.owned():
        with partial.appending(0) as file:
            partial.write(file, b"abc")
        assert partial.size == 3
        with partial.appending(2) as file:
            partial.write(file, b"xy")
        assert partial.path.read_bytes() == b"abxy"
        assert not partial.target.exists()
        partial.finish()
    assert partial.target.read_bytes() == b"abxy"
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["file"]


def test_a_partial_file_has_one_owner_at_a_time(tmp_path: Path) -> None:
    owners: list[int] = []
    most: list[int] = []

    def own(number: int) -> None:
        for _ in range(20):
            with Partial(tmp_path / "file").owned():
                owners.append(number)
                time.sleep(0.0005)
                most.append(len(owners))
                owners.remove(number)

    threads = [threading.Thread(target=own, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] * 80
    assert list(tmp_path.iterdir()) == []


def test_discarding_removes_the_file_if_there_is_one(tmp_path: Path) -> None:
    partial = Partial(tmp_path / "file")
    partial.discard()
    partial.path.write_bytes(b"x")
    partial.discard()
    assert not partial.path.exists()


def test_a_folder_that_cannot_be_made_is_an_output_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with (
        pytest.raises(OutputError, match=r"Cannot write .*file/.x.lock: .* Pass another root"),
        Partial(tmp_path / "file" / "x").owned(),
    ):
        pass


@pytest.mark.parametrize(
    ("code", "advice"),
    [(errno.ENOSPC, "No space left on device. Free some space"), (errno.EACCES, "Permission denied. Pass another")],
)
def test_a_full_or_forbidden_disk_is_an_output_error(tmp_path: Path, code: int, advice: str) -> None:
    partial = Partial(tmp_path / "file")

    class Refusing:
        def write(self, _: bytes) -> None:
            raise OSError(code, {errno.ENOSPC: "No space left on device", errno.EACCES: "Permission denied"}[code])

    with pytest.raises(OutputError, match=advice):
        partial.write(Refusing(), b"x")
