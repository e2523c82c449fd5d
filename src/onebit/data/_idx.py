"""The idx format of MNIST: a strict reader and a writer.

    offset  bytes  field
    0       2      zero
    2       1      type: 08 uint8, 09 int8, 0B int16, 0C int32, 0D float32, 0E float64
    3       1      number of dimensions d, at least 1
    4       4*d    sizes, big-endian uint32
    4+4*d   rest   the values, big-endian, last dimension fastest; exactly as many as the sizes say

It knows nothing of data sets.
"""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from io import BufferedIOBase
from os import PathLike
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from onebit._errors import DataError, DtypeError, FormatError, ShapeError
from onebit.data._content import CHUNK, open_content

TYPES = {0x08: "u1", 0x09: "i1", 0x0B: "i2", 0x0C: "i4", 0x0D: "f4", 0x0E: "f8"}
_CODES = {
    torch.uint8: 0x08,
    torch.int8: 0x09,
    torch.int16: 0x0B,
    torch.int32: 0x0C,
    torch.float32: 0x0D,
    torch.float64: 0x0E,
}
_LARGEST = 1 << 40  # bytes; a header that promises more is damage, not data


def read_idx(path: str | PathLike[str]) -> Tensor:
    """The tensor in an idx file, gzipped or not, in the file's shape and dtype.

    Raises FormatError naming the file, what it holds and what was expected; DataError if it cannot be opened.
    Format: http://yann.lecun.com/exdb/mnist/
    """
    path = Path(path)
    try:
        with open_content(path) as stream:
            return _read(path, stream)
    except (gzip.BadGzipFile, zlib.error) as error:
        raise FormatError(f"{path}: damaged gzip file ({error}). {_ADVICE}") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error}).") from error


def encode_idx(values: Tensor) -> bytes:
    """The bytes of an idx file that holds `values`; the inverse of `read_idx`."""
    if values.dtype not in _CODES:
        known = ", ".join(str(dtype).removeprefix("torch.") for dtype in _CODES)
        raise DtypeError(f"idx files cannot hold {values.dtype}; they hold {known}.")
    if not 1 <= values.dim() <= 255:
        raise ShapeError(f"idx files hold 1 to 255 dimensions; got a tensor of shape {tuple(values.shape)}.")
    code = _CODES[values.dtype]
    header = struct.pack(f">BBBB{values.dim()}I", 0, 0, code, values.dim(), *values.shape)
    array = values.detach().cpu().numpy()
    return header + array.astype(f">{TYPES[code]}").tobytes()


_ADVICE = "Delete the file and load again, or fetch it afresh."


def _read(path: Path, stream: BufferedIOBase) -> Tensor:
    kind, shape = _read_header(path, stream)
    dtype = np.dtype(f">{kind}")
    expected = math.prod(shape) * dtype.itemsize
    claim = f"{' x '.join(map(str, shape))} values of {dtype.itemsize} byte{'s' * (dtype.itemsize > 1)}"
    if expected > _LARGEST:
        raise FormatError(f"{path}: damaged idx header: it promises {claim}, {expected} bytes. {_ADVICE}")
    values, cut = _take(stream, expected)
    if len(values) < expected:
        end = "the gzip stream is cut off" if cut else "the file ends"
        raise FormatError(
            f"{path}: truncated: the header promises {claim}, {expected} bytes; {end} after {len(values)}. {_ADVICE}"
        )
    extra, cut = _take(stream, 1)  # reading past the end also makes gzip compare its own checksum
    if cut:
        raise FormatError(f"{path}: truncated: the gzip stream lacks its end mark and checksum. {_ADVICE}")
    if extra:
        raise FormatError(f"{path}: trailing bytes: data goes on after the {claim} that the header promises. {_ADVICE}")
    array = np.frombuffer(values, dtype).reshape(shape)
    return torch.from_numpy(array.astype(dtype.newbyteorder("="), copy=False))


def _read_header(path: Path, stream: BufferedIOBase) -> tuple[str, tuple[int, ...]]:
    magic, cut = _take(stream, 4)
    if cut:
        raise FormatError(f"{path}: truncated: the gzip stream is cut off before the idx header ends. {_ADVICE}")
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in TYPES or magic[3] == 0:
        found = " ".join(f"{byte:02x}" for byte in magic) or "nothing"
        page = " It looks like a web page saved in place of the file." if magic[:1] == b"<" else ""
        raise FormatError(
            f"{path}: not an idx file: its first 4 bytes are {found}; "
            f"expected 00 00, a type (08, 09, 0b, 0c, 0d or 0e) and the number of dimensions.{page} {_ADVICE}"
        )
    sizes, _ = _take(stream, 4 * magic[3])
    if len(sizes) < 4 * magic[3]:
        raise FormatError(
            f"{path}: truncated inside the idx header: {magic[3]} dimensions need {4 * magic[3]} bytes of sizes, "
            f"found {len(sizes)}. {_ADVICE}"
        )
    return TYPES[magic[2]], struct.unpack(f">{magic[3]}I", sizes)


def _take(stream: BufferedIOBase, count: int) -> tuple[bytearray, bool]:
    """Up to `count` bytes, and whether a gzip stream was cut off first. Reads in steps, so that a header that lies
    about its sizes costs no memory and the bytes before the cut are counted.
    """
    taken = bytearray()
    try:
        while len(taken) < count and (chunk := stream.read1(min(CHUNK, count - len(taken)))):
            taken += chunk
    except EOFError:
        return taken, True
    return taken, False
