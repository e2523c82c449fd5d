"""onebit::dense_u8_*: the first layer, 8-bit values times bits, x in {0, ..., 255} and w in {-1, +1}."""

from __future__ import annotations

from torch import Tensor

from onebit.ops._dense_call import BITS, FLOAT, INT32, PIXELS, Dense
from onebit.ops._front_door import define

_INT32 = Dense("dense_u8_int32", PIXELS, INT32)
_FLOAT = Dense("dense_u8_float", PIXELS, FLOAT)
_BITS = Dense("dense_u8_bits", PIXELS, BITS)


def dense_u8_int32(x: Tensor, weights: Tensor, n: int, k: int) -> Tensor:
    """The exact sums y[..., j] = sum over i of x[..., i] * w[j, i].

    x: (..., k) uint8. weights: handle of n x k from pack_weights.
    Returns (..., n) int32. Raises DtypeError, ShapeError, OptionError, NativeError.
    """
    return _INT32.checked(x, weights, n, k)


def dense_u8_float(x: Tensor, weights: Tensor, n: int, k: int, scale: Tensor, bias: Tensor) -> Tensor:
    """float(y) * scale + bias, each step rounded to float32, never fused.

    x, weights: as in dense_u8_int32. scale, bias: (n,) float32.
    Returns (..., n) float32. Raises DtypeError, ShapeError, OptionError, NativeError.
    """
    return _FLOAT.checked(x, weights, n, k, scale, bias)


def dense_u8_bits(x: Tensor, weights: Tensor, n: int, k: int, threshold: Tensor, direction: Tensor) -> Tensor:
    """Bits of the next layer: +1 iff (direction > 0 ? y >= threshold : y <= threshold).

    x, weights: as in dense_u8_int32. threshold: (n,) int32. direction: (n,) int8 in {-1, +1}.
    Returns (..., ceil(n / 64)) int64 words, tail bits 0. Raises DtypeError, ShapeError, OptionError, NativeError.
    """
    return _BITS.checked(x, weights, n, k, threshold, direction)


define("dense_u8_int32(Tensor x, Tensor weights, int n, int k) -> Tensor", _INT32.fake, _INT32.python)
define(
    "dense_u8_float(Tensor x, Tensor weights, int n, int k, Tensor scale, Tensor bias) -> Tensor",
    _FLOAT.fake,
    _FLOAT.python,
)
define(
    "dense_u8_bits(Tensor x, Tensor weights, int n, int k, Tensor threshold, Tensor direction) -> Tensor",
    _BITS.fake,
    _BITS.python,
)
