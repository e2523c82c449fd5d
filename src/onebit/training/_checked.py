"""Files that carry their own checksum: a bit that a disk or a copy changes is found when the file is read."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import IO, Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from onebit._errors import FormatError
from onebit.training._atomic import write_atomic

MARK = b"\nsha256 "
TRAILER = len(MARK) + 64 + 1  # bytes behind what torch.save wrote, which torch.load does not mind
CHUNK = 1 << 22


def save_state(path: Path, state: dict[str, Any], keep: Path | None = None) -> None:
    """`torch.save` and a line with the SHA-256 of its bytes, whole or not at all; `keep` takes the file replaced."""

    def write(file: IO[bytes]) -> None:
        hashing = _Hashing(file)
        torch.save(state, hashing)  # type: ignore[arg-type]
        file.write(MARK + hashing.digest.hexdigest().encode() + b"\n")

    write_atomic(path, write, keep)


def load_state(path: Path) -> dict[str, Any]:
    """The state, on the CPU; raises FormatError if the file is damaged. One without a checksum is taken as it is."""
    try:
        if not _unchanged(path):
            raise FormatError(f"{path}: is damaged: its content does not have the SHA-256 that was written with it.")
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except FormatError:
        raise
    except Exception as error:  # torch raises almost anything on bytes that it did not write
        reason = (str(error) or "it is empty").splitlines()[0]
        raise FormatError(f"{path}: is damaged or foreign ({reason}).") from None
    return state


def save_weights(path: Path, state: dict[str, Tensor]) -> None:
    """A safetensors file whose metadata holds the SHA-256 of all tensors."""
    data = save_tensors(state, metadata={"sha256": _digest(state)})
    write_atomic(path, lambda file: file.write(data))


def load_weights(path: Path) -> dict[str, Tensor]:
    """The tensors; raises FormatError if the file is damaged. One without a checksum is taken as it is."""
    data = path.read_bytes()
    try:
        state: dict[str, Tensor] = load_tensors(data)
        header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    except (SafetensorError, ValueError) as error:
        raise FormatError(f"{path}: is damaged or not a safetensors file ({error}).") from None
    written = header.get("__metadata__", {}).get("sha256")
    if written is not None and written != _digest(state):
        raise FormatError(f"{path}: is damaged: its tensors do not have the SHA-256 that was written with them.")
    return state


class _Hashing:
    """A file that is written and hashed at once."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self.digest = file, hashlib.sha256()

    def write(self, data: bytes) -> int:
        self.digest.update(data)
        return self._file.write(data)

    def flush(self) -> None:
        self._file.flush()


def _unchanged(path: Path) -> bool:
    """Whether the content has the checksum behind it; True if there is none, as in a file of an earlier version."""
    left = path.stat().st_size - TRAILER
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while left > 0:
            data = file.read(min(CHUNK, left))
            if not data:
                return False
            digest.update(data)
            left -= len(data)
        trailer = file.read(TRAILER)
    return not trailer.startswith(MARK) or trailer == MARK + digest.hexdigest().encode() + b"\n"


def _digest(state: dict[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for name in sorted(state):
        tensor = state[name]
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
