"""write_onnx: the public call. It asks for the optional package, and writes the file whole or not at all."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from torch import fx

from onebit._errors import MissingExtra, OutputError
from onebit.export._facts import Facts
from onebit.export._spec import InputSpec

_ADVICE = {
    errno.ENOSPC: "The disk is full: free some space or choose another folder.",
    errno.EDQUOT: "Your quota is used up: free some space or choose another folder.",
    errno.EACCES: "There is no permission to write there: choose another folder.",
    errno.EPERM: "There is no permission to write there: choose another folder.",
    errno.EROFS: "That file system is read-only: choose another folder.",
    errno.ENOENT: "The folder does not exist: create it first.",
    errno.ENOTDIR: "A part of the path is a file, not a folder.",
    errno.EISDIR: "That is a folder: give a file name, for example model.onnx.",
}


def write_onnx(
    graph_module: fx.GraphModule, input_spec: InputSpec, path: str | Path, facts: Facts | None = None
) -> None:
    """Writes a packed graph as an ONNX file with packed weights, operators of domain `onebit`, their definitions
    and the facts.

    Raises ConversionError if the graph is not a packed one, OutputError if the file cannot be written (an older file of
    that name stays as it was), MissingExtra without the package onnx.
    """
    try:
        from onebit.export._onnx import to_onnx
    except ModuleNotFoundError as error:
        raise MissingExtra(f"Saving needs the package {error.name}; pip install 'onebit[onnx]'.") from error
    write_whole(Path(path), to_onnx(graph_module, input_spec, facts).SerializeToString())


def write_whole(path: Path, data: bytes) -> None:
    """Writes data to a new file beside path, then renames it: path holds all of it or what it held before."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        with fresh.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except OSError as error:
        fresh.unlink(missing_ok=True) if fresh.parent.is_dir() else None
        advice = _ADVICE.get(error.errno or 0, "")
        raise OutputError(f"Cannot write {path} ({len(data):,} bytes): {error.strerror or error}. {advice}") from error
