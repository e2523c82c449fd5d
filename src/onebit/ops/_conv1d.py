"""conv1d_* and max_pool1d: convolution and pooling of sequences (N, L, channels), on the operators of one row."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from onebit._errors import OptionError, ShapeError
from onebit.ops._conv2d import conv2d_bits, conv2d_both, conv2d_float, conv2d_fused, conv2d_int32
from onebit.ops._conv_weights import pack_conv_weights
from onebit.ops._max_pool2d import max_pool2d


def pack_conv1d_weights(rows: Tensor, c: int, groups: int, kernel: int) -> Tensor:
    """The handle of a one-dimensional convolution's weights: that of a conv2d with the kernel [1, kernel].

    rows: (n, kernel, ceil(c / groups / 64)) int64 words: torch's weight (n, c / groups, kernel) gives
    pack(weight, axis=1). Returns (bytes,) uint8. Raises DtypeError, ShapeError, OptionError.
    """
    return pack_conv_weights(_row("pack_conv1d_weights", "rows", rows), c, groups, [1, kernel])


def conv1d_int32(
    x: Tensor, weights: Tensor, n: int, c: int, kernel: int, stride: int, padding: Sequence[int], dilation: int,
    groups: int, pad_value: int,
) -> Tensor:  # fmt: skip
    """The exact sums over taps and channels of a group, a cross-correlation as torch's conv1d.

    x: (N, L, ceil(c / 64)) int64 words, tail bits 0. weights: handle from pack_conv1d_weights. padding: [left, right].
    groups: divides c and n; groups = c is a depthwise convolution. pad_value: 0 (as torch pads), +1 or -1.
    Returns (N, L', n) int32. Raises DtypeError, ShapeError, OptionError, NativeError.
    """
    sizes = (n, c, kernel, stride, padding, dilation, groups, pad_value)
    return conv2d_int32(*_one_row("conv1d_int32", x, weights, *sizes)).squeeze(1)


def conv1d_float(
    x: Tensor, weights: Tensor, n: int, c: int, kernel: int, stride: int, padding: Sequence[int], dilation: int,
    groups: int, pad_value: int,
    scale: Tensor, bias: Tensor,
) -> Tensor:  # fmt: skip
    """float(y) * scale + bias, each step rounded to float32, never fused.

    Arguments before scale: as in conv1d_int32. scale, bias: (n,) float32.
    Returns (N, L', n) float32. Raises DtypeError, ShapeError, OptionError, NativeError.
    """
    sizes = (n, c, kernel, stride, padding, dilation, groups, pad_value)
    return conv2d_float(*_one_row("conv1d_float", x, weights, *sizes), scale, bias).squeeze(1)


def conv1d_bits(
    x: Tensor, weights: Tensor, n: int, c: int, kernel: int, stride: int, padding: Sequence[int], dilation: int,
    groups: int, pad_value: int,
    threshold: Tensor, direction: Tensor,
) -> Tensor:  # fmt: skip
    """Bits of the next layer: +1 iff (direction > 0 ? y >= threshold : y <= threshold).

    Arguments before threshold: as in conv1d_int32. threshold: (n,) int32. direction: (n,) int8 in {-1, +1}.
    Returns (N, L', ceil(n / 64)) int64 words, tail bits 0. Raises DtypeError, ShapeError, OptionError, NativeError.
    """
    sizes = (n, c, kernel, stride, padding, dilation, groups, pad_value)
    return conv2d_bits(*_one_row("conv1d_bits", x, weights, *sizes), threshold, direction).squeeze(1)


def conv1d_fused(
    x: Tensor, weights: Tensor, n: int, c: int, kernel: int, stride: int, padding: Sequence[int], dilation: int,
    groups: int, pad_value: int,
    scale: Tensor, bias: Tensor,
    activation: Sequence[Tensor] = (), residual: Tensor | None = None, residual_last: bool = False,
) -> Tensor:  # fmt: skip
    """The complete float epilogue: scale, bias, residual and activation, as in conv2d_fused.

    Arguments before scale: as in conv1d_int32; the others as in conv2d_fused, with a residual (N, L', n) float32.
    Returns (N, L', n) float32. Raises DtypeError, ShapeError, OptionError, NativeError.
    """
    sizes = (n, c, kernel, stride, padding, dilation, groups, pad_value)
    steps = (activation, _residual("conv1d_fused", residual), residual_last)
    return conv2d_fused(*_one_row("conv1d_fused", x, weights, *sizes), scale, bias, *steps).squeeze(1)


def conv1d_both(
    x: Tensor, weights: Tensor, n: int, c: int, kernel: int, stride: int, padding: Sequence[int], dilation: int,
    groups: int, pad_value: int,
    scale: Tensor, bias: Tensor, threshold: Tensor, direction: Tensor,
    activation: Sequence[Tensor] = (), residual: Tensor | None = None, residual_last: bool = False,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """The floats f of conv1d_fused and the bits of their signs: (f, words), as in conv2d_both.

    threshold: (n,) float32. direction: (n,) int8 in {-1, +1}. The other arguments: as in conv1d_fused.
    Returns (N, L', n) float32 and (N, L', ceil(n / 64)) int64 words, tail bits 0.
    Raises DtypeError, ShapeError, OptionError, NativeError.
    """
    sizes = (n, c, kernel, stride, padding, dilation, groups, pad_value)
    rows, epilogue = _one_row("conv1d_both", x, weights, *sizes), (scale, bias, threshold, direction)
    f, words = conv2d_both(*rows, *epilogue, activation, _residual("conv1d_both", residual), residual_last)
    return f.squeeze(1), words.squeeze(1)


def max_pool1d(x: Tensor, c: int, kernel: int, stride: int, padding: Sequence[int], minimum: Tensor) -> Tensor:
    """The maximum of -1 and +1 over each window; the minimum in channels whose bit in `minimum` is 1.

    x: (N, L, ceil(c / 64)) int64 words. padding: [left, right], each below the kernel; padded places never win.
    minimum: (ceil(c / 64),) int64 words. Returns (N, L', ceil(c / 64)) int64 words, tail bits 0.
    Raises DtypeError, ShapeError, OptionError.
    """
    sides = _sides("max_pool1d", padding)
    return max_pool2d(_row("max_pool1d", "x", x), c, [1, kernel], [1, stride], sides, minimum).squeeze(1)


def _row(op: str, name: str, x: Tensor, last: str = "words") -> Tensor:
    """(N, L, words) -> (N, 1, L, words)."""
    if x.dim() != 3:
        raise ShapeError(f"{op}: {name} has shape {tuple(x.shape)}; expected three dimensions, the last one {last}.")
    return x.unsqueeze(1)


def _residual(op: str, residual: Tensor | None) -> Tensor | None:
    return None if residual is None else _row(op, "residual", residual, "channels")


def _sides(op: str, padding: Sequence[int]) -> list[int]:
    if len(padding) != 2:
        raise OptionError(f"{op}: padding is {list(padding)}; expected [left, right].")
    return [0, 0, *padding]


def _one_row(
    op: str, x: Tensor, weights: Tensor, n: int, c: int, kernel: int, stride: int, padding: Sequence[int],
    dilation: int, groups: int, pad_value: int,
) -> tuple[Tensor, Tensor, int, int, list[int], list[int], list[int], list[int], int, int]:  # fmt: skip
    """The arguments of conv2d for a map of one row."""
    sizes = ([1, kernel], [1, stride], _sides(op, padding), [1, dilation])
    return _row(op, "x", x), weights, n, c, *sizes, groups, pad_value
