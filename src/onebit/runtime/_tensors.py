"""Reads and checks the constants of an ONNX file: sizes, dtypes, tail bits, directions."""

from __future__ import annotations

import onnx
import torch
from onnx import numpy_helper
from torch import Tensor

from onebit import ops
from onebit._errors import FormatError, OnebitError
from onebit.bits import words_for

_CHANNEL_DTYPES = {
    "scale": torch.float32,
    "bias": torch.float32,
    "threshold": torch.int32,
    **dict.fromkeys(("low", "high", "slope", "float_threshold"), torch.float32),
    "direction": torch.int8,
}


def read(tensor: onnx.TensorProto) -> Tensor:
    """An initializer's value; only data inside the file is read, never another file that it names."""
    if tensor.data_location == onnx.TensorProto.EXTERNAL or tensor.external_data:
        raise FormatError(f"keeps {tensor.name!r} in another file; onebit writes one file.")
    try:
        return torch.from_numpy(numpy_helper.to_array(tensor).copy())
    except Exception as error:  # onnx raises many kinds, all of them for a damaged tensor
        raise FormatError(f"initializer {tensor.name!r} is damaged: {error}") from error


def words(value: Tensor, lead: tuple[int, ...], k: int, what: str, sizes: str) -> Tensor:
    """Packed bytes (*lead, 8 * W) -> (*lead, W) words; the bits past k must be 0, or every sum would be off."""
    expected = (*lead, 8 * words_for(k))
    if value.dtype != torch.uint8 or tuple(value.shape) != expected:
        got = f"{value.dtype} {tuple(value.shape)}"
        raise FormatError(f"{what} is {got}; {sizes} need torch.uint8 {expected}.")
    rows = value.contiguous().view(torch.int64)
    if k % 64 and bool((rows[..., -1] >> (k % 64) & ((1 << (64 - k % 64)) - 1)).any()):
        raise FormatError(f"{what} has bits set past k={k} in its last word; they must be 0. The file is damaged.")
    return rows


def dense_handle(value: Tensor, what: str, n: int, k: int) -> Tensor:
    """The handle of n x k weights, checked whole."""
    try:
        again = ops.pack_weights(ops.unpack_weights(value, n, k), k)
    except OnebitError as error:
        raise FormatError(f"{what} is no handle for n={n} and k={k}: {error}") from error
    return _same(value, again, what)


def conv_handle(value: Tensor, what: str, n: int, c: int, groups: int, kernel: list[int]) -> Tensor:
    """The handle of a convolution's weights, checked whole."""
    try:
        again = ops.pack_conv_weights(ops.unpack_conv_weights(value, n, c, groups, kernel), c, groups, kernel)
    except OnebitError as error:
        sizes = f"n={n}, c={c}, groups={groups} and kernel={kernel}"
        raise FormatError(f"{what} is no handle for {sizes}: {error}") from error
    return _same(value, again, what)


def _same(value: Tensor, again: Tensor, what: str) -> Tensor:
    """`again`, which torch allocated and so aligned; a bit of `value` that it lost has no weight, but would count."""
    if not torch.equal(value, again):
        raise FormatError(f"{what} has bits set where there are no weights; they must be 0. The file is damaged.")
    return again


def check_channels(value: Tensor, role: str, n: int, what: str) -> None:
    """One value per output channel, of the role's dtype; a direction is +1 or -1."""
    dtype = _CHANNEL_DTYPES[role]
    if value.dtype != dtype or tuple(value.shape) != (n,):
        raise FormatError(f"{what} ({role}) is {value.dtype} {tuple(value.shape)}; expected {dtype} ({n},).")
    if role == "direction" and bool((value.abs() != 1).any()):
        raise FormatError(f"{what} (direction) has values other than +1 and -1. The file is damaged.")
