"""onebit::conv2d_u8_*: the first layer, pixels convolved with bits, images NHWC."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from onebit.ops._conv2d_call import PIXELS, Conv2d
from onebit.ops._dense_call import BITS, FLOAT, INT32

_INT32 = Conv2d("conv2d_u8_int32", PIXELS, INT32)
_FLOAT = Conv2d("conv2d_u8_float", PIXELS, FLOAT)
_BITS = Conv2d("conv2d_u8_bits", PIXELS, BITS)


def conv2d_u8_int32(
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
    multiplier: int,
    offset: int,
) -> Tensor:
    """The exact sums over taps and channels of a group, a cross-correlation as torch's conv2d.

    x: (N, H, W, c) uint8 pixels p. weights: handle from pack_conv_weights.
    kernel, stride, dilation: [rows, columns]. padding: [top, bottom, left, right]. groups: divides c and n.
    pad_value: what a padded place holds in every channel, 0 (as torch pads), +1 or -1.
    multiplier, offset: the sums are over multiplier * p + offset (2 and -255 for nn.Pixels); pad_value is not scaled.
    Returns (N, H', W', n) int32. Raises DtypeError, ShapeError, OptionError, NativeError.
    """
    return _INT32.checked(x, weights, n, c, kernel, stride, padding, dilation, groups, pad_value, multiplier, offset)


def conv2d_u8_float(
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
    multiplier: int,
    offset: int,
    scale: Tensor,
    bias: Tensor,
) -> Tensor:
    """float(y) * scale + bias, each step rounded to float32, never fused.

    Arguments before scale: as in conv2d_u8_int32. scale, bias: (n,) float32.
    Returns (N, H', W', n) float32. Raises DtypeError, ShapeError, OptionError, NativeError.
    """
    return _FLOAT.checked(
        x, weights, n, c, kernel, stride, padding, dilation, groups, pad_value, multiplier, offset, scale, bias
    )


def conv2d_u8_bits(
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
    multiplier: int,
    offset: int,
    threshold: Tensor,
    direction: Tensor,
) -> Tensor:
    """Bits of the next layer: +1 iff (direction > 0 ? y >= threshold : y <= threshold).

    Arguments before threshold: as in conv2d_u8_int32. threshold: (n,) int32. direction: (n,) int8 in {-1, +1}.
    Returns (N, H', W', ceil(n / 64)) int64 words, tail bits 0. Raises DtypeError, ShapeError, OptionError, NativeError.
    """
    return _BITS.checked(
        x, weights, n, c, kernel, stride, padding, dilation, groups, pad_value, multiplier, offset, threshold, direction
    )


for _operator in (_INT32, _FLOAT, _BITS):
    _operator.define()
