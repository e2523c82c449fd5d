"""The paper's first layer: 8-bit pixels as eight planes of bits, each multiplied with an AND and a popcount.

A second definition of `dense_u8_int32`, the way the paper writes it. Kernels may choose it; they must not differ.
"""

from __future__ import annotations

import torch
from torch import Tensor

from onebit._errors import DtypeError, ShapeError
from onebit.bits._pack import pack
from onebit.bits._packed import Packed

PLANES = 8


def bit_planes(x: Tensor) -> Packed:
    """The planes of x (..., K) uint8, least significant first: (8, ..., K); bit i of plane n is bit n of x[..., i].

    The bits mean 0 and 1 here, not +1 and -1. Raises DtypeError for another dtype.
    """
    if x.dtype != torch.uint8:
        raise DtypeError(f"bit_planes: x has dtype {x.dtype}; expected torch.uint8.")
    planes = torch.stack([(x >> n) & 1 for n in range(PLANES)])
    return pack(-planes.float())  # pack sets a bit where its operand is negative


def popcount(words: Tensor) -> Tensor:
    """How many bits of the words (..., W) int64 are set, summed along the last dimension."""
    table = torch.tensor([byte.bit_count() for byte in range(256)], device=words.device)
    return table[words.contiguous().view(torch.uint8).long()].sum(-1)


def dense_u8_bit_planes(x: Tensor, w: Packed) -> Tensor:
    """y = sum over n = 0..7 of 2**n * (x_n . w), x_n . w = popcount(x_n) - 2 * popcount(x_n AND w's bits).

    x: (..., K) uint8.  w: (N, K); its bits are 1 for -1 (where they are 1 for +1, as in the paper, the product reads
    2 * popcount(x_n AND w) - popcount(x_n)).  Returns (..., N) int32. Raises DtypeError or ShapeError.
    Source: arXiv:1602.02830.
    """
    planes = bit_planes(x)
    if len(w.shape) != 2 or x.shape[-1] != w.k:
        raise ShapeError(f"dense: x has shape {tuple(x.shape)} and w {tuple(w.shape)}; expected (..., K) and (N, K).")
    minuses = popcount(planes.words.unsqueeze(-2) & w.words)  # (8, ..., N)
    products = popcount(planes.words).unsqueeze(-1) - 2 * minuses
    return sum((products[n] << n for n in range(PLANES)), torch.zeros_like(products[0])).to(torch.int32)
