"""onebit::dense_*, dense_u8_*, dense_s8_*: y[..., j] = sum over i of x[..., i] * w[j, i] with w in {-1, +1}.

x is -1 and +1 in bits or, in the first layer, 8-bit values: 0 to 255 (u8) or -128 to 127 (s8).
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from onebit.ops._dense_call import Dense
from onebit.ops._epilogue import steps
from onebit.ops._family import PIXELS, SIGNED_BYTES, WORDS, Family, public


class DenseFamily(Family):
    """dense_*, dense_u8_* or dense_s8_*, by what x holds."""

    operator = Dense

    def int32(self, x: Tensor, weights: Tensor, n: int, k: int) -> Tensor:
        """The exact sums y[..., j] = sum over i of x[..., i] * w[j, i]; for bits, k - 2 * popcount(x ^ w).

        x: for dense_*, (..., ceil(k / 64)) int64 words, tail bits 0; for dense_u8_*, (..., k) uint8; for dense_s8_*,
        (..., k) int8. weights: handle of n x k from pack_weights.
        Returns (..., n) int32. Raises DtypeError, ShapeError, OptionError, NativeError.
        """
        return self.call("int32", x, weights, n, k)

    def float(self, x: Tensor, weights: Tensor, n: int, k: int, scale: Tensor, bias: Tensor) -> Tensor:
        """float(y) * scale + bias, each step rounded to float32, never fused.

        x, weights: as for the int32 output. scale, bias: (n,) float32.
        Returns (..., n) float32. Raises DtypeError, ShapeError, OptionError, NativeError.
        """
        return self.call("float", x, weights, n, k, scale, bias)

    def bits(self, x: Tensor, weights: Tensor, n: int, k: int, threshold: Tensor, direction: Tensor) -> Tensor:
        """Bits of the next layer: +1 iff (direction > 0 ? y >= threshold : y <= threshold).

        x, weights: as for the int32 output. threshold: (n,) int32. direction: (n,) int8 in {-1, +1}.
        Returns (..., ceil(n / 64)) int64 words, tail bits 0.
        Raises DtypeError, ShapeError, OptionError, NativeError.
        """
        return self.call("bits", x, weights, n, k, threshold, direction)

    def fused(
        self, x: Tensor, weights: Tensor, n: int, k: int,
        scale: Tensor, bias: Tensor,
        activation: Sequence[Tensor] = (), residual: Tensor | None = None, residual_last: bool = False,
    ) -> Tensor:  # fmt: skip
        """The complete float epilogue, every sum and product rounded to float32, never fused.

        f = float(y) * scale + bias; then f += residual, if it is given and not residual_last; then the activation:
        none, PReLU (slope,): f > 0 ? f : slope * f, or clamp (low, high): f < low ? low : f, then f > high ? high : f,
        which is ReLU for 0 and infinity; then f += residual, if residual_last.
        x, weights: as for the int32 output. scale, bias, slope, low, high: (n,) float32.
        residual: float32 of the result's shape. Returns (..., n) float32.
        Raises DtypeError, ShapeError, OptionError, NativeError.
        """
        return self.call("fused", x, weights, n, k, scale, bias, *steps(activation, residual, residual_last))

    def both(
        self, x: Tensor, weights: Tensor, n: int, k: int,
        scale: Tensor, bias: Tensor, threshold: Tensor, direction: Tensor,
        activation: Sequence[Tensor] = (), residual: Tensor | None = None, residual_last: bool = False,
    ) -> tuple[Tensor, Tensor]:  # fmt: skip
        """The floats f of the fused output and the bits of their signs: (f, words).

        A sign is -1 iff (direction > 0 ? f < threshold : f > threshold): as in pack, a NaN's is +1 and -0.0 counts
        as 0. threshold: (n,) float32. direction: (n,) int8 in {-1, +1}. The other arguments: as for the fused output.
        Returns (..., n) float32 and (..., ceil(n / 64)) int64 words, tail bits 0.
        Raises DtypeError, ShapeError, OptionError, NativeError.
        """
        more = (*steps(activation, residual, residual_last), threshold, direction)
        return self.call_both(x, weights, n, k, scale, bias, *more)


_words, _pixels, _signed = DenseFamily(WORDS), DenseFamily(PIXELS), DenseFamily(SIGNED_BYTES)
dense_int32 = public(_words.int32)
dense_float = public(_words.float)
dense_bits = public(_words.bits)
dense_fused = public(_words.fused)
dense_both = public(_words.both)
dense_u8_int32 = public(_pixels.int32)
dense_u8_float = public(_pixels.float)
dense_u8_bits = public(_pixels.bits)
dense_u8_fused = public(_pixels.fused)
dense_u8_both = public(_pixels.both)
dense_s8_int32 = public(_signed.int32)
dense_s8_float = public(_signed.float)
dense_s8_bits = public(_signed.bits)
dense_s8_fused = public(_signed.fused)
dense_s8_both = public(_signed.both)
