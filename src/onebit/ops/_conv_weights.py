"""onebit::pack_conv_weights and onebit::unpack_conv_weights: the pre-packed handle that the conv2d kernels stream."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from onebit._errors import OptionError, ShapeError
from onebit.bits import words_for
from onebit.ops._checks import check_dtype
from onebit.ops._conv_checks import check_conv_weights, conv_weights_bytes
from onebit.ops._fallback import operand
from onebit.ops._front_door import define, run
from onebit.ops._library import Pair, check, lib


def pack_conv_weights(rows: Tensor, c: int, groups: int, kernel: Sequence[int]) -> Tensor:
    """The handle of a convolution's weights: a header, then the bits in the order the kernels read them.

    rows: (n, kh, kw, ceil(c / groups / 64)) int64 words, packed over the input channels of the group: torch's weight
    (n, c / groups, kh, kw) gives pack(weight.permute(0, 2, 3, 1)). kernel: [kh, kw]. Returns (bytes,) uint8.
    Raises DtypeError, ShapeError, or OptionError for sizes out of range.
    """
    return run("pack_conv_weights", _check_rows, rows, c, groups, kernel)


def unpack_conv_weights(weights: Tensor, n: int, c: int, groups: int, kernel: Sequence[int]) -> Tensor:
    """The rows that pack_conv_weights was given, (n, kh, kw, ceil(c / groups / 64)) int64 words.

    weights: the (bytes,) uint8 handle. Raises DtypeError, ShapeError, OptionError, or NativeError for bytes that are
    no handle for these sizes.
    """
    return run("unpack_conv_weights", _check_handle, weights, n, c, groups, kernel)


def _check_kernel(op: str, kernel: Sequence[int]) -> None:
    if len(kernel) != 2 or min(kernel) < 1:
        raise OptionError(f"{op}: kernel is {list(kernel)}; expected [rows, columns], both at least 1.")


def _check_rows(rows: Tensor, c: int, groups: int, kernel: Sequence[int]) -> None:
    op = "pack_conv_weights"
    _check_kernel(op, kernel)
    check_dtype(op, "rows", rows, torch.int64, "Pack signs with onebit.ops.pack first.")
    shape = f"expected (n, {kernel[0]}, {kernel[1]}, ceil(c / groups / 64)) words"
    if rows.dim() != 4 or tuple(rows.shape[1:3]) != tuple(kernel):
        raise ShapeError(f"{op}: rows has shape {tuple(rows.shape)}; {shape}.")
    conv_weights_bytes(op, rows.shape[0], c, groups, kernel)
    if rows.shape[3] != words_for(c // groups):
        raise ShapeError(
            f"{op}: rows has shape {tuple(rows.shape)}; {shape}: {words_for(c // groups)} for c={c}, groups={groups}."
        )


def _check_handle(weights: Tensor, n: int, c: int, groups: int, kernel: Sequence[int]) -> None:
    _check_kernel("unpack_conv_weights", kernel)
    check_conv_weights("unpack_conv_weights", weights, n, c, groups, kernel)


def _pack_fake(rows: Tensor, c: int, groups: int, kernel: Sequence[int]) -> Tensor:
    _check_rows(rows, c, groups, kernel)
    size = conv_weights_bytes("pack_conv_weights", rows.shape[0], c, groups, kernel)
    return rows.new_empty((size,), dtype=torch.uint8)


def _unpack_fake(weights: Tensor, n: int, c: int, groups: int, kernel: Sequence[int]) -> Tensor:
    _check_handle(weights, n, c, groups, kernel)
    return weights.new_empty((n, *kernel, words_for(c // groups)), dtype=torch.int64)


def _pack_python(rows: Tensor, c: int, groups: int, kernel: Sequence[int]) -> Tensor:
    weights, rows = _pack_fake(rows, c, groups, kernel), operand(rows, 8)
    taps = Pair(*kernel)
    status = lib.ob_conv_weights_pack(
        rows.data_ptr(), rows.shape[0], c, groups, taps, weights.data_ptr(), weights.numel()
    )
    check(status, "onebit::pack_conv_weights")
    return weights


def _unpack_python(weights: Tensor, n: int, c: int, groups: int, kernel: Sequence[int]) -> Tensor:
    rows, weights = _unpack_fake(weights, n, c, groups, kernel), operand(weights, 64)
    status = lib.ob_conv_weights_unpack(
        weights.data_ptr(), weights.numel(), n, c, groups, Pair(*kernel), rows.data_ptr()
    )
    check(status, "onebit::unpack_conv_weights")
    return rows


define("pack_conv_weights(Tensor rows, int c, int groups, int[] kernel) -> Tensor", _pack_fake, _pack_python)
define(
    "unpack_conv_weights(Tensor weights, int n, int c, int groups, int[] kernel) -> Tensor",
    _unpack_fake,
    _unpack_python,
)
