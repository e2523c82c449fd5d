"""onebit::conv2d_*: bits convolved with bits, x and w in {-1, +1}, images NHWC."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from onebit.ops._conv2d_call import Conv2d
from onebit.ops._epilogue import steps
from onebit.ops._family import WORDS, Family, public


class Conv2dFamily(Family):
    """conv2d_*."""

    operator = Conv2d

    def int32(
        self, x: Tensor, weights: Tensor, n: int, c: int, kernel: Sequence[int], stride: Sequence[int],
        padding: Sequence[int], dilation: Sequence[int], groups: int, pad_value: int,
    ) -> Tensor:  # fmt: skip
        """The exact sums over taps and channels of a group, a cross-correlation as torch's conv2d.

        x: (N, H, W, ceil(c / 64)) int64 words, tail bits 0. weights: handle from pack_conv_weights.
        kernel, stride, dilation: [rows, columns]. padding: [top, bottom, left, right]. groups: divides c and n.
        pad_value: what a padded place holds in every channel, 0 (as torch pads), +1 or -1.
        Returns (N, H', W', n) int32. Raises DtypeError, ShapeError, OptionError, NativeError.
        """
        sizes = (n, c, kernel, stride, padding, dilation, groups, pad_value)
        return self.call("int32", x, weights, *sizes)

    def float(
        self, x: Tensor, weights: Tensor, n: int, c: int, kernel: Sequence[int], stride: Sequence[int],
        padding: Sequence[int], dilation: Sequence[int], groups: int, pad_value: int,
        scale: Tensor, bias: Tensor,
    ) -> Tensor:  # fmt: skip
        """float(y) * scale + bias, each step rounded to float32, never fused.

        Arguments before scale: as for the int32 output. scale, bias: (n,) float32.
        Returns (N, H', W', n) float32. Raises DtypeError, ShapeError, OptionError, NativeError.
        """
        sizes = (n, c, kernel, stride, padding, dilation, groups, pad_value)
        return self.call("float", x, weights, *sizes, scale, bias)

    def bits(
        self, x: Tensor, weights: Tensor, n: int, c: int, kernel: Sequence[int], stride: Sequence[int],
        padding: Sequence[int], dilation: Sequence[int], groups: int, pad_value: int,
        threshold: Tensor, direction: Tensor,
    ) -> Tensor:  # fmt: skip
        """Bits of the next layer: +1 iff (direction > 0 ? y >= threshold : y <= threshold).

        Arguments before threshold: as for the int32 output. threshold: (n,) int32. direction: (n,) int8 in {-1, +1}.
        Returns (N, H', W', ceil(n / 64)) int64 words, tail bits 0.
        Raises DtypeError, ShapeError, OptionError, NativeError.
        """
        sizes = (n, c, kernel, stride, padding, dilation, groups, pad_value)
        return self.call("bits", x, weights, *sizes, threshold, direction)

    def fused(
        self, x: Tensor, weights: Tensor, n: int, c: int, kernel: Sequence[int], stride: Sequence[int],
        padding: Sequence[int], dilation: Sequence[int], groups: int, pad_value: int,
        scale: Tensor, bias: Tensor,
        activation: Sequence[Tensor] = (), residual: Tensor | None = None, residual_last: bool = False,
    ) -> Tensor:  # fmt: skip
        """The complete float epilogue, every sum and product rounded to float32, never fused.

        f = float(y) * scale + bias; then f += residual, if it is given and not residual_last; then the activation:
        none, PReLU (slope,): f > 0 ? f : slope * f, or clamp (low, high): f < low ? low : f, then f > high ? high : f,
        which is ReLU for 0 and infinity; then f += residual, if residual_last.
        Arguments before scale: as for the int32 output. scale, bias, slope, low, high: (n,) float32.
        residual: float32 of the result's shape. Returns (N, H', W', n) float32.
        Raises DtypeError, ShapeError, OptionError, NativeError.
        """
        sizes = (n, c, kernel, stride, padding, dilation, groups, pad_value)
        return self.call("fused", x, weights, *sizes, scale, bias, *steps(activation, residual, residual_last))

    def both(
        self, x: Tensor, weights: Tensor, n: int, c: int, kernel: Sequence[int], stride: Sequence[int],
        padding: Sequence[int], dilation: Sequence[int], groups: int, pad_value: int,
        scale: Tensor, bias: Tensor, threshold: Tensor, direction: Tensor,
        activation: Sequence[Tensor] = (), residual: Tensor | None = None, residual_last: bool = False,
    ) -> tuple[Tensor, Tensor]:  # fmt: skip
        """The floats f of the fused output and the bits of their signs: (f, words).

        A sign is -1 iff (direction > 0 ? f < threshold : f > threshold): as in pack, a NaN's is +1 and -0.0 counts
        as 0. threshold: (n,) float32. direction: (n,) int8 in {-1, +1}. The other arguments: as for the fused output.
        Returns (N, H', W', n) float32 and (N, H', W', ceil(n / 64)) int64 words, tail bits 0.
        Raises DtypeError, ShapeError, OptionError, NativeError.
        """
        more = (*steps(activation, residual, residual_last), threshold, direction)
        sizes = (n, c, kernel, stride, padding, dilation, groups, pad_value)
        return self.call_both(x, weights, *sizes, scale, bias, *more)


_family = Conv2dFamily(WORDS)
conv2d_int32 = public(_family.int32)
conv2d_float = public(_family.float)
conv2d_bits = public(_family.bits)
conv2d_fused = public(_family.fused)
conv2d_both = public(_family.both)
