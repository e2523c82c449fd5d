"""conv1d_* and max_pool1d: convolution and pooling of sequences (N, L, channels), on the operators of one row."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from onebit._errors import OptionError, ShapeError
from onebit.ops._conv2d import conv2d_bits, conv2d_float, conv2d_int32
from onebit.ops._conv_weights import pack_conv_weights
from onebit.ops._max_pool2d import max_pool2d


def pack_conv1d_weights(rows: Tensor, c: int, groups: int, kernel: int) -> Tensor:
    """The handle of a one-dimensional convolution's weights: that of a conv2d with the kernel [1, kernel].

    rows: (n, kernel, ceil(c / groups / 64)) int64 words: torch's weight (n, c / groups, kernel) gives
    pack(weight, axis=1). Returns (bytes,) uint8. Raises DtypeError, ShapeError, OptionError.
    """
    return pack_conv_weights(_row("pack_conv1d_weights", "rows", rows), c, groups, [1, kernel])


def conv1d_int32(
    x: Tensor,
    weights: Tensor,
    n: int,
    c: int,
    kernel: int,
    stride: int,
    padding: Sequence[int],
    dilation: int,
    groups: int,
    pad_value: int,
) -> Tensor:
    """The exact sums over taps and channels of a group, a cross-correlation as torch's conv1d.

    x: (N, L, ceil(c / 64)) int64 words, tail bits 0. weights: handle from pack_conv1d_weights. padding: [left, right].
    groups: divides c and n; groups = c is a depthwise convolution. pad_value: 0 (as torch pads), +1 or -1.
    Returns (N, L', n) int32. Raises DtypeError, ShapeError, OptionError, NativeError.
    """
    sizes = _sizes("conv1d_int32", n, c, kernel, stride, padding, dilation)
    return conv2d_int32(_row("conv1d_int32", "x", x), weights, *sizes, groups, pad_value).squeeze(1)


def conv1d_float(
    x: Tensor,
    weights: Tensor,
    n: int,
    c: int,
    kernel: int,
    stride: int,
    padding: Sequence[int],
    dilation: int,
    groups: int,
    pad_value: int,
    scale: Tensor,
    bias: Tensor,
) -> Tensor:
    """float(y) * scale + bias, each step rounded to float32, never fused.

    Arguments before scale: as in conv1d_int32. scale, bias: (n,) float32.
    Returns (N, L', n) float32. Raises DtypeError, ShapeError, OptionError, NativeError.
    """
    sizes = _sizes("conv1d_float", n, c, kernel, stride, padding, dilation)
    return conv2d_float(_row("conv1d_float", "x", x), weights, *sizes, groups, pad_value, scale, bias).squeeze(1)


def conv1d_bits(
    x: Tensor,
    weights: Tensor,
    n: int,
    c: int,
    kernel: int,
    stride: int,
    padding: Sequence[int],
    dilation: int,
    groups: int,
    pad_value: int,
    threshold: Tensor,
    direction: Tensor,
) -> Tensor:
    """Bits of the next layer: +1 iff (direction > 0 ? y >= threshold : y <= threshold).

    Arguments before threshold: as in conv1d_int32. threshold: (n,) int32. direction: (n,) int8 in {-1, +1}.
    Returns (N, L', ceil(n / 64)) int64 words, tail bits 0. Raises DtypeError, ShapeError, OptionError, NativeError.
    """
    sizes = _sizes("conv1d_bits", n, c, kernel, stride, padding, dilation)
    return conv2d_bits(_row("conv1d_bits", "x", x), weights, *sizes, groups, pad_value, threshold, direction).squeeze(1)


def max_pool1d(x: Tensor, c: int, kernel: int, stride: int, padding: Sequence[int], minimum: Tensor) -> Tensor:
    """The maximum of -1 and +1 over each window; the minimum in channels whose bit in `minimum` is 1.

    x: (N, L, ceil(c / 64)) int64 words. padding: [left, right], each below the kernel; padded places never win.
    minimum: (ceil(c / 64),) int64 words. Returns (N, L', ceil(c / 64)) int64 words, tail bits 0.
    Raises DtypeError, ShapeError, OptionError.
    """
    sides = _sides("max_pool1d", padding)
    return max_pool2d(_row("max_pool1d", "x", x), c, [1, kernel], [1, stride], sides, minimum).squeeze(1)


def _row(op: str, name: str, x: Tensor) -> Tensor:
    """(N, L, words) -> (N, 1, L, words)."""
    if x.dim() != 3:
        raise ShapeError(f"{op}: {name} has shape {tuple(x.shape)}; expected three dimensions, the last one words.")
    return x.unsqueeze(1)


def _sides(op: str, padding: Sequence[int]) -> list[int]:
    if len(padding) != 2:
        raise OptionError(f"{op}: padding is {list(padding)}; expected [left, right].")
    return [0, 0, *padding]


def _sizes(
    op: str, n: int, c: int, kernel: int, stride: int, padding: Sequence[int], dilation: int
) -> tuple[int, int, list[int], list[int], list[int], list[int]]:
    return n, c, [1, kernel], [1, stride], _sides(op, padding), [1, dilation]
