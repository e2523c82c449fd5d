"""pack and unpack in pure torch: no native library, any device, independent of the machine's byte order."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from onebit._errors import DtypeError, OptionError, ShapeError
from onebit.bits._packed import WORD_BITS, Packed, words_for


def pack(
    x: Tensor,
    *,
    axis: int = -1,
    threshold: Tensor | None = None,
    direction: Tensor | None = None,
    checked: bool = False,
) -> Packed:
    """Packs signs along the channels: bit = 1 if x < 0 else 0, so 0, -0.0 and NaN become +1.

    x: (..., K), or (N, K, ...) with axis=1; floating or int8. Its result is (..., K), or (N, ..., K): channels last.
    threshold: (K,) float32 in place of 0, with direction: (K,) int8 of +1 and -1. Then bit = 1 if
    (direction > 0 ? x < threshold : x > threshold) else 0: +1 where x is the threshold or one of them is NaN.
    Values are compared as they are, never rounded. uint8 pixels, never below 0, need a threshold.
    checked: raise OptionError if x holds a NaN, which has no sign.
    Raises DtypeError for another dtype, ShapeError if there is no dimension to pack, or thresholds of another shape.
    """
    check_packable("pack", x, axis, threshold, direction)
    if checked and bool(x.isnan().any()):
        raise OptionError(f"pack: {int(x.isnan().sum())} of {x.numel()} values of x are NaN, which has no sign.")
    return _packed(_minus(x.movedim(axis, -1), threshold, direction))


def check_packable(op: str, x: Tensor, axis: int, threshold: Tensor | None, direction: Tensor | None) -> None:
    """Raises DtypeError, ShapeError or OptionError unless `pack` takes these arguments."""
    if axis not in (-1, 1):
        raise OptionError(f"{op}: axis is {axis}; expected -1 for (..., K) or 1 for (N, K, ...).")
    if (threshold is None) != (direction is None):
        raise OptionError(f"{op}: one of threshold and direction is missing; give both, or none to compare with 0.")
    if not (x.dtype.is_floating_point or x.dtype in (torch.int8, torch.uint8)):
        raise DtypeError(
            f"{op}: x has dtype {x.dtype}; expected a floating dtype, int8, or uint8 with a threshold. Words that are "
            "packed already go into Packed(words, k); for other integers call x.float() first."
        )
    if x.dtype == torch.uint8 and threshold is None:
        raise DtypeError(f"{op}: x has dtype torch.uint8, never below 0, so each sign would be +1; give a threshold.")
    if x.dim() < (1 if axis == -1 else 2) or x.shape[axis] < 1:
        shape = "(..., K)" if axis == -1 else "(N, K, ...)"
        raise ShapeError(f"{op}: x has shape {tuple(x.shape)}; expected {shape} with K >= 1 signs to pack.")
    for name, value, dtype in (("threshold", threshold, torch.float32), ("direction", direction, torch.int8)):
        if value is not None and value.dtype != dtype:
            raise DtypeError(f"{op}: {name} has dtype {value.dtype}; expected {dtype}.")
        if value is not None and tuple(value.shape) != (x.shape[axis],):
            raise ShapeError(
                f"{op}: {name} has shape {tuple(value.shape)}; expected ({x.shape[axis]},): one value per channel."
            )


def _minus(x: Tensor, threshold: Tensor | None, direction: Tensor | None) -> Tensor:
    """True where x becomes -1; float32 holds every value of the narrower dtypes, so comparing rounds nothing."""
    if threshold is None or direction is None:
        return x < 0
    return torch.where(direction > 0, x < threshold, x > threshold)


def _packed(minus: Tensor) -> Packed:
    k = minus.shape[-1]
    shape = (*minus.shape[:-1], words_for(k))
    bits = F.pad(minus.to(torch.uint8), (0, words_for(k) * WORD_BITS - k))
    # In two steps, bits to bytes to words: no intermediate takes more than 8 bytes for each byte of bits.
    octets = (bits.reshape(*shape, 8, 8) << _steps(8, 1, torch.uint8, bits)).sum(-1, dtype=torch.uint8)
    words = (octets.to(torch.int64) << _steps(8, 8, torch.int64, bits)).sum(-1)
    return Packed(words, k)


def unpack(p: Packed, dtype: torch.dtype = torch.float32) -> Tensor:
    """The signs in p, -1 and +1: sign = 1 - 2 * bit, (..., k) of the given dtype; the inverse of pack.

    Raises DtypeError for a dtype that cannot hold -1.
    """
    if not dtype.is_signed:
        raise DtypeError(f"unpack: dtype {dtype} cannot hold -1; expected a floating or signed integer dtype.")
    octets = ((p.words.unsqueeze(-1) >> _steps(8, 8, torch.int64, p.words)) & 0xFF).to(torch.uint8).flatten(-2)
    bits = ((octets.unsqueeze(-1) >> _steps(8, 1, torch.uint8, p.words)) & 1).flatten(-2)[..., : p.k]
    return 1 - 2 * bits.to(dtype)


def _steps(count: int, step: int, dtype: torch.dtype, like: Tensor) -> Tensor:
    return torch.arange(0, count * step, step, dtype=dtype, device=like.device)
