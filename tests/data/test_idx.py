from __future__ import annotations

import gzip
from pathlib import Path

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import HealthCheck, given, settings

from onebit._errors import DataError, DtypeError, FormatError, ShapeError
from onebit.data import encode_idx, read_idx

DTYPES = [torch.uint8, torch.int8, torch.int16, torch.int32, torch.float32, torch.float64]
DIGITS = encode_idx(torch.arange(24, dtype=torch.uint8).reshape(2, 3, 4))
SHORTS = encode_idx(torch.arange(5, dtype=torch.int16))


@settings(deadline=None, max_examples=60, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    dtype=st.sampled_from(DTYPES),
    shape=st.lists(st.integers(0, 5), min_size=1, max_size=5),
    packed=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_reading_inverts_encoding(tmp_path: Path, dtype, shape, packed, seed) -> None:
    values = torch.randint(-(2**31), 2**31, shape, generator=torch.Generator().manual_seed(seed)).to(dtype)
    path = tmp_path / "values"
    path.write_bytes(gzip.compress(encode_idx(values)) if packed else encode_idx(values))
    read = read_idx(path)
    assert read.dtype == dtype
    assert torch.equal(read, values)


def test_the_bytes_are_those_of_the_format(tmp_path: Path) -> None:
    file = tmp_path / "x"
    file.write_bytes(bytes([0, 0, 0x0B, 2, 0, 0, 0, 2, 0, 0, 0, 1, 0x01, 0x02, 0xFF, 0xFE]))
    assert read_idx(file).tolist() == [[258], [-2]]
    assert encode_idx(torch.tensor([[258], [-2]], dtype=torch.int16)) == file.read_bytes()


def test_compression_is_told_by_content_not_by_name(tmp_path: Path) -> None:
    (tmp_path / "plain.gz").write_bytes(DIGITS)
    (tmp_path / "packed").write_bytes(gzip.compress(DIGITS, mtime=0))
    assert torch.equal(read_idx(tmp_path / "plain.gz"), read_idx(str(tmp_path / "packed")))


def test_gzip_files_of_several_members_are_read_whole(tmp_path: Path) -> None:
    (tmp_path / "x.gz").write_bytes(gzip.compress(DIGITS[:20], mtime=0) + gzip.compress(DIGITS[20:]))
    assert read_idx(tmp_path / "x.gz").flatten().tolist() == list(range(24))


def test_a_read_tensor_can_be_written_to(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(DIGITS)
    values = read_idx(tmp_path / "x")
    values += 1
    assert int(values[0, 0, 0]) == 1


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", "first 4 bytes are nothing"),
        (b"\0\0\x08", "first 4 bytes are 00 00 08"),
        (b"PK\3\4", "50 4b 03 04"),
        (b"<html>", "web page"),
        (b"\0\0\x0a\1\0\0\0\0", "00 00 0a 01"),
        (b"\0\0\x08\0", "00 00 08 00"),
        (b"\0\1\x08\1\0\0\0\0", "00 01 08 01"),
        (DIGITS[:10], "3 dimensions need 12 bytes of sizes, found 6"),
        (DIGITS[:-1], "2 x 3 x 4 values of 1 byte, 24 bytes; the file ends after 23"),
        (SHORTS[:-3], "5 values of 2 bytes, 10 bytes; the file ends after 7"),
        (DIGITS + b"\0", "data goes on after the 2 x 3 x 4 values"),
        (b"\0\0\x08\3" + b"\xff" * 12, "it promises 4294967295 x 4294967295 x 4294967295"),
        (b"\0\0\x08\1\0\xff\xff\xff", "16777215 bytes; the file ends after 0"),
        (gzip.compress(DIGITS, mtime=0)[:3], "cut off before the idx header"),
        (gzip.compress(DIGITS, mtime=0)[:-8], "lacks its end mark"),
        (gzip.compress(DIGITS, mtime=0)[:-5] + bytes(5), "damaged gzip file"),
        (gzip.compress(DIGITS, mtime=0) + b"tail", "damaged gzip file"),
        (gzip.compress(DIGITS + b"\0", mtime=0), "data goes on after"),
        (gzip.compress(b"\x7fELF", mtime=0), "7f 45 4c 46"),
    ],
)
def test_a_damaged_file_is_refused_with_its_name_and_what_it_holds(tmp_path: Path, content: bytes, found: str) -> None:
    path = tmp_path / "damaged-ubyte"
    path.write_bytes(content)
    with pytest.raises(FormatError) as error:
        read_idx(path)
    assert str(path) in str(error.value)
    assert found in str(error.value)


def test_a_cut_gzip_stream_counts_the_bytes_before_the_cut(tmp_path: Path) -> None:
    noise = torch.randint(0, 256, (5000,), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    path = tmp_path / "cut.gz"
    path.write_bytes(gzip.compress(encode_idx(noise))[:2500])
    with pytest.raises(FormatError, match=r"5000 bytes; the gzip stream is cut off after 24\d\d"):
        read_idx(path)


def test_an_absent_file_is_a_data_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nothing-here: cannot be read"):
        read_idx(tmp_path / "nothing-here")


def test_what_idx_cannot_hold_is_refused() -> None:
    with pytest.raises(DtypeError, match=r"cannot hold torch.int64; they hold uint8, int8"):
        encode_idx(torch.zeros(3, dtype=torch.int64))
    with pytest.raises(ShapeError, match=r"1 to 255 dimensions"):
        encode_idx(torch.tensor(1.0))
