"""The definition of every operator: unpack, multiply in float64, apply the epilogue. Obvious, exact and slow.

Every kernel must give the numbers of this file, bit for bit. Sums are integers below 2**53, so float64 holds them
exactly whatever the order of the additions. This file knows nothing of the native library.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from onebit._errors import DtypeError, ShapeError
from onebit.bits._pack import pack, unpack
from onebit.bits._packed import Packed


class Steps(NamedTuple):
    """What happens to floats behind y * scale + bias; every sum and product is rounded to float32.

    activation: () for none; (slope,), PReLU: f > 0 ? f : slope * f; (low, high), clamp: f < low ? low : f, then
    f > high ? high : f, which is ReLU for 0 and infinity. All are (N,) float32. residual: of the result's shape, added
    in front of the activation, or behind it if residual_last. A NaN of the residual stays a NaN.
    """

    activation: Sequence[Tensor] = ()
    residual: Tensor | None = None
    residual_last: bool = False

    def after(self, f: Tensor) -> Tensor:
        """The floats behind all steps, (..., N) float32."""
        if self.residual is not None and not self.residual_last:
            f = f + self.residual
        if len(self.activation) == 1:
            f = torch.where(f > 0, f, self.activation[0] * f)
        elif self.activation:
            low, high = self.activation
            f = torch.where(f < low, low, f)
            f = torch.where(f > high, high, f)
        return f + self.residual if self.residual is not None and self.residual_last else f


def dense_int32(x: Packed, w: Packed) -> Tensor:
    """y[..., j] = sum over i of x[..., i] * w[j, i], x (..., K) and w (N, K) in {-1, +1} -> (..., N) int32."""
    return _sums(unpack(x, torch.float64), w)


def dense_float(x: Packed, w: Packed, scale: Tensor, bias: Tensor) -> Tensor:
    """float(y) * scale + bias with scale, bias (N,) float32 -> (..., N) float32; three roundings, never fused."""
    return _scaled(dense_int32(x, w), scale, bias)


def dense_bits(x: Packed, w: Packed, threshold: Tensor, direction: Tensor) -> Packed:
    """+1 iff (direction > 0 ? y >= threshold : y <= threshold); threshold (N,) int32, direction (N,) int8."""
    return _compared(dense_int32(x, w), threshold, direction)


def dense_fused(x: Packed, w: Packed, scale: Tensor, bias: Tensor, steps: Steps) -> Tensor:
    """dense_float, then the steps, each rounded to float32."""
    return steps.after(dense_float(x, w, scale, bias))


def dense_both(
    x: Packed, w: Packed, scale: Tensor, bias: Tensor, steps: Steps, threshold: Tensor, direction: Tensor
) -> tuple[Tensor, Packed]:
    """dense_fused and its signs: -1 iff (direction > 0 ? f < threshold : f > threshold), threshold (N,) float32."""
    return _with_signs(dense_fused(x, w, scale, bias, steps), threshold, direction)


def dense_u8_int32(x: Tensor, w: Packed) -> Tensor:
    """As dense_int32 for x (..., K) uint8 in {0, ..., 255}: the first layer."""
    return _sums(_pixels(x), w)


def dense_u8_float(x: Tensor, w: Packed, scale: Tensor, bias: Tensor) -> Tensor:
    """As dense_float for x (..., K) uint8."""
    return _scaled(dense_u8_int32(x, w), scale, bias)


def dense_u8_bits(x: Tensor, w: Packed, threshold: Tensor, direction: Tensor) -> Packed:
    """As dense_bits for x (..., K) uint8."""
    return _compared(dense_u8_int32(x, w), threshold, direction)


def dense_u8_fused(x: Tensor, w: Packed, scale: Tensor, bias: Tensor, steps: Steps) -> Tensor:
    """As dense_fused for x (..., K) uint8."""
    return steps.after(dense_u8_float(x, w, scale, bias))


def dense_u8_both(
    x: Tensor, w: Packed, scale: Tensor, bias: Tensor, steps: Steps, threshold: Tensor, direction: Tensor
) -> tuple[Tensor, Packed]:
    """As dense_both for x (..., K) uint8."""
    return _with_signs(dense_u8_fused(x, w, scale, bias, steps), threshold, direction)


def _pixels(x: Tensor) -> Tensor:
    if x.dtype != torch.uint8:
        raise DtypeError(f"dense_u8: x has dtype {x.dtype}; expected torch.uint8.")
    return x.to(torch.float64)


def _sums(x: Tensor, w: Packed) -> Tensor:
    if len(w.shape) != 2 or x.shape[-1] != w.k:
        raise ShapeError(f"dense: x has shape {tuple(x.shape)} and w {tuple(w.shape)}; expected (..., K) and (N, K).")
    return (x @ unpack(w, torch.float64).T).to(torch.int32)


def _scaled(y: Tensor, scale: Tensor, bias: Tensor) -> Tensor:
    return y.to(torch.float32) * scale + bias


def _compared(y: Tensor, threshold: Tensor, direction: Tensor) -> Packed:
    plus = torch.where(direction > 0, y >= threshold, y <= threshold)
    return pack(torch.where(plus, 1.0, -1.0))


def _with_signs(f: Tensor, threshold: Tensor, direction: Tensor) -> tuple[Tensor, Packed]:
    """NaN is neither below nor above a threshold, so its sign is +1, as in pack; and -0.0 is not below 0."""
    minus = torch.where(direction > 0, f < threshold, f > threshold)
    return f, pack(torch.where(minus, -1.0, 1.0))
