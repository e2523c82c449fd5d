"""The definition of products whose input is signed bytes, -128 to 127: as for pixels, in the words of `_reference`."""

from __future__ import annotations

import torch
from torch import Tensor

from onebit._errors import DtypeError
from onebit.bits._packed import Packed
from onebit.bits._reference import Steps, _compared, _scaled, _with_signs
from onebit.bits._reference import _sums as _dense_sums
from onebit.bits._reference_conv import _sums as _conv_sums
from onebit.bits._window import Window


def dense_s8_int32(x: Tensor, w: Packed) -> Tensor:
    """As dense_int32 for x (..., K) int8 in {-128, ..., 127}."""
    return _dense_sums(_bytes("dense_s8", x), w)


def dense_s8_float(x: Tensor, w: Packed, scale: Tensor, bias: Tensor) -> Tensor:
    """As dense_float for x (..., K) int8."""
    return _scaled(dense_s8_int32(x, w), scale, bias)


def dense_s8_bits(x: Tensor, w: Packed, threshold: Tensor, direction: Tensor) -> Packed:
    """As dense_bits for x (..., K) int8."""
    return _compared(dense_s8_int32(x, w), threshold, direction)


def dense_s8_fused(x: Tensor, w: Packed, scale: Tensor, bias: Tensor, steps: Steps) -> Tensor:
    """As dense_fused for x (..., K) int8."""
    return steps.after(dense_s8_float(x, w, scale, bias))


def dense_s8_both(
    x: Tensor, w: Packed, scale: Tensor, bias: Tensor, steps: Steps, threshold: Tensor, direction: Tensor
) -> tuple[Tensor, Packed]:
    """As dense_both for x (..., K) int8."""
    return _with_signs(dense_s8_fused(x, w, scale, bias, steps), threshold, direction)


def conv2d_s8_int32(
    x: Tensor, w: Packed, window: Window, groups: int = 1, pad_value: int = 0, multiplier: int = 1, offset: int = 0
) -> Tensor:
    """As conv2d_int32: x (N, H, W, c) int8 stands for multiplier * x + offset, padding for pad_value."""
    values = multiplier * _bytes("conv2d_s8", x) + offset
    return _conv_sums(values, w, window, groups, pad_value)


def conv2d_s8_float(
    x: Tensor, w: Packed, window: Window, groups: int, pad_value: int, multiplier: int, offset: int, scale: Tensor,
    bias: Tensor,
) -> Tensor:  # fmt: skip
    """As conv2d_float for signed bytes."""
    return _scaled(conv2d_s8_int32(x, w, window, groups, pad_value, multiplier, offset), scale, bias)


def conv2d_s8_bits(
    x: Tensor, w: Packed, window: Window, groups: int, pad_value: int, multiplier: int, offset: int, threshold: Tensor,
    direction: Tensor,
) -> Packed:  # fmt: skip
    """As conv2d_bits for signed bytes."""
    return _compared(conv2d_s8_int32(x, w, window, groups, pad_value, multiplier, offset), threshold, direction)


def conv2d_s8_fused(
    x: Tensor, w: Packed, window: Window, groups: int, pad_value: int, multiplier: int, offset: int, scale: Tensor,
    bias: Tensor, steps: Steps,
) -> Tensor:  # fmt: skip
    """As conv2d_fused for signed bytes."""
    return steps.after(conv2d_s8_float(x, w, window, groups, pad_value, multiplier, offset, scale, bias))


def conv2d_s8_both(
    x: Tensor, w: Packed, window: Window, groups: int, pad_value: int, multiplier: int, offset: int, scale: Tensor,
    bias: Tensor, steps: Steps, threshold: Tensor, direction: Tensor,
) -> tuple[Tensor, Packed]:  # fmt: skip
    """As conv2d_both for signed bytes."""
    found = conv2d_s8_fused(x, w, window, groups, pad_value, multiplier, offset, scale, bias, steps)
    return _with_signs(found, threshold, direction)


def _bytes(op: str, x: Tensor) -> Tensor:
    if x.dtype != torch.int8:
        raise DtypeError(f"{op}: x has dtype {x.dtype}; expected torch.int8.")
    return x.to(torch.float64)
