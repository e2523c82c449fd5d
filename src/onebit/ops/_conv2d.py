"""onebit::conv2d_*: bits convolved with bits, x and w in {-1, +1}, images NHWC."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from onebit.ops._conv2d_call import WORDS, Conv2d
from onebit.ops._dense_call import BITS, FLOAT, INT32

_INT32 = Conv2d("conv2d_int32", WORDS, INT32)
_FLOAT = Conv2d("conv2d_float", WORDS, FLOAT)
_BITS = Conv2d("conv2d_bits", WORDS, BITS)


def conv2d_int32(
    x: Tensor,
    weights: Tensor,
    n: int,
    c: int,
    kernel: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    groups: int,
    pad_value: int,
) -> Tensor:
    """The exact sums over taps and channels of a group, a cross-correlation as torch's conv2d.

    x: (N, H, W, ceil(c / 64)) int64 words, tail bits 0. weights: handle from pack_conv_weights.
    kernel, stride, dilation: [rows, columns]. padding: [top, bottom, left, right]. groups: divides c and n.
    pad_value: what a padded place holds in every channel, 0 (as torch pads), +1 or -1.
    Returns (N, H', W', n) int32. Raises DtypeError, ShapeError, OptionError, NativeError.
    """
    return _INT32.checked(x, weights, n, c, kernel, stride, padding, dilation, groups, pad_value)


def conv2d_float(
    x: Tensor,
    weights: Tensor,
    n: int,
    c: int,
    kernel: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    groups: int,
    pad_value: int,
    scale: Tensor,
    bias: Tensor,
) -> Tensor:
    """float(y) * scale + bias, each step rounded to float32, never fused.

    Arguments before scale: as in conv2d_int32. scale, bias: (n,) float32.
    Returns (N, H', W', n) float32. Raises DtypeError, ShapeError, OptionError, NativeError.
    """
    return _FLOAT.checked(x, weights, n, c, kernel, stride, padding, dilation, groups, pad_value, scale, bias)


def conv2d_bits(
    x: Tensor,
    weights: Tensor,
    n: int,
    c: int,
    kernel: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    groups: int,
    pad_value: int,
    threshold: Tensor,
    direction: Tensor,
) -> Tensor:
    """Bits of the next layer: +1 iff (direction > 0 ? y >= threshold : y <= threshold).

    Arguments before threshold: as in conv2d_int32. threshold: (n,) int32. direction: (n,) int8 in {-1, +1}.
    Returns (N, H', W', ceil(n / 64)) int64 words, tail bits 0. Raises DtypeError, ShapeError, OptionError, NativeError.
    """
    return _BITS.checked(x, weights, n, c, kernel, stride, padding, dilation, groups, pad_value, threshold, direction)


for _operator in (_INT32, _FLOAT, _BITS):
    _operator.define()
