from __future__ import annotations

import contextlib
import gzip
import io
import tarfile
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings

from onebit._errors import DataError, FormatError
from onebit.data import _archive
from onebit.data._archive import read_members


def tar(*members: tuple[str, bytes | str]) -> bytes:
    """A tar file; a text instead of content is the target of a link."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, content in members:
            info = tarfile.TarInfo(name)
            if isinstance(content, str):
                info.type, info.linkname = tarfile.SYMTYPE, content
                archive.addfile(info)
            else:
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


GOOD = tar(("set/one", b"1" * 700), ("set/readme", b"hello"), ("./set/two", b"22"))


@pytest.mark.parametrize("pack", [bytes, lambda raw: gzip.compress(raw, mtime=0)])
def test_members_are_read_in_the_order_asked_for_and_nothing_is_written(tmp_path: Path, pack) -> None:
    path = tmp_path / "set.tar.gz"
    path.write_bytes(pack(GOOD))
    assert read_members(path, ["set/two", "set/one"]) == [b"22", b"1" * 700]
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (tar(("set/one", b"1")), "lacks set/two"),
        (tar(("set/one", b"1"), ("set/one", b"2")), "holds set/one twice"),
        (tar(("set/one", "/etc/passwd")), "set/one is not a plain file"),
        (tar(("../../evil", b"x"), ("set/one", b"1")), r"holds '\.\./\.\./evil', which leads out of its folder"),
        (tar(("set/../../evil", b"x")), "leads out of its folder"),
        (tar(("..\\evil", b"x")), "leads out of its folder"),
        (tar(("/etc/evil", b"x")), "holds '/etc/evil', which leads out of its folder"),
        (b"<html>please log in</html>" * 40, "damaged or not a tar archive"),
        (b"", "damaged or not a tar archive"),
        (b"\x1f\x8b not gzip", "damaged"),
    ],
)
def test_hostile_and_foreign_archives_are_refused_by_name(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "set.tar"
    path.write_bytes(content)
    with pytest.raises(FormatError, match=message) as error:
        read_members(path, ["set/one", "set/two"])
    assert str(path) in str(error.value)


def test_a_member_that_promises_too_much_is_not_read(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(_archive, "LARGEST", 699)
    path = tmp_path / "set.tar"
    path.write_bytes(GOOD)
    with pytest.raises(FormatError, match="set/one has 700 bytes; expected at most 699"):
        read_members(path, ["set/one"])


@settings(deadline=None, max_examples=60, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cut=st.integers(0, len(gzip.compress(GOOD, mtime=0)) - 1))
def test_an_archive_cut_anywhere_is_refused(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "set.tar.gz"
    path.write_bytes(gzip.compress(GOOD, mtime=0)[:cut])
    with pytest.raises(FormatError):
        read_members(path, ["set/one", "set/two"])


@settings(deadline=None, max_examples=60, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.integers(10, len(gzip.compress(GOOD, mtime=0)) - 9), flip=st.integers(1, 255))
def test_a_changed_byte_is_refused_or_changes_nothing(tmp_path: Path, at: int, flip: int) -> None:
    packed = bytearray(gzip.compress(GOOD, mtime=0))
    packed[at] ^= flip
    path = tmp_path / "set.tar.gz"
    path.write_bytes(packed)
    with contextlib.suppress(FormatError):
        assert read_members(path, ["set/one", "set/two"]) == [b"1" * 700, b"22"]


def test_an_absent_archive_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        read_members(tmp_path / "none.tar", ["a"])
