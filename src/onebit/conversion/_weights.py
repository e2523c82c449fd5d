"""Binary weights: -1 and +1, up to one scale per output channel."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from onebit.conversion._sums import is_power_of_two
from onebit.conversion._thresholds import NotBinary

_ROUNDING = 1e-6  # of a scale: what a straight-through expression such as (sign(w) - w) + w leaves behind


@dataclass(frozen=True)
class BinaryWeights:
    """w = scale[:, None] * signs; note: why sums of w are not exact in float32, or ""."""

    signs: Tensor
    scale: Tensor
    note: str


def binary_weights(w: Tensor) -> BinaryWeights:
    """Splits w (n, k) into signs and a scale per row; raises NotBinary if a row holds more than one magnitude.

    w = +-a * sign is what XNOR-Net style layers make (arXiv:1603.05279). If a is a power of two, multiplying by it
    never rounds, and the scale can leave the sum without changing a bit.
    """
    magnitude = w.abs()
    scale = magnitude.median(dim=1).values
    scale = torch.where((scale - 1).abs() <= _ROUNDING, torch.ones_like(scale), scale)
    spread = (magnitude - scale[:, None]).abs().amax(1)
    wrong = ~((spread <= _ROUNDING * scale) & (scale > 0) & scale.isfinite())
    if bool(wrong.any()):
        row = int(wrong.nonzero()[0])
        low, high = float(magnitude[row].min()), float(magnitude[row].max())
        raise NotBinary(
            f"its weights are not binary: output {row} has magnitudes from {low:.3g} to {high:.3g}; binarize them in "
            "forward (onebit.nn.BinaryLinear does)"
        )
    note = ""
    if not bool(is_power_of_two(scale).all()):
        note = "the float model rounds sums of scaled weights"
    elif bool((spread > 0).any()):
        note = "the float model's weights miss -1 and +1 by rounding"
    return BinaryWeights(torch.where(w < 0, -1.0, 1.0), scale, note)
