"""Random thresholds that are a function of a seed and of a value's place, so that every path draws the same ones."""

from __future__ import annotations

import torch
from torch import Tensor

_BLOCK = 1 << 15  # values whose hashes stay in cache between the passes over them; torch wakes no thread for fewer


def random_thresholds(x: Tensor, seed: Tensor) -> Tensor:
    """t = 1 - 2 u in (-1, 1] for each value of x, float32 of x's shape and device: P(x >= t) is the hard sigmoid of x.

    u is uniform in [0, 1): 24 bits of a hash of the seed, a number from 0 to 2**32 - 1, and of the value's number in
    the order of the dimensions, whatever the memory format. `onebit.ops.stochastic_pack` draws the same.
    """
    if x.device.type != "cpu" or torch.compiler.is_compiling():
        return _numbered(0, x.numel(), seed.to(x.device)).view(x.shape)
    firsts = range(0, x.numel(), _BLOCK)
    blocks = [_numbered(first, min(first + _BLOCK, x.numel()), seed) for first in firsts]
    return torch.cat(blocks).view(x.shape) if blocks else x.new_empty(x.shape, dtype=torch.float32)


def _numbered(first: int, end: int, seed: Tensor) -> Tensor:
    """The thresholds of the values with these numbers."""
    h = torch.arange(first, end, dtype=torch.int64, device=seed.device).to(torch.int32)  # int32 wraps, as hashes want
    h = h.mul_(_signed(0x9E3779B1)) + seed.to(torch.int32)  # not in place: under vmap each sample may have a seed
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
        h = h.bitwise_xor_(_without_sign(h, shift)).mul_(_signed(factor))
    h = _without_sign(h.bitwise_xor_(_without_sign(h, 16)), 8)
    return h.to(torch.float32).mul_(-(2.0**-23)).add_(1)


def _without_sign(h: Tensor, shift: int) -> Tensor:
    """The shift of unsigned numbers."""
    return (h >> shift).bitwise_and_((1 << (32 - shift)) - 1)


def _signed(word: int) -> int:
    return word - (1 << 32)
