from __future__ import annotations

import errno
import os

import pytest

from onebit._errors import OutputError
from onebit.export._write import write_whole


def test_the_file_holds_the_bytes_and_nothing_is_left_beside_it(tmp_path):
    write_whole(tmp_path / "model.onnx", b"bytes")
    assert (tmp_path / "model.onnx").read_bytes() == b"bytes"
    assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"]


@pytest.mark.parametrize(
    ("number", "advice"), [(errno.ENOSPC, "disk is full"), (errno.EACCES, "no permission"), (errno.EROFS, "read-only")]
)
def test_a_failed_write_keeps_the_older_file_and_says_what_to_do(tmp_path, monkeypatch, number, advice):
    path = tmp_path / "model.onnx"
    path.write_bytes(b"older")

    def fail(_: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OutputError, match=rf"Cannot write .*model.onnx \(5 bytes\).*{advice}"):
        write_whole(path, b"newer")
    assert path.read_bytes() == b"older"
    assert [entry.name for entry in tmp_path.iterdir()] == ["model.onnx"]


def test_an_absent_folder_is_named(tmp_path, packed_mlp):
    with pytest.raises(OutputError, match="folder does not exist"):
        packed_mlp().save(tmp_path / "absent" / "model.onnx")


def test_a_folder_as_target_is_refused(tmp_path, packed_mlp):
    with pytest.raises(OutputError, match="give a file name"):
        packed_mlp().save(tmp_path)


def test_a_file_as_folder_is_refused(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputError, match="is a file, not a folder"):
        write_whole(tmp_path / "file" / "model.onnx", b"x")
