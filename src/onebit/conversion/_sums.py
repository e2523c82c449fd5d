"""What one binary layer adds up: the integers each channel can see, and how the float network writes them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

MANTISSA = 2.0**24  # float32 holds every integer up to here


@dataclass(frozen=True)
class Sums:
    """Channel c sees the integers y = lowest[c] + step * i, i = 0 .. count - 1, and the network v = y*scale + bias.

    scale, bias: (n,) float32, the operator's epilogue. real: the same in float64 where the float network's own
    rounding hides them (`exact` is False), else None. note: why it is not exact, or "".
    linear: the captured node that holds v. pixels: True if y is a sum of bytes, not of signs. negated: True if the
    packed input is minus the captured one (and so are the weights). padded: True if the captured operand is a pad of
    the packed input. columns: for a flattened map, the place in the packed row that each captured number has.
    """

    k: int
    lowest: Tensor
    count: int
    step: int
    scale: Tensor
    bias: Tensor
    linear: str
    pixels: bool = False
    negated: bool = False
    padded: bool = False
    columns: Tensor | None = None
    note: str = ""
    real: tuple[Tensor, Tensor] | None = None

    @property
    def n(self) -> int:
        """Output channels."""
        return len(self.scale)

    @property
    def exact(self) -> bool:
        """True if the float network's v is y*scale + bias, bit for bit."""
        return not self.note

    def integers(self, start: int, stop: int) -> Tensor:
        """Rows start..stop-1 of the integers of all channels, (rows, n) int64."""
        return self.lowest + self.step * torch.arange(start, stop)[:, None]


def of_signs(signs: Tensor) -> tuple[Tensor, int, int]:
    """(lowest, count, step) of sums of k products of signs: -k, -k + 2, ..., k, the K + 1 integers of K's parity."""
    n, k = signs.shape
    return torch.full((n,), -k), k + 1, 2


def of_pixels(signs: Tensor, low: int, high: int) -> tuple[Tensor, int, int]:
    """(lowest, count, step) of sums of low..high times signs: from low * pluses - high * minuses, in steps of 1."""
    minus = (signs < 0).sum(1)
    return low * (signs.shape[1] - minus) - high * minus, (high - low) * signs.shape[1] + 1, 1


def bias_is_exact(bias: Tensor, largest: float) -> bool:
    """True if integers up to `largest` plus bias are exact in float32, whatever the order of the additions.

    Let b be a multiple of q = 2**-f for all b. Every partial sum is a multiple of q below largest + |b|, and float32
    holds it if that is at most q * 2**24.
    """
    room = MANTISSA / (largest + float(bias.abs().max()) + 1)
    if room < 1 or not math.isfinite(room):
        return False
    grid = 2.0 ** math.floor(math.log2(room))
    return bool(((bias.double() * grid) % 1 == 0).all())


def is_power_of_two(x: Tensor) -> Tensor:
    """Where |x| is a power of two: multiplying by it never rounds."""
    return torch.frexp(x).mantissa.abs() == 0.5
