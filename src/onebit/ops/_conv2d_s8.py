"""onebit::conv2d_s8_*: the first layer, signed 8-bit values convolved with bits, images NHWC."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from onebit.ops._conv2d_call import SIGNED_BYTES, Conv2d
from onebit.ops._epilogue import BITS, BOTH, FLOAT, FUSED, INT32, steps

_INT32 = Conv2d("conv2d_s8_int32", SIGNED_BYTES, INT32)
_FLOAT = Conv2d("conv2d_s8_float", SIGNED_BYTES, FLOAT)
_BITS = Conv2d("conv2d_s8_bits", SIGNED_BYTES, BITS)
_FUSED = Conv2d("conv2d_s8_fused", SIGNED_BYTES, FUSED)
_BOTH = Conv2d("conv2d_s8_both", SIGNED_BYTES, BOTH)


def conv2d_s8_int32(
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

    x: (N, H, W, c) int8 values p. weights: handle from pack_conv_weights.
    kernel, stride, dilation: [rows, columns]. padding: [top, bottom, left, right]. groups: divides c and n.
    pad_value: what a padded place holds in every channel, 0 (as torch pads), +1 or -1.
    multiplier, offset: the sums are over multiplier * p + offset; pad_value is not scaled.
    Returns (N, H', W', n) int32. Raises DtypeError, ShapeError, OptionError, NativeError.
    """
    return _INT32.checked(x, weights, n, c, kernel, stride, padding, dilation, groups, pad_value, multiplier, offset)


def conv2d_s8_float(
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

    Arguments before scale: as in conv2d_s8_int32. scale, bias: (n,) float32.
    Returns (N, H', W', n) float32. Raises DtypeError, ShapeError, OptionError, NativeError.
    """
    return _FLOAT.checked(
        x, weights, n, c, kernel, stride, padding, dilation, groups, pad_value, multiplier, offset, scale, bias
    )


def conv2d_s8_bits(
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

    Arguments before threshold: as in conv2d_s8_int32. threshold: (n,) int32. direction: (n,) int8 in {-1, +1}.
    Returns (N, H', W', ceil(n / 64)) int64 words, tail bits 0. Raises DtypeError, ShapeError, OptionError, NativeError.
    """
    return _BITS.checked(
        x, weights, n, c, kernel, stride, padding, dilation, groups, pad_value, multiplier, offset, threshold, direction
    )


def conv2d_s8_fused(
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
    activation: Sequence[Tensor] = (),
    residual: Tensor | None = None,
    residual_last: bool = False,
) -> Tensor:
    """The complete float epilogue, every sum and product rounded to float32, never fused.

    f = float(y) * scale + bias; then f += residual, if it is given and not residual_last; then the activation: none,
    PReLU (slope,): f > 0 ? f : slope * f, or clamp (low, high): f < low ? low : f, then f > high ? high : f, which is
    ReLU for 0 and infinity; then f += residual, if residual_last.
    Arguments before scale: as in conv2d_s8_int32. scale, bias, slope, low, high: (n,) float32. residual: float32 of the
    result's shape. Returns (N, H', W', n) float32. Raises DtypeError, ShapeError, OptionError, NativeError.
    """
    return _FUSED.checked(
        x,
        weights,
        n,
        c,
        kernel,
        stride,
        padding,
        dilation,
        groups,
        pad_value,
        multiplier,
        offset,
        scale,
        bias,
        *steps(activation, residual, residual_last),
    )


def conv2d_s8_both(
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
    threshold: Tensor,
    direction: Tensor,
    activation: Sequence[Tensor] = (),
    residual: Tensor | None = None,
    residual_last: bool = False,
) -> tuple[Tensor, Tensor]:
    """The floats f of conv2d_s8_fused and the bits of their signs: (f, words).

    A sign is -1 iff (direction > 0 ? f < threshold : f > threshold): as in pack, a NaN's is +1 and -0.0 counts as 0.
    threshold: (n,) float32. direction: (n,) int8 in {-1, +1}. The other arguments: as in conv2d_s8_fused.
    Returns (N, H', W', n) float32 and (N, H', W', ceil(n / 64)) int64 words, tail bits 0.
    Raises DtypeError, ShapeError, OptionError, NativeError.
    """
    arguments = (*steps(activation, residual, residual_last), threshold, direction)
    return _BOTH.checked_both(
        x,
        weights,
        n,
        c,
        kernel,
        stride,
        padding,
        dilation,
        groups,
        pad_value,
        multiplier,
        offset,
        scale,
        bias,
        *arguments,
    )


for _operator in (_INT32, _FLOAT, _BITS, _FUSED, _BOTH):
    _operator.define()
