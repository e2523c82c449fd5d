import errno
import resource

import pytest
import torch

from onebit._errors import OutputError
from onebit.training._atomic import make_folder, write_atomic, write_text


def test_a_file_is_replaced_whole(tmp_path):
    path = tmp_path / "a.txt"
    write_text(path, "old")
    write_text(path, "new")
    assert path.read_text() == "new"
    assert [file.name for file in tmp_path.iterdir()] == ["a.txt"]


@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "No space left on device"), PermissionError(errno.EACCES, "Permission denied")]
)
def test_a_refused_write_leaves_the_old_file_and_nothing_else(tmp_path, error):
    path = tmp_path / "a.txt"
    write_text(path, "old")

    def write(file):
        file.write(b"half of the")
        raise error

    with pytest.raises(OutputError, match=rf"a\.txt: cannot be written \({error.strerror}\)\. Free some space"):
        write_atomic(path, write)
    assert path.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["a.txt"]


def test_an_interrupted_write_leaves_the_old_file(tmp_path):
    def write(file):
        raise KeyboardInterrupt

    write_text(tmp_path / "a.txt", "old")
    with pytest.raises(KeyboardInterrupt):
        write_atomic(tmp_path / "a.txt", write)
    assert [file.name for file in tmp_path.iterdir()] == ["a.txt"]


def test_torch_running_out_of_space_is_an_output_error(tmp_path):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))  # the file system says no after 4 KiB
    try:
        with pytest.raises(OutputError, match=r"big\.pt: cannot be written"):
            write_atomic(tmp_path / "big.pt", lambda file: torch.save(torch.zeros(100_000), file))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_under_a_file_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"run: cannot be written \(Not a directory\)"):
        make_folder(tmp_path / "file" / "run")


def test_what_the_disk_said_is_told_also_where_torch_hides_it(tmp_path):
    def write(file):
        try:
            raise OSError(errno.ENOSPC, "No space left on device")
        finally:
            raise RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 704 vs 598")

    with pytest.raises(OutputError, match=r"x: cannot be written \(No space left on device\)\. Free some space"):
        write_atomic(tmp_path / "x", write)
