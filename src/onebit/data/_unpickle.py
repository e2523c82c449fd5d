"""A reader of pickles that can only build what CIFAR's files are made of: numbers, texts, lists, dicts and arrays of
bytes. Nothing of numpy or of any other package is run: names stand for the classes here, and any other name is refused.
"""

from __future__ import annotations

import io
import math
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np

from onebit._errors import FormatError


class _ByteType:
    """numpy.dtype, and only that of unsigned bytes."""

    def __init__(self, name: object = None, *_: object) -> None:
        if name not in ("u1", b"u1"):
            raise FormatError(f"an array of {name!r}; expected unsigned bytes, 'u1'")

    def __setstate__(self, state: object) -> None:
        """The byte order and what else bytes have none of."""


class _ByteArray:
    """numpy.ndarray, filled by its state: (version, shape, type, whether Fortran's order, bytes)."""

    values: np.ndarray[Any, np.dtype[np.uint8]]

    def __setstate__(self, state: Any) -> None:
        _, shape, kind, fortran, raw = state
        if not isinstance(kind, _ByteType) or not isinstance(raw, bytes) or len(raw) != math.prod(shape):
            raise FormatError(f"an array of shape {shape!r} whose type or bytes do not fit")
        self.values = np.frombuffer(raw, np.uint8).reshape(shape, order="F" if fortran else "C")


def _reconstruct(*_: object) -> _ByteArray:
    return _ByteArray()


def _encode(text: object, encoding: object = "") -> bytes:
    """How Python 3 writes bytes into old pickles."""
    if not isinstance(text, str) or encoding not in ("latin1", b"latin1"):
        raise FormatError(f"a text encoded as {encoding!r}; expected 'latin1'")
    return text.encode("latin1")


ALLOWED: dict[tuple[str, str], Callable[..., object]] = {
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy._core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy", "ndarray"): _ByteArray,
    ("numpy", "dtype"): _ByteType,
    ("_codecs", "encode"): _encode,
}


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in ALLOWED:
            raise FormatError(f"it asks for {module}.{name}, which no such file needs; it may be an attack")
        return ALLOWED[module, name]


def unpickle(content: bytes, where: str) -> dict[str, Any]:
    """The dict that a pickle holds, keys as texts, arrays of bytes as numpy arrays.

    where: the file's name, for messages.
    Raises FormatError for a damaged pickle, one that holds something else, and one that asks for any other class or
    function, naming it; none of them is run.
    """
    try:
        value = _Reader(io.BytesIO(content), encoding="bytes").load()
    except FormatError as error:
        raise FormatError(f"{where}: refused: {error}.") from None
    except Exception as error:  # a damaged pickle can make the reader raise almost anything
        reason = str(error) or type(error).__name__
        raise FormatError(f"{where}: damaged or not a pickle ({reason}). Fetch it afresh.") from None
    if not isinstance(value, dict):
        raise FormatError(f"{where}: holds a {type(value).__name__}; expected a dict. Fetch it afresh.")
    return {
        key.decode("latin1") if isinstance(key, bytes) else str(key): getattr(one, "values", one)
        if isinstance(one, _ByteArray)
        else one
        for key, one in value.items()
    }
