"""Means over the processes that train one network, for batch norms whose statistics are those of the whole batch."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, distributed

_alone = False


@contextlib.contextmanager
def by_itself() -> Iterator[None]:
    """Within it this process takes its own statistics: for a forward pass in which the others take no part."""
    global _alone
    before, _alone = _alone, True
    try:
        yield
    finally:
        _alone = before


def mean_over_processes(x: Tensor) -> Tensor:
    """The mean of x over all processes of the run, x itself where there is one; all must call it with equal shapes.

    Its gradient is the mean of theirs, as for any x that is an equal share of a sum.
    """
    if processes() == 1:
        return x
    mean: Tensor = _Mean.apply(x)  # type: ignore[no-untyped-call]
    return mean


def processes() -> int:
    """How many take part."""
    joined = distributed.is_available() and distributed.is_initialized() and not _alone
    return distributed.get_world_size() if joined else 1


class _Mean(torch.autograd.Function):
    """A linear map that is its own transpose."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:  # noqa: ARG004
        return _mean(x)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> Tensor:  # noqa: ARG004
        return _mean(dy)


def _mean(x: Tensor) -> Tensor:
    total = x.contiguous().clone()
    distributed.all_reduce(total)
    return total / distributed.get_world_size()
