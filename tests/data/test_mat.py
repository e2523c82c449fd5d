from __future__ import annotations

import contextlib
import struct
import zlib
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from onebit._errors import DataError, FormatError
from onebit.data._mat import TYPES, read_mat

CODES = {kind: code for code, kind in TYPES.items()}
CLASSES = {"f8": 6, "f4": 7, "i1": 8, "u1": 9, "i2": 10, "u2": 11, "i4": 12, "u4": 13, "i8": 14, "u8": 15}


def element(kind: int, data: bytes, order: str = "<", small: bool = True) -> bytes:
    if small and 0 < len(data) <= 4:
        return struct.pack(f"{order}I", len(data) << 16 | kind) + data.ljust(4, b"\0")
    return struct.pack(f"{order}II", kind, len(data)) + data + bytes(-len(data) % 8)


def matrix(name: str, array: np.ndarray, order: str = "<", stored: str = "", small: bool = True) -> bytes:
    """A matrix; `stored` is the type its values are written in, if not that of the array."""
    kind = array.dtype.str[1:]
    flags = element(6, struct.pack(f"{order}II", CLASSES[kind], 0), order)
    sizes = element(5, struct.pack(f"{order}{array.ndim}i", *array.shape), order)
    values = array.astype(order + (stored or kind)).tobytes(order="F")
    return element(
        14,
        flags + sizes + element(1, name.encode(), order, small) + element(CODES[stored or kind], values, order),
        order,
    )


def packed(inner: bytes) -> bytes:
    squeezed = zlib.compress(inner)
    return struct.pack("<II", 15, len(squeezed)) + squeezed


def mat(*elements: bytes, order: str = "<", version: int = 0x0100) -> bytes:
    mark = b"IM" if order == "<" else b"MI"
    return b"MATLAB 5.0 MAT-file".ljust(124) + struct.pack(f"{order}H", version) + mark + b"".join(elements)


def read(folder: Path, content: bytes) -> dict[str, np.ndarray]:
    (folder / "a.mat").write_bytes(content)
    return read_mat(folder / "a.mat")


X = np.random.default_rng(0).integers(0, 256, (4, 3, 2, 5), np.uint8)
SIZES = struct.pack("<4i", *X.shape)
Y = np.array([[1], [10], [3], [255], [7]], np.float64)
GOOD = mat(packed(matrix("X", X)), packed(matrix("y", Y, stored="u1")))


@pytest.mark.parametrize("compress", [packed, bytes])
@pytest.mark.parametrize("small", [True, False])
def test_matrices_are_read_in_matlabs_order_and_smaller_types_than_their_class(tmp_path, compress, small) -> None:
    arrays = read(tmp_path, mat(compress(matrix("X", X, small=small)), compress(matrix("y", Y, stored="u1"))))
    assert list(arrays) == ["X", "y"]
    assert arrays["X"].dtype == np.uint8
    assert np.array_equal(arrays["X"], X)
    assert np.array_equal(arrays["y"], Y)


@settings(deadline=None, max_examples=80, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    kind=st.sampled_from(sorted(CLASSES)),
    shape=st.lists(st.integers(0, 4), min_size=2, max_size=4),
    order=st.sampled_from("<>"),
)
def test_every_type_shape_and_byte_order_is_read(tmp_path, kind: str, shape: list[int], order: str) -> None:
    array = np.random.default_rng(1).integers(0, 100, shape).astype(kind)
    found = read(tmp_path, mat(matrix("a_name", array, order), order=order))["a_name"]
    assert found.dtype.newbyteorder("=") == array.dtype
    assert np.array_equal(found, array)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not a MAT-file of version 5: it begins with b''"),
        (b"<html>please log in</html>" * 9, "not a MAT-file of version 5: it begins with b'<html>please log"),
        (mat(version=0x0200), r"version 0x0200 \(0x0200 is HDF5\); expected 0x0100"),
        (mat(element(1, b"x" * 9)), r"holds an element of type 1; expected a matrix \(14\)"),
        (mat(matrix("X", X).replace(b"\x06\0\0\0\x08\0\0\0\x09", b"\x06\0\0\0\x08\0\0\0\x01")), "'X' is of class 1 "),
        (mat(matrix("X", X).replace(b"\x09\0\0\0\0\0\0\0", b"\x09\x08\0\0\0\0\0\0")), "flags 0x809"),
        (
            mat(matrix("X", X).replace(struct.pack("<4i", *X.shape), struct.pack("<4i", 4, 3, 2, 6))),
            "'X' has 120 values",
        ),
        (
            mat(matrix("X", X).replace(struct.pack("<4i", *X.shape), struct.pack("<4i", -4, -3, 2, 5))),
            "'X' has 120 values",
        ),
        (mat(matrix("X", X).replace(b"\x02\0\0\0\x78", b"\x0a\0\0\0\x78")), "120 bytes of type 10 where numbers"),
        (mat(struct.pack("<II", 14, 1 << 31)), r"truncated: 2147483648 bytes are promised at byte 136, 0 are left"),
        (mat(struct.pack("<II", 15, 4) + b"abcd"), "damaged: .*incorrect header"),
        (mat(packed(matrix("X", X)[:-20])), "truncated: the compressed element ends after"),
    ],
)
def test_damaged_and_foreign_files_are_refused_by_name(tmp_path, content: bytes, message: str) -> None:
    with pytest.raises(FormatError, match=message) as error:
        read(tmp_path, content)
    assert "a.mat" in str(error.value)


def test_a_compressed_element_is_unpacked_no_further_than_it_promises(tmp_path) -> None:
    bomb = matrix("X", X) + bytes(50_000_000)
    assert np.array_equal(read(tmp_path, mat(packed(bomb)))["X"], X)


@settings(deadline=None, max_examples=60, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cut=st.integers(129, len(GOOD) - 1))
def test_a_file_cut_anywhere_is_refused_or_lacks_an_array(tmp_path, cut: int) -> None:
    with contextlib.suppress(FormatError):
        assert set(read(tmp_path, GOOD[:cut])) < {"X", "y"}


def test_an_absent_file_is_told(tmp_path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        read_mat(tmp_path / "none.mat")
