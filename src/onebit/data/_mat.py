"""MATLAB's MAT-file format, version 5: a strict reader of arrays of numbers.

    offset  bytes  field
    0       116    text
    124     2      version, 0x0100
    126     2      "IM" if little-endian, "MI" if big-endian
    128     rest   elements: tag of 8 bytes (type, size), data, padding to a multiple of 8

An element of at most 4 bytes may be packed into 8 bytes: size and type share the first 4. An element of type 15 is
one other element compressed with zlib, without padding. A matrix (type 14) consists of four elements: flags (class in
the lowest byte, bit 11 for complex), sizes, name, values; the first index runs fastest. Values may be stored in a
smaller type than their class. MAT-File Format, The MathWorks, R2019b.
"""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from onebit._errors import DataError, FormatError
from onebit.data._content import CHUNK

TYPES = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
MATRIX, COMPRESSED = 14, 15
NUMBERS = range(6, 16)  # the classes of matrices of numbers, double to uint64
COMPLEX = 0x800
ADVICE = "Delete the file and load again, or fetch it afresh."

Array = np.ndarray[Any, np.dtype[Any]]


class _Damage(Exception):
    """What is wrong with the file."""


@dataclass
class _Bytes:
    """Bytes with a reading position."""

    data: memoryview
    order: str
    at: int = 0

    def take(self, count: int) -> memoryview:
        if count > len(self.data) - self.at:
            left = len(self.data) - self.at
            raise _Damage(f"truncated: {count} bytes are promised at byte {self.at}, {left} are left")
        self.at += count
        return self.data[self.at - count : self.at]

    def words(self, count: int) -> list[int]:
        return [int(word) for word in np.frombuffer(self.take(4 * count), f"{self.order}u4")]

    def element(self) -> tuple[int, memoryview]:
        """Type and data of the next element; what is compressed has no padding."""
        (word,) = self.words(1)
        if word >> 16:
            return word & 0xFFFF, self.take(4)[: word >> 16]
        (size,) = self.words(1)
        data = self.take(size)
        if word != COMPRESSED:
            self.at = min(len(self.data), self.at + -size % 8)
        return word, data


def read_mat(path: Path) -> dict[str, Array]:
    """The arrays of numbers in the file, by name, in MATLAB's shape: (rows, columns, ...).

    Raises FormatError for another format or version, a damaged file or anything but real numbers; DataError if the
    file cannot be opened.
    """
    try:
        content = memoryview(path.read_bytes())
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error}).") from error
    try:
        reader = _Bytes(content, _byte_order(content), 128)
        arrays = {}
        while reader.at < len(content):
            name, array = _matrix(reader)
            arrays[name] = array
        return arrays
    except _Damage as damage:
        raise FormatError(f"{path}: {damage}. {ADVICE}") from None


def _byte_order(content: memoryview) -> str:
    head = bytes(content[:128])
    order = {b"IM": "<", b"MI": ">"}.get(head[126:128])
    if order is None or len(head) < 128:
        raise _Damage(f"not a MAT-file of version 5: it begins with {head[:16]!r}")
    version = int(np.frombuffer(head[124:126], f"{order}u2")[0])
    if version != 0x0100:
        raise _Damage(f"is a MAT-file of version {version:#06x} (0x0200 is HDF5); expected 0x0100, which is version 5")
    return order


def _matrix(reader: _Bytes) -> tuple[str, Array]:
    kind, data = reader.element()
    if kind == COMPRESSED:
        inner = _Bytes(_inflate(data, reader.order), reader.order)
        kind, data = inner.element()
    if kind != MATRIX:
        raise _Damage(f"holds an element of type {kind}; expected a matrix ({MATRIX})")
    parts = _Bytes(data, reader.order)
    flags = int(np.frombuffer(parts.element()[1][:4].tobytes().ljust(4, b"\0"), f"{reader.order}u4")[0])
    shape = [int(size) for size in _numbers(parts)]
    name = bytes(parts.element()[1]).decode("latin1")
    if flags & 0xFF not in NUMBERS or flags & COMPLEX:
        raise _Damage(f"{name!r} is of class {flags & 0xFF} (flags {flags:#x}); expected real numbers, classes 6 to 15")
    values = _numbers(parts)
    if min(shape, default=-1) < 0 or len(values) != math.prod(shape):
        raise _Damage(f"{name!r} has {len(values)} values, but its sizes are {' x '.join(map(str, shape))}")
    return name, values.reshape(shape[::-1]).transpose()


def _numbers(parts: _Bytes) -> Array:
    kind, data = parts.element()
    if kind not in TYPES or len(data) % int(TYPES[kind][1]):
        raise _Damage(f"holds {len(data)} bytes of type {kind} where numbers are expected")
    return np.frombuffer(data, parts.order + TYPES[kind])


def _inflate(data: memoryview, order: str) -> memoryview:
    """The compressed element, whole; never more than its own tag promises."""
    unpacker = zlib.decompressobj()
    out = bytearray()
    promised = 8
    try:
        for start in range(0, len(data), CHUNK):
            piece: bytes | memoryview = data[start : start + CHUNK]
            while piece and len(out) < promised:
                out += unpacker.decompress(piece, promised - len(out))
                piece = unpacker.unconsumed_tail
                if len(out) >= 8 and promised == 8:
                    promised += int(np.frombuffer(out[4:8], f"{order}u4")[0])
    except zlib.error as error:
        raise _Damage(f"damaged: {error}") from None
    if len(out) < promised:
        raise _Damage(f"truncated: the compressed element ends after {len(out)} of {promised} bytes")
    return memoryview(out)
