"""Packed: signs as bits in 64-bit words, with the logical length that the words alone cannot tell."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from onebit._errors import DtypeError, FormatError, OptionError, ShapeError

WORD_BITS = 64


def words_for(k: int) -> int:
    """Number of 64-bit words that hold k bits: ceil(k / 64)."""
    return -(-k // WORD_BITS)


@dataclass(frozen=True, eq=False)  # eq: comparing tensors gives a tensor, not a truth value
class Packed:
    """Signs in {-1, +1} as bits: sign = 1 - 2 * bit, least significant bit first along the last dimension.

    words: (..., ceil(k / 64)) int64, the two's complement of the unsigned words; bits past k are 0.
    k: number of signs along the last dimension, at least 1.
    Raises DtypeError, OptionError or ShapeError for words that cannot hold k signs. `Packed.checked` also looks at
    the tail bits, which costs a pass over the last words.
    """

    words: Tensor
    k: int

    def __post_init__(self) -> None:
        if self.words.dtype != torch.int64:
            raise DtypeError(f"Packed: words have dtype {self.words.dtype}; expected torch.int64 (see pack).")
        if self.k < 1:
            raise OptionError(f"Packed: k is {self.k}; expected at least 1.")
        if self.words.dim() < 1 or self.words.shape[-1] != words_for(self.k):
            raise ShapeError(
                f"Packed: words have shape {tuple(self.words.shape)}; k={self.k} signs need "
                f"(..., {words_for(self.k)}): ceil(k / 64) words along the last dimension."
            )

    @classmethod
    def checked(cls, words: Tensor, k: int) -> Packed:
        """Packed, after a look at the tail: FormatError if a bit past k is set (it would be counted as a sign)."""
        packed = cls(words, k)
        used = k % WORD_BITS
        if used:
            stray = (words[..., -1] >> used) & ((1 << (WORD_BITS - used)) - 1)  # the mask undoes sign extension
            if bool(stray.any()):
                raise FormatError(
                    f"Packed: {int((stray != 0).sum())} of {stray.numel()} last words have a bit set at or past "
                    f"position {used}; k={k} leaves those bits unused, and they must be 0."
                )
        return packed

    @property
    def shape(self) -> torch.Size:
        """The logical shape: (..., k)."""
        return torch.Size((*self.words.shape[:-1], self.k))
