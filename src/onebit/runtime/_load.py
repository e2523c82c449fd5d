"""load: an ONNX file of onebit -> PackedModel. Everything in the file is checked; nothing is guessed."""

from __future__ import annotations

from pathlib import Path

from onebit._errors import FormatError, MissingExtra, OnebitError
from onebit.runtime._model import PackedModel


def load(path: str | Path) -> PackedModel:
    """The packed model in an ONNX file that `PackedModel.save` wrote; its outputs are equal bit for bit.

    Raises FormatError, naming the file, if it is unreadable, truncated, damaged, of another version or not from onebit;
    MissingExtra without the package onnx.
    """
    try:
        from onebit.runtime._rebuild import rebuild
    except ModuleNotFoundError as error:
        raise MissingExtra(f"Loading needs the package {error.name}; pip install 'onebit[onnx]'.") from error
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise FormatError(f"{path}: cannot be read: {error.strerror or error}.") from error
    try:
        return rebuild(data)
    except OnebitError as error:
        raise FormatError(f"{path}: {error}") from error
