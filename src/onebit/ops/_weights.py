"""onebit::pack_weights and onebit::unpack_weights: the pre-packed handle that the dense kernels stream."""

from __future__ import annotations

import torch
from torch import Tensor

from onebit._errors import ShapeError
from onebit.bits import words_for
from onebit.ops._checks import check_weights, check_words, weights_bytes
from onebit.ops._fallback import operand
from onebit.ops._front_door import define, run
from onebit.ops._library import check, lib


def pack_weights(rows: Tensor, k: int) -> Tensor:
    """The handle of n x k weights: a header, then the bits in the order the kernels read them. Once per layer.

    rows: (N, ceil(k / 64)) int64 words, one row for each output channel. Returns (bytes,) uint8, about N * k / 8.
    Raises DtypeError, ShapeError, or OptionError for sizes out of range.
    """
    return run("pack_weights", _check_rows, rows, k)


def unpack_weights(weights: Tensor, n: int, k: int) -> Tensor:
    """The rows that pack_weights was given, (n, ceil(k / 64)) int64 words.

    weights: the (bytes,) uint8 handle of n x k weights.
    Raises DtypeError, ShapeError, OptionError, or NativeError for bytes that are no handle for these sizes.
    """
    return run("unpack_weights", _check_handle, weights, n, k)


def _check_rows(rows: Tensor, k: int) -> None:
    if rows.dim() != 2:
        raise ShapeError(f"pack_weights: rows has shape {tuple(rows.shape)}; expected (N, ceil(k / 64)) words.")
    weights_bytes("pack_weights", rows.shape[0], k)
    check_words("pack_weights", "rows", rows, k)


def _check_handle(weights: Tensor, n: int, k: int) -> None:
    check_weights("unpack_weights", weights, n, k)


def _pack_weights_fake(rows: Tensor, k: int) -> Tensor:
    _check_rows(rows, k)
    return rows.new_empty((weights_bytes("pack_weights", rows.shape[0], k),), dtype=torch.uint8)


def _unpack_weights_fake(weights: Tensor, n: int, k: int) -> Tensor:
    _check_handle(weights, n, k)
    return weights.new_empty((n, words_for(k)), dtype=torch.int64)


def _pack_weights_python(rows: Tensor, k: int) -> Tensor:
    weights, rows = _pack_weights_fake(rows, k), operand(rows, 8)
    status = lib.ob_weights_pack(rows.data_ptr(), rows.shape[0], k, weights.data_ptr(), weights.numel())
    check(status, "onebit::pack_weights")
    return weights


def _unpack_weights_python(weights: Tensor, n: int, k: int) -> Tensor:
    rows, weights = _unpack_weights_fake(weights, n, k), operand(weights, 64)
    status = lib.ob_weights_unpack(weights.data_ptr(), weights.numel(), n, k, rows.data_ptr())
    check(status, "onebit::unpack_weights")
    return rows


define("pack_weights(Tensor rows, int k) -> Tensor", _pack_weights_fake, _pack_weights_python)
define("unpack_weights(Tensor weights, int n, int k) -> Tensor", _unpack_weights_fake, _unpack_weights_python)
