"""onebit::dense_s8_*: the first layer, signed 8-bit values times bits, x in {-128, ..., 127} and w in {-1, +1}."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from onebit.ops._dense_call import SIGNED_BYTES, Dense
from onebit.ops._epilogue import BITS, BOTH, FLOAT, FUSED, INT32, steps

_INT32 = Dense("dense_s8_int32", SIGNED_BYTES, INT32)
_FLOAT = Dense("dense_s8_float", SIGNED_BYTES, FLOAT)
_BITS = Dense("dense_s8_bits", SIGNED_BYTES, BITS)
_FUSED = Dense("dense_s8_fused", SIGNED_BYTES, FUSED)
_BOTH = Dense("dense_s8_both", SIGNED_BYTES, BOTH)


def dense_s8_int32(x: Tensor, weights: Tensor, n: int, k: int) -> Tensor:
    """The exact sums y[..., j] = sum over i of x[..., i] * w[j, i].

    x: (..., k) int8. weights: handle of n x k from pack_weights.
    Returns (..., n) int32. Raises DtypeError, ShapeError, OptionError, NativeError.
    """
    return _INT32.checked(x, weights, n, k)


def dense_s8_float(x: Tensor, weights: Tensor, n: int, k: int, scale: Tensor, bias: Tensor) -> Tensor:
    """float(y) * scale + bias, each step rounded to float32, never fused.

    x, weights: as in dense_s8_int32. scale, bias: (n,) float32.
    Returns (..., n) float32. Raises DtypeError, ShapeError, OptionError, NativeError.
    """
    return _FLOAT.checked(x, weights, n, k, scale, bias)


def dense_s8_bits(x: Tensor, weights: Tensor, n: int, k: int, threshold: Tensor, direction: Tensor) -> Tensor:
    """Bits of the next layer: +1 iff (direction > 0 ? y >= threshold : y <= threshold).

    x, weights: as in dense_s8_int32. threshold: (n,) int32. direction: (n,) int8 in {-1, +1}.
    Returns (..., ceil(n / 64)) int64 words, tail bits 0. Raises DtypeError, ShapeError, OptionError, NativeError.
    """
    return _BITS.checked(x, weights, n, k, threshold, direction)


def dense_s8_fused(
    x: Tensor,
    weights: Tensor,
    n: int,
    k: int,
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
    x, weights: as in dense_s8_int32. scale, bias, slope, low, high: (n,) float32. residual: float32 of the
    result's shape. Returns (..., n) float32. Raises DtypeError, ShapeError, OptionError, NativeError.
    """
    return _FUSED.checked(x, weights, n, k, scale, bias, *steps(activation, residual, residual_last))


def dense_s8_both(
    x: Tensor,
    weights: Tensor,
    n: int,
    k: int,
    scale: Tensor,
    bias: Tensor,
    threshold: Tensor,
    direction: Tensor,
    activation: Sequence[Tensor] = (),
    residual: Tensor | None = None,
    residual_last: bool = False,
) -> tuple[Tensor, Tensor]:
    """The floats f of dense_s8_fused and the bits of their signs: (f, words).

    A sign is -1 iff (direction > 0 ? f < threshold : f > threshold): as in pack, a NaN's is +1 and -0.0 counts as 0.
    threshold: (n,) float32. direction: (n,) int8 in {-1, +1}. The other arguments: as in dense_s8_fused.
    Returns (..., n) float32 and (..., ceil(n / 64)) int64 words, tail bits 0.
    Raises DtypeError, ShapeError, OptionError, NativeError.
    """
    arguments = (*steps(activation, residual, residual_last), threshold, direction)
    return _BOTH.checked_both(x, weights, n, k, scale, bias, *arguments)


for _operator in (_INT32, _FLOAT, _BITS, _FUSED, _BOTH):
    _operator.define()
