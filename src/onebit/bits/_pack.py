"""pack and unpack in pure torch: no native library, any device, independent of the machine's byte order."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from onebit._errors import DtypeError, OptionError, ShapeError
from onebit.bits._packed import WORD_BITS, Packed, words_for


def pack(x: Tensor, *, checked: bool = False) -> Packed:
    """Packs the signs of x: bit = 1 if x < 0 else 0, so 0, -0.0 and NaN become +1.

    x: (..., K) of a floating dtype, K >= 1.
    checked: raise OptionError if x holds a NaN, which has no sign.
    Raises DtypeError for an integer or boolean x and ShapeError for one without a last dimension to pack.
    """
    if not x.dtype.is_floating_point:
        raise DtypeError(
            f"pack: x has dtype {x.dtype}; expected a floating dtype. Words that are packed already go into "
            "Packed(words, k); for integer signs call pack(x.float())."
        )
    if x.dim() < 1 or x.shape[-1] < 1:
        raise ShapeError(f"pack: x has shape {tuple(x.shape)}; expected (..., K) with K >= 1 signs to pack.")
    if checked and bool(x.isnan().any()):
        raise OptionError(f"pack: {int(x.isnan().sum())} of {x.numel()} values of x are NaN, which has no sign.")
    k = x.shape[-1]
    shape = (*x.shape[:-1], words_for(k))
    bits = F.pad((x < 0).to(torch.uint8), (0, words_for(k) * WORD_BITS - k))
    # In two steps, bits to bytes to words: no intermediate takes more than 8 bytes for each byte of bits.
    octets = (bits.reshape(*shape, 8, 8) << _steps(8, 1, torch.uint8, x)).sum(-1, dtype=torch.uint8)
    words = (octets.to(torch.int64) << _steps(8, 8, torch.int64, x)).sum(-1)
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
