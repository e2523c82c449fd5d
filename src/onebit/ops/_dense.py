"""onebit::dense_*: bits times bits, y[..., j] = sum over i of x[..., i] * w[j, i] with x and w in {-1, +1}."""

from __future__ import annotations

from torch import Tensor

from onebit.ops._dense_call import BITS, FLOAT, INT32, WORDS, Dense
from onebit.ops._front_door import define

_INT32 = Dense("dense_int32", WORDS, INT32)
_FLOAT = Dense("dense_float", WORDS, FLOAT)
_BITS = Dense("dense_bits", WORDS, BITS)


def dense_int32(x: Tensor, weights: Tensor, n: int, k: int) -> Tensor:
    """The exact sums y = k - 2 * popcount(x ^ w).

    x: (..., ceil(k / 64)) int64 words, tail bits 0. weights: handle of n x k from pack_weights.
    Returns (..., n) int32. Raises DtypeError, ShapeError, OptionError, NativeError.
    """
    return _INT32.checked(x, weights, n, k)


def dense_float(x: Tensor, weights: Tensor, n: int, k: int, scale: Tensor, bias: Tensor) -> Tensor:
    """float(y) * scale + bias, each step rounded to float32, never fused.

    x, weights: as in dense_int32. scale, bias: (n,) float32.
    Returns (..., n) float32. Raises DtypeError, ShapeError, OptionError, NativeError.
    """
    return _FLOAT.checked(x, weights, n, k, scale, bias)


def dense_bits(x: Tensor, weights: Tensor, n: int, k: int, threshold: Tensor, direction: Tensor) -> Tensor:
    """Bits of the next layer: +1 iff (direction > 0 ? y >= threshold : y <= threshold).

    x, weights: as in dense_int32. threshold: (n,) int32. direction: (n,) int8 in {-1, +1}.
    Returns (..., ceil(n / 64)) int64 words, tail bits 0. Raises DtypeError, ShapeError, OptionError, NativeError.
    """
    return _BITS.checked(x, weights, n, k, threshold, direction)


define("dense_int32(Tensor x, Tensor weights, int n, int k) -> Tensor", _INT32.fake, _INT32.python)
define(
    "dense_float(Tensor x, Tensor weights, int n, int k, Tensor scale, Tensor bias) -> Tensor",
    _FLOAT.fake,
    _FLOAT.python,
)
define(
    "dense_bits(Tensor x, Tensor weights, int n, int k, Tensor threshold, Tensor direction) -> Tensor",
    _BITS.fake,
    _BITS.python,
)
