"""The squared hinge loss, one class against the rest."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from onebit._errors import DtypeError, ShapeError


def squared_hinge(outputs: Tensor, labels: Tensor) -> Tensor:
    """Mean over batch and classes of max(0, 1 - t * o)**2, where t is +1 for the label's class and -1 elsewhere.

    outputs: raw scores o, (N, classes) real.  labels: class indices, (N,) int64.  Returns a scalar.
    Gradient: -2 * t * max(0, 1 - t * o) / (N * classes). Raises ShapeError or DtypeError. Source: arXiv:1602.02830.
    """
    _check(outputs, labels)
    t = torch.full_like(outputs, -1, requires_grad=False).scatter_(1, labels.unsqueeze(1), 1)  # (N, classes)
    return (1 - t * outputs).relu().square().mean()


class SquaredHinge(nn.Module):
    """`functional.squared_hinge` as a module."""

    def forward(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """(N, classes) real, (N,) int64 -> scalar."""
        return squared_hinge(outputs, labels)


def _check(outputs: Tensor, labels: Tensor) -> None:
    if outputs.ndim != 2 or labels.shape != outputs.shape[:1]:
        raise ShapeError(
            f"squared_hinge: outputs have shape {tuple(outputs.shape)}, labels {tuple(labels.shape)}. "
            "Expected (N, classes) and (N,): one row of scores and one class index for each example."
        )
    if labels.dtype != torch.int64:
        raise DtypeError(
            f"squared_hinge: labels have dtype {labels.dtype}. Expected torch.int64 class indices, "
            "which are turned into -1 and +1 here."
        )
