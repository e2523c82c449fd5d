"""Weights on the device in the order the kernels read them, made from the portable handle once per layer.

The handle (what pack_weights returns) is the same bytes on every device, so a model can move. Its rows, their popcounts
and, for a first layer, their signs as bytes are made at first use and kept as long as the handle's memory lives.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable
from ctypes import c_uint32, c_uint64
from dataclasses import dataclass
from typing import TypeVar, cast

import torch
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef

from onebit._errors import NativeError
from onebit.bits import words_for
from onebit.ops._library import check, lib
from onebit.ops.cuda._launch import aligned, row_sums, simple
from onebit.ops.cuda._plan import BITS
from onebit.ops.cuda._sources import Kernel

HEADER = 64  # bytes of a handle before its bits
LANES = 8  # channels whose words lie side by side


T = TypeVar("T")


@dataclass(frozen=True)
class Prepared:
    """rows: (n, W) words or (n, stride) int8 signs. sums: popcounts of the rows, for bits."""

    rows: Tensor
    sums: Tensor | None


@dataclass(frozen=True)
class _Kept:
    """version: of the handle that `made` was made from. alive: whether its memory still is."""

    made: object
    version: int
    alive: StorageWeakRef


_prepared: dict[tuple[object, ...], _Kept] = {}
_lock = threading.Lock()


def remembered(weights: Tensor, what: tuple[object, ...], make: Callable[[], T]) -> T:
    """What make() makes of a handle, once for each `what`, and again when the handle changes in place."""
    storage, version = weights.untyped_storage(), _version(weights)
    key = (storage._cdata, int(weights.storage_offset()), *what)
    found = _prepared.get(key)
    if found is not None and found.version == version and not _is_gone(found):
        return cast("T", found.made)
    if torch.cuda.is_current_stream_capturing():
        raise NativeError(
            "These weights are used for the first time while a CUDA graph is captured, and preparing them waits for "
            "the device. Call the model once before the capture."
        )
    with _lock:
        for old in [name for name, entry in list(_prepared.items()) if _is_gone(entry)]:
            del _prepared[old]
        made = make()
        torch.cuda.current_stream(weights.device).synchronize()  # other streams may use it next
        _prepared[key] = _Kept(made, version, StorageWeakRef(storage))  # type: ignore[no-untyped-call]
    return made


def _version(weights: Tensor) -> int:
    """Counts changes in place (load_state_dict makes one); inference tensors are not counted and so must not change."""
    return 0 if weights.is_inference() else weights._version


def _is_gone(entry: _Kept) -> bool:
    expired: bool = entry.alive.expired()  # type: ignore[no-untyped-call]
    return expired


def prepared(weights: Tensor, n: int, k: int, operand: int) -> Prepared:
    """The weights of a handle on its device; raises NativeError if it is no handle of n x k."""
    return remembered(weights, (n, k, operand == BITS), lambda: _prepare(weights, n, k, operand))


def _prepare(weights: Tensor, n: int, k: int, operand: int) -> Prepared:
    check_header(weights[:HEADER].cpu(), n, k)
    rows = handle_to_rows(weights, n, k)
    if operand == BITS:
        return Prepared(rows, row_sums(rows))
    stride = -(-k // 16) * 16
    signs = torch.empty((n, stride), dtype=torch.int8, device=weights.device)
    kernel = Kernel("words", "onebit_expand")
    simple(kernel, (rows, signs), ((c_uint64, n), (c_uint32, k), (c_uint32, stride)), n * stride)
    return Prepared(signs, None)


def check_header(header: Tensor, n: int, k: int) -> None:
    """NativeError unless these first bytes, on the CPU, are those of a handle for n x k."""
    wanted = torch.empty(lib.ob_weights_bytes(1, 1), dtype=torch.uint8)
    bit = torch.zeros(1, dtype=torch.int64)
    check(lib.ob_weights_pack(bit.data_ptr(), 1, 1, wanted.data_ptr(), wanted.numel()), "onebit::pack_weights")
    sizes = header[8:24].numpy().tobytes()
    if not torch.equal(header[:8], wanted[:8]) or sizes != bytes((ctypes.c_int64 * 2)(n, k)):
        raise NativeError(f"dense: weights is no handle that onebit.ops.pack_weights made for n={n}, k={k}.")


def handle_to_rows(weights: Tensor, n: int, k: int) -> Tensor:
    """(n, W) words from a handle on any device: eight channels' words lie side by side."""
    words = words_for(k)
    lines = aligned(weights[HEADER:], 8).view(torch.int64).view(-1, words, LANES)
    return lines.transpose(1, 2).reshape(-1, words)[:n].contiguous()


def rows_to_handle(rows: Tensor, k: int) -> Tensor:
    """The handle of (n, W) words, made by the library on the CPU (once per layer) and moved to the rows' device."""
    n, host = rows.shape[0], rows.cpu().contiguous()
    handle = torch.empty(lib.ob_weights_bytes(n, k), dtype=torch.uint8)
    check(lib.ob_weights_pack(host.data_ptr(), n, k, handle.data_ptr(), handle.numel()), "onebit::pack_weights")
    return handle.to(rows.device)
