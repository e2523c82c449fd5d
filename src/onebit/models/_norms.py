"""The batch norms of the paper's networks, by name."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from onebit._registry import Registry
from onebit.nn import ShiftBatchNorm1d, ShiftBatchNorm2d, TheanoBatchNorm1d, TheanoBatchNorm2d

# name -> (number of features, whether they are maps, whether they are the scores) -> layer
NORMS: Registry[Callable[[int, bool, bool], nn.Module]] = Registry("batch norm")


def batch_norm_named(name: str, features: int, *, maps: bool = False, last: bool = False) -> nn.Module:
    """A new batch norm of that kind: "vanilla", "theano" or "shift"; UnknownName for another.

    maps: it normalises (N, C, H, W).  last: it makes the network's scores.
    """
    return NORMS[name](features, maps, last)


@NORMS.register("vanilla")
def _vanilla(features: int, maps: bool, last: bool) -> nn.Module:  # noqa: ARG001
    """Torch's, with the constants of the authors' Theano code."""
    return (nn.BatchNorm2d if maps else nn.BatchNorm1d)(features, eps=1e-4, momentum=0.1)


@NORMS.register("theano")
def _theano(features: int, maps: bool, last: bool) -> nn.Module:  # noqa: ARG001
    return (TheanoBatchNorm2d if maps else TheanoBatchNorm1d)(features)


@NORMS.register("shift")
def _shift(features: int, maps: bool, last: bool) -> nn.Module:
    """Shift-based; before the scores the authors' Torch code has an ordinary one, whose gamma starts in U(0, 1)."""
    if not last:
        return (ShiftBatchNorm2d if maps else ShiftBatchNorm1d)(features)
    norm = nn.BatchNorm1d(features, eps=1e-5, momentum=0.1)
    nn.init.uniform_(norm.weight)
    return norm
